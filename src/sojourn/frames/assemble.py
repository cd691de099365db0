"""One-time code objects: a prologue that rebuilds a frame, followed by the frame's own bytecode.

Theory. Since 3.11 all jumps are relative, so bytecode may be moved as a block. A one-time code object is

    prologue | the original bytecode, verbatim

with the exception table shifted and the line table prefixed. The prologue takes the frame's values from a list, stores
them into locals, cells and stack slots, calls the resumer of the next inner frame, leaves that call's result where the
interrupted instruction would have left it, and jumps behind that instruction. From there on the program runs its own
code, which specializes as ever. PyTorch Dynamo's resume functions are the precedent for the second half.

Guarantees.
1. Values come from a list that the prologue empties, never from constants: nothing outlives its use.
2. The position of the prologue's call has the line and the columns of the interrupted instruction, and its exception
   handler: a traceback through a resumed frame reads as it would have, and `except` and `with` see what they should.
   (3.13 looks handlers up with the unit before the call, so the entry begins there.)
3. A frame that is still in its prologue can be captured again: the last constant of a one-time code object is a `Plan`,
   which says what is to be rebuilt and which positions of the prologue mean what.
4. No assumption about size: arguments over 255 get as many EXTENDED_ARG as they need.

Rejected: writing into a fresh frame's memory (corrupts reference counts at the first mistake); re-compiling source
(there may be none); jumping with `f_lineno` (lines are not positions, and nothing jumps into a `with` or an `except`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any

from .analyze import VERSION, Facts, Handler, Position, cache_units, facts
from .course import Course
from .epilogues import write_inner_call
from .record import FrameRecord
from .tables import write_exception_table, write_line_table
from .writer import NO_POSITION, Writer

CO_VARARGS, CO_VARKEYWORDS = 4, 8
_GENERATOR_FLAGS = 0x20 | 0x80 | 0x200
_STOP_ITERATION_WRAP = 4  # CALL_INTRINSIC_1: ASYNC_GEN_WRAP

@dataclass(slots=True, eq=False)
class Plan:
    """What a one-time code object is: kept as its last constant."""

    record: FrameRecord  # without values
    values: list[Any]  # those still to be taken, last first
    inner: CodeType | None = None  # of the resumer among the values
    shift: int = 0  # length of the prologue
    entry: int = 0  # generators: offset of RETURN_GENERATOR
    pause: int | None = None  # generators: offset of the priming YIELD_VALUE
    calls: list[int] = field(default_factory=list[int])  # offsets: the inner frame's call, then the course's
    course: Course | None = None
    marks: dict[int, int] = field(default_factory=dict[int, int])  # offset of a raise -> offset in the original

    def original_offset(self, offset: int) -> int:
        """Where in the original code a position of the one-time code lies."""
        if offset >= self.shift:
            return offset - self.shift
        return self.marks.get(offset, self.record.site or 0)

    def call_at(self, offset: int) -> int | None:
        """The call of ours at this position; 3.11 stands behind the call's caches while it runs."""
        behind = offset - 2 * cache_units("CALL")
        return next((call for call in (offset, behind) if call in self.calls), None)

    def remaining(self) -> tuple[FrameRecord, FunctionType | None]:
        """The record with the values that are still to be taken, and the resumer among them."""
        record = self.record.shape()
        record.values = self.values[::-1]
        resumer = record.values.pop(len(record.values) - 1 - record.course) if record.has_inner else None
        return record, resumer


def plan_of(code: CodeType) -> Plan | None:
    """The plan of a one-time code object; None for any other."""
    last = code.co_consts[-1] if code.co_consts else None
    return last if type(last) is Plan else None


def original_of(code: CodeType) -> CodeType:
    """The program's own code object."""
    plan = plan_of(code)
    return plan.record.code if plan else code


def unbuilt(resumer: FunctionType | None) -> list[FrameRecord]:
    """The records, outermost first, of a function made by `resume.build` that has not been called yet."""
    records: list[FrameRecord] = []
    while resumer is not None:
        plan = plan_of(resumer.__code__)
        assert plan is not None
        record, resumer = plan.remaining()
        records.append(record)
    return records


def one_time_code(record: FrameRecord, values: list[Any]) -> CodeType:
    """The code object that rebuilds `record` (whose values will stand in `values`, last first) and goes on."""
    code = record.code
    original = facts(code)
    plan = Plan(record.shape(), values, course=Course(values) if record.course else None)
    writer = Writer(code, values.pop)
    if record.generator:
        plan.entry = writer.emit("RETURN_GENERATOR")
        writer.emit("POP_TOP")
    writer.emit("RESUME", 0)
    arguments = min(code.co_argcount, 1)
    for index, bound in enumerate(record.bound):
        if bound:
            writer.take()
            writer.emit("STORE_FAST", index)
            writer.grow(-1)
        elif index < arguments:
            writer.emit("DELETE_FAST", index)
    marks = {slot: (offset, original.position(offset)) for slot, offset in record.lasti.items()}
    writer.push(record.kinds, marks, plan.marks)
    position = NO_POSITION if record.site is None else original.position(record.site)
    handler = None if record.site is None else original.handler(record.site)
    if record.generator and record.prime != "created":
        _write_pause(writer, plan, position, handler)
    writer.push(record.pre, {}, plan.marks)
    if record.has_inner or record.course:
        write_inner_call(writer, plan, position, handler)
    writer.jump_to_original(record.target)
    return _finish(writer, plan, original, arguments)


def standing_code(code: CodeType, offset: int, getframe: Callable[[], Any]) -> tuple[CodeType, int]:
    """A code object that gives its own frame and ends, for a traceback entry at `offset` of `code`; and its shift.

    The original bytecode behind the prologue never runs: it is there for the positions that a traceback prints.
    """
    original = facts(code)
    record = FrameRecord(code, {}, code.co_name, code.co_qualname, site=offset)
    plan = Plan(record, [])
    writer = Writer(code, getframe)
    writer.at(original.position(offset))
    writer.emit("RESUME", 0)
    writer.take()
    writer.emit("RETURN_VALUE")
    writer.at(NO_POSITION)
    writer.emit("NOP")  # carries the way back to the first line
    made = _finish(writer, plan, original, 0)
    return made.replace(co_flags=made.co_flags & ~_GENERATOR_FLAGS), plan.shift


def _write_pause(writer: Writer, plan: Plan, position: Position, handler: Handler | None) -> None:
    """Suspend here, so that a first `send(None)` rebuilds the frame and runs nothing of the program."""
    record = plan.record
    if record.prime == "task":
        writer.take()  # not primed: the event loop's first step gets what the task was waiting for
    else:
        writer.load(writer.none)
        writer.grow(1)
    if record.async_wrap:
        if VERSION == (3, 11):
            writer.emit("ASYNC_GEN_WRAP")
        else:
            writer.emit("CALL_INTRINSIC_1", _STOP_ITERATION_WRAP)
    if record.prime == "running":
        # The frame outside will execute its `for`, `send` or `await` again: what that sends is dropped.
        writer.at(position)
        plan.pause = writer.emit("YIELD_VALUE", 1 if VERSION == (3, 12) else 0)
        writer.at(NO_POSITION)
        writer.emit("RESUME", 1)
        writer.emit("POP_TOP")
        writer.grow(-1)
        return
    delegates = VERSION == (3, 11) and record.resume_arg & 3 >= 2
    over = writer.emit("JUMP_FORWARD") if delegates else None
    writer.at(position)
    send = None
    if over is not None:
        # 3.11 looks for the SEND of a `yield from` right before the YIELD_VALUE, never to execute it, but to learn
        # where to go on when something thrown in comes back as StopIteration.
        send = writer.emit("SEND")
        writer.land(over)
    plan.pause = writer.emit("YIELD_VALUE", record.yield_arg)
    writer.emit("RESUME", record.resume_arg)
    writer.cover(plan.pause, handler)
    if send is None:
        writer.at(NO_POSITION)
        return
    writer.jump_to_original(record.target)
    writer.cover(plan.pause, handler)
    writer.land(send)
    writer.at(NO_POSITION)
    writer.jump_to_original(record.exit)


def _finish(writer: Writer, plan: Plan, original: Facts, arguments: int) -> CodeType:
    code = original.code
    writer.at(NO_POSITION)
    writer.settle_jumps()
    shift = plan.shift = len(writer.code)
    handlers = [
        *writer.handlers,
        *(Handler(start, end, h.target + shift, h.depth, h.lasti) for start, end, h in writer.outer),
        *(Handler(h.start + shift, h.end + shift, h.target + shift, h.depth, h.lasti) for h in original.handlers),
    ]
    writer.const(plan)
    return code.replace(
        co_code=bytes(writer.code) + code.co_code,
        co_consts=tuple(writer.consts),
        co_exceptiontable=write_exception_table(handlers),
        co_linetable=write_line_table(code.co_firstlineno, writer.spans) + code.co_linetable,
        co_stacksize=max(code.co_stacksize, writer.max_depth + 8),
        co_flags=code.co_flags & ~(CO_VARARGS | CO_VARKEYWORDS),
        # `super()` without arguments insists on a first argument; the rest of the signature is done with.
        co_argcount=arguments,
        co_kwonlyargcount=0,
        co_posonlyargcount=0,
    )

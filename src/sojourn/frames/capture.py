# pyright: basic
# (generators, frames and hooks of the interpreter have few static types)
"""From live frames to records.

Theory. A stack can be captured in one of three modes, which say how the innermost frame stands:

- "exact": an opcode event has stopped it; it is about to execute the instruction at `f_lasti`.
- "reexecute": it is inside a C call that may be made again (`blocking.BLOCKING`); callable and arguments stay in place.
- "called": it called us, and the call is to give `result` when the frame goes on.

All outer frames are inside an instruction that runs the next inner frame; `boundary` decides how each goes on. Frames
that are themselves resumed and still in their prologue follow their plan (`assemble.Plan`) instead.

Exceptions being handled form a stack of their own, cut at generators. What a "P" slot holds is the exception that was
current *before*; what has to be made current when the slot is rebuilt is the word of the next "P" slot up, and for the
last one the exception the segment handles now.

Guarantees. Nothing is changed: `f_locals` is never touched, no code of the program is called. Depth costs no recursion.
A frame that cannot be captured now raises `Pin`, which names the frame to wait for. The caller must not be handling an
exception of its own (it would be taken for the program's).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from types import BuiltinFunctionType, CoroutineType, FrameType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any, Literal

from sojourn.errors import InternalError

from . import contexts
from .analyze import Instruction
from .assemble import Plan, original_of, unbuilt
from .blocking import SLEEP, Blocked, Blocking, blocked_callable, is_blocked
from .boundary import Continuation, Pin, Site, decide
from .cstack import sleep_left, wait_left, words_above
from .layout import LiveObjects, handled_exception, verify
from .memory import Memory
from .reading import Reading
from .record import FrameRecord, Stack
from .sites import CALLS, code_behind, unpacked_place
from .steps import awaits
from .waits import Read, objection

__all__ = ["Mode", "Other", "Pin", "blocked_in", "blocking_call", "capture_generator", "capture_stack",
           "visible_locals"]  # fmt: skip

Mode = Literal["exact", "reexecute", "called"]
if TYPE_CHECKING:
    from types import AsyncGeneratorType

    AnyGenerator = GeneratorType[Any, Any, Any] | CoroutineType[Any, Any, Any] | AsyncGeneratorType[Any, Any]


@dataclass(slots=True)
class Other:
    """What is to be known of a thread that is not the one that captures."""

    handled: BaseException | None  # the exception that it handles
    context: Any  # in which it runs
    words: Sequence[int] = ()  # of its C stack, above its system call, the nearest first
    blocked: Blocked | None = None  # in what
    left: list[float] = field(default_factory=list[float])  # seconds until it wakes up, if that is known


def capture_stack(frame: FrameType, *, base: FrameType | None, mode: Mode, result: Any = None,
                  waited: float = 0.0, other: Other | None = None) -> Stack:  # fmt: skip
    """Capture `frame` and everything outside it up to, not including, `base`.

    Args:
        frame: the innermost frame of the program.
        base: the innermost frame that is not the program's; None for all.
        mode: how `frame` stands (see above).
        result: what the call gives in mode "called".
        waited: seconds already spent in the call, in mode "reexecute".
        other: whose frame it is, if not the caller's.

    Raises:
        Pin: `pin.frame` cannot be captured now.
    """
    verify()
    current = sys.exc_info()[1] if other is None else other.handled
    readings: list[Reading] = []  # innermost first
    ahead: list[FrameRecord] = []  # frames that a prologue is about to rebuild
    live = LiveObjects()
    at: FrameType | None = frame
    while at is not None and at is not base:
        reading = Reading(at)
        reading.check_namespace()
        reading.read_locals()
        if readings:
            _read_outer(reading, readings[-1], live)
        elif mode == "exact" and reading.in_prologue:
            ahead = _read_prologue(reading)
        elif mode == "reexecute":
            _read_blocked(reading, waited, other)
        elif mode == "exact":
            _read_exact(reading)
        else:
            _read_caller(reading, result)
        if reading.record.generator:
            reading.record.prime = "running"
        readings.append(reading)
        at = at.f_back
    _settle_exceptions(_segments(readings), current)
    stack = _linked(readings, ahead)
    running = contexts.current() if other is None else other.context
    stack.context = contexts.outermost(running, (reading.course for reading in readings))
    return stack


def visible_locals(frame: FrameType, *, base: FrameType | None) -> Stack:
    """The locals of `frame` and of everything outside it up to `base`, wherever they stand: to name things by, not to
    go on from.
    """
    verify()
    found = Stack()
    at: FrameType | None = frame
    while at is not None and at is not base:
        reading = Reading(at)
        if not reading.in_prologue:
            reading.read_locals()
            reading.record.site = reading.instruction().offset if at.f_lasti >= 0 else 0
            found.records.append(reading.finish())
        at = at.f_back
    found.records.reverse()
    return found


def _segments(readings: list[Reading]) -> list[list[Reading]]:
    """Innermost first; each segment ends with the generator it runs in, if any."""
    segments: list[list[Reading]] = [[]]
    for reading in readings:
        segments[-1].append(reading)
        if reading.generator is not None:
            segments.append([])
    return segments


def _settle_exceptions(segments: list[list[Reading]], current: BaseException | None) -> None:
    outside = current
    for segment in segments:
        handled = outside
        generator = segment[-1].generator if segment else None
        if generator is not None:
            handled, outside = handled_exception(generator)
        slots = [(r, i) for r in reversed(segment) for i in r.exceptions]  # outermost first
        values = [reading.stack[index] for reading, index in slots[1:]] + [handled]
        for (reading, index), value in zip(slots, values, strict=False):
            reading.stack[index] = value


def _linked(readings: list[Reading], ahead: list[FrameRecord]) -> Stack:
    stack = Stack()
    part = ahead[::-1]  # innermost first, since the last generator
    for reading in readings:
        record = reading.finish()
        if reading.generator is None:
            part.append(record)
            continue
        record.inner = part[::-1]
        stack.running[id(reading.generator)] = record
        stack.generators.append(reading.generator)
        part = []
    stack.records = part[::-1]
    return stack


# ---- the innermost frame ---------------------------------------------------------------------------------------------


def _read_exact(reading: Reading) -> None:
    instruction = reading.instruction()
    kinds = reading.code_facts.kinds(instruction)
    depth = reading.saved_depth()
    if depth is not None and depth != len(kinds):
        raise InternalError(
            f"{reading.record.qualname} holds {depth} values at {instruction.offset} {instruction.name}, "
            f"{len(kinds)} were expected"
        )
    reading.read_stack(kinds)
    reading.record.target = reading.code_facts.restart(instruction)
    reading.record.site = instruction.offset


def _read_blocked(reading: Reading, waited: float, other: Other | None) -> None:
    if reading.in_prologue:
        raise Pin(reading.frame, "it is being rebuilt")
    instruction = reading.instruction()
    where = (reading.view, reading.code_facts, instruction)
    blocked = is_blocked(*where) if other is None else other.blocked
    if blocked is None:
        raise Pin(reading.frame, "blocked in", blocked_callable(*where))
    kinds = reading.code_facts.kinds(instruction)
    reading.read_stack(kinds)
    given = instruction.arg if instruction.name in CALLS else 0
    first = len(reading.stack) - given - (instruction.name == "CALL_KW")
    if blocked.unpacked:
        _make_again_unpacked(reading, blocked.row, instruction, waited, other)
    elif isinstance(blocked.row, Read):
        _check_read(reading, blocked.row, first, given, other)
    elif (which := blocked.timeout(given)) is not None:
        reading.stack[first + which] = _left(blocked.row, reading.stack[first + which], waited, other)
    elif blocked.entering and type(reading.stack[-1]) is BuiltinFunctionType:
        reading.stack[-1] = reading.stack[-1].__self__  # 3.11: its `__exit__` stands where the lock was
    reading.record.target = reading.code_facts.restart(instruction)
    reading.record.site = instruction.offset


def _left(row: Blocking, allowed: Any, waited: float, other: Other | None) -> Any:
    """What is left of the time that a call was allowed, as its argument."""
    if type(allowed) not in (int, float) or allowed <= 0:
        return allowed
    left = _time_left(row, allowed * row.unit, waited, other) / row.unit
    if other is not None:
        other.left.append(left * row.unit)
    return left if row.unit == 1.0 else ceil(left)


def _make_again_unpacked(
    reading: Reading, row: Any, instruction: Instruction, waited: float, other: Other | None
) -> None:
    """`f(*arguments, **others)`: the time is in the tuple, or in the mapping, which the interpreter has made."""
    place = unpacked_place(instruction, len(reading.stack))
    arguments, others = reading.stack[place], reading.stack[-1] if place < len(reading.stack) - 1 else None
    if row.timeout is None:
        return
    if type(others) is dict and "timeout" in others:
        reading.stack[-1] = others | {"timeout": _left(row, others["timeout"], waited, other)}
    elif row.timeout < len(arguments):
        left = _left(row, arguments[row.timeout], waited, other)
        reading.stack[place] = (*arguments[: row.timeout], left, *arguments[row.timeout + 1 :])


def _check_read(reading: Reading, read: Read, first: int, given: int, other: Other | None) -> None:
    why = objection(read, reading.stack[first : first + given], None if other is None else other.words)
    if why is not None:
        raise Pin(reading.frame, why, read.callable)
    if read.shown is not None and given > read.shown:
        reading.stack[first + read.shown] = ""


def _time_left(blocking: Blocking, allowed: float, waited: float, other: Other | None) -> float:
    """Seconds, from the deadline that the call keeps on the C stack; where it is not found, the part of the wait before
    `waited` began is not known and comes on top.
    """
    words = words_above() if other is None else other.words
    left = (sleep_left if blocking.kind == SLEEP else wait_left)(allowed, words or ())
    return max(0.0, allowed - waited if left is None else left)


def _read_caller(reading: Reading, result: Any) -> None:
    callee = sys._getframe()
    while callee is not None and callee.f_back is not reading.frame:
        callee = callee.f_back
    if callee is None:
        raise Pin(reading.frame, "it did not call")
    if reading.plan is not None and reading.in_prologue:
        _read_rebuilt_caller(reading, reading.plan, Reading(callee), result)
        return
    continuation = _decide(reading, Reading(callee), LiveObjects())
    if continuation.again:
        raise Pin(reading.frame, "a generator of ours is being run")
    reading.read_stack(reading.code_facts.kinds(reading.instruction())[: continuation.keep])
    for value in continuation.pre:
        reading.push(value)
    if continuation.after or continuation.reenter or continuation.course:
        raise Pin(reading.frame, f"called through {reading.instruction().name}")
    reading.push(result)
    reading.record.site = reading.instruction().offset
    reading.record.target = reading.code_facts.behind(reading.instruction())


def _read_rebuilt_caller(reading: Reading, plan: Plan, callee: Reading, result: Any) -> None:
    """It called before it was frozen the last time, and its prologue has called the rebuilt callee."""
    record = reading.record
    called = _has_called(reading, plan, callee)
    _follow_plan(reading, plan)
    if not called or record.after or record.course:
        raise Pin(reading.frame, "called through a C function")
    record.kinds, record.pre = record.kinds + record.pre, ""
    reading.push(result)


# ---- outer frames ----------------------------------------------------------------------------------------------------


def _decide(reading: Reading, inner: Reading, live: LiveObjects) -> Continuation:
    instruction = reading.instruction()
    return decide(Site(
        reading.frame, reading.view, reading.code_facts, instruction, reading.code_facts.kinds(instruction),
        reading.saved_depth(), inner.frame, inner.view, live,
        any(type(value) is GeneratorExit for value in inner.stack),
    ))  # fmt: skip


def _read_outer(reading: Reading, inner: Reading, live: LiveObjects) -> None:
    record, plan = reading.record, reading.plan
    if plan is not None and reading.in_prologue:
        record.has_inner = _has_called(reading, plan, inner)
        _follow_plan(reading, plan)
        return
    instruction = reading.instruction()
    continuation = _decide(reading, inner, live)
    record.site = instruction.offset
    if continuation.again:
        instruction = continuation.at or instruction
        record.site = instruction.offset
        reading.read_stack(reading.code_facts.kinds(instruction)[: continuation.keep])
        for value in continuation.pre:
            reading.push(value)
        record.target = reading.code_facts.restart(instruction)
        return
    kinds = reading.code_facts.kinds(instruction)
    reading.read_stack(kinds[: continuation.keep])
    reading.push_pre(continuation.pre)
    record.after, record.exit = continuation.after, continuation.exit
    reading.take_course(continuation.course)
    record.target = instruction.start if continuation.reenter else reading.code_facts.behind(instruction)
    record.has_inner = not continuation.drives


# ---- frames inside a C call ------------------------------------------------------------------------------------------


def blocking_call(frame: FrameType, memory: Memory | None = None) -> Blocked | None:
    """The re-executable call that the frame is inside of; None if it is in no such call."""
    reading = Reading(frame)
    if reading.in_prologue or frame.f_lasti < 0:
        return None
    return is_blocked(reading.view, reading.code_facts, reading.instruction(), memory)


def blocked_in(frame: FrameType) -> Pin | None:
    """A pin that names the C call the frame seems to be in; None if it stands at no call."""
    reading = Reading(frame)
    if reading.in_prologue or frame.f_lasti < 0 or reading.instruction().name not in CALLS:
        return None
    callable = blocked_callable(reading.view, reading.code_facts, reading.instruction())
    return Pin(frame, "blocked in", callable)


# ---- frames in their prologue ----------------------------------------------------------------------------------------


def _has_called(reading: Reading, plan: Plan, inner: Reading) -> bool:
    """Make sure that the inner frame is what the prologue runs; False if it is a generator that it drives."""
    call, course = plan.call_at(reading.frame.f_lasti), plan.course
    if call is not None and (course is None or course.resumer is not None):
        if call == plan.calls[0] and inner.frame.f_code is plan.inner:
            return True
    elif call is not None and course is not None:
        driven = getattr(course.step, "generator", None)
        if driven is not None and awaits(inner.generator, driven):
            return False
        if code_behind(course.calling) is original_of(inner.frame.f_code):
            return True
        raise Pin(reading.frame, "held by", getattr(course.calling, "func", None))
    raise Pin(reading.frame, "a finalizer or a signal handler is running")


def _follow_plan(reading: Reading, plan: Plan) -> None:
    """The frame's stack stands as at a call of ours: read it, and take the rest from the plan."""
    record, planned = reading.record, plan.record
    _read_planned_stack(reading, plan)
    first = reading.code_facts.locals_count + len(planned.kinds)
    reading.push_pre([reading.view.slot(first + index) for index in range(len(planned.pre))])
    record.after = planned.after
    if plan.course is not None:
        reading.take_course(plan.course.state())


def _read_planned_stack(reading: Reading, plan: Plan) -> None:
    record, planned = reading.record, plan.record
    reading.read_stack(planned.kinds)
    record.lasti = dict(planned.lasti)
    record.target, record.site, record.exit = planned.target, planned.site, planned.exit


def _read_prologue(reading: Reading) -> list[FrameRecord]:
    """An opcode event inside a prologue: nothing is lost by waiting, except right before the inner frame is entered.

    Returns the records of the frames that would have been entered.
    """
    plan, frame = reading.plan, reading.frame
    assert plan is not None
    if frame.f_lasti not in plan.calls:
        raise Pin(frame, "it is being rebuilt")
    _follow_plan(reading, plan)
    if plan.course is not None and plan.course.resumer is None:
        return []  # the course's own call has not been made, and will be named again
    reading.record.has_inner = True
    return unbuilt(_resumer_at(reading, plan))


def _resumer_at(reading: Reading, plan: Plan) -> FunctionType:
    """The resumer that the prologue is about to call."""
    if plan.course is not None:
        found: Any = plan.course.resumer
        return found
    first = reading.code_facts.locals_count + len(plan.record.kinds) + len(plan.record.pre)
    callables = (reading.view.slot(first), reading.view.slot(first + 1))  # the order depends on the version
    return next(c for c in callables if isinstance(c, FunctionType))


# ---- generators that do not run --------------------------------------------------------------------------------------


def capture_generator(generator: AnyGenerator) -> FrameRecord | None:
    """The record of a suspended or unstarted generator, coroutine or async generator; None for a finished one.

    Raises:
        Pin: it is running (its record is in `Stack.running` if it belongs to the captured stack).
    """
    verify()
    frame = _frame_of(generator)
    if frame is None:
        return None
    reading = Reading(frame)
    record, plan = reading.record, reading.plan
    record.name, record.qualname = generator.__name__, generator.__qualname__
    if frame.f_lasti >= 0 and plan is not None and reading.in_prologue:
        return _restored(reading, plan)
    reading.read_locals()
    instruction = reading.instruction() if frame.f_lasti >= 0 else reading.code_facts.instructions[0]
    if instruction.name in ("RETURN_GENERATOR", "POP_TOP"):
        _read_created(reading)
    else:
        _read_suspended(reading, instruction)
    _settle_exceptions([[reading]], None)
    return reading.finish()


def _frame_of(generator: AnyGenerator) -> FrameType | None:
    match generator:
        case GeneratorType():
            frame, running = generator.gi_frame, generator.gi_running
        case CoroutineType():
            frame, running = generator.cr_frame, generator.cr_running
        case _:
            frame, running = generator.ag_frame, False
    if running and frame is not None:
        raise Pin(frame, "it runs outside of the captured stack")
    return frame


def _read_created(reading: Reading) -> None:
    created = next(i for i in reading.code_facts.instructions if i.name == "RETURN_GENERATOR")
    reading.read_stack(reading.code_facts.kinds(created))
    reading.record.prime = "created"
    reading.record.target = reading.code_facts.after(created).end  # behind the POP_TOP


def _read_suspended(reading: Reading, instruction: Instruction) -> None:
    record, code_facts = reading.record, reading.code_facts
    given = instruction if instruction.name == "YIELD_VALUE" else code_facts.before(instruction)
    resume = code_facts.after(given)
    if given.name != "YIELD_VALUE" or resume.name != "RESUME":
        raise Pin(reading.frame, f"it runs outside of the captured stack, at {instruction.name}")
    wrap = code_facts.before(given)
    record.async_wrap = wrap.name == "ASYNC_GEN_WRAP" or (wrap.name, wrap.arg) == ("CALL_INTRINSIC_1", 4)
    record.prime = "yield"
    record.yield_arg, record.resume_arg = given.arg, resume.arg
    record.exit = wrap.target or 0  # of the SEND of a `yield from`
    reading.read_stack(code_facts.kinds(given)[:-1])
    record.target, record.site = resume.end, given.offset


def _restored(reading: Reading, plan: Plan) -> FrameRecord:
    """A rebuilt generator that has not run since: not started at all, or at its priming pause."""
    offset = reading.frame.f_lasti
    if offset in (plan.entry, plan.entry + 2):
        record, _ = plan.remaining()
        record.name, record.qualname = reading.record.name, reading.record.qualname
        return record
    if plan.pause is None or offset not in (plan.pause, plan.pause + 2):
        raise Pin(reading.frame, "it is being rebuilt")
    record, planned = reading.record, plan.record
    reading.read_locals()
    _read_planned_stack(reading, plan)
    record.yield_arg, record.resume_arg, record.async_wrap = planned.yield_arg, planned.resume_arg, planned.async_wrap
    _settle_exceptions([[reading]], None)
    reading.finish()
    if planned.prime == "running":
        left, resumer = plan.remaining()
        record.prime = "running"
        record.pre, record.after, record.course = planned.pre, planned.after, planned.course
        record.has_inner = planned.has_inner
        record.values += left.values
        record.inner = unbuilt(resumer)
    else:
        record.prime = "yield"
    return record

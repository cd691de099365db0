# pyright: basic
# (the plan of a one-time code object belongs to `assemble`, which uses this)
"""What a prologue does with what the inner frame gives: the second half of an interrupted instruction, as bytecode.

A record's `after` holds words that are carried out in turn: rows of `EPILOGUES`, and two that are more than a row.

- "next": StopIteration from the call leaves the loop.
- "course": what is left is more than an instruction or two, and may call the program again (`course`). The frame then
  goes round in a loop: call, tell the course, call what it names, until it has the value. What a call raises is told
  to the course too, and goes on if the course has no use for it; the traceback gets no entry by that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .analyze import VERSION, Handler, Position
from .writer import NO_POSITION, Writer

if TYPE_CHECKING:
    from .assemble import Plan

# "none" as argument stands for the constant None.
EPILOGUES: dict[str, tuple[tuple[str, int | str], ...]] = {
    "drop": (("POP_TOP", 0),),
    "none": (("POP_TOP", 0), ("LOAD_CONST", "none")),
    "null": (("PUSH_NULL", 0),),
    "truth": (("UNARY_NOT", 0), ("UNARY_NOT", 0)) if VERSION < (3, 13) else (("TO_BOOL", 0),),
    "falsehood": (("UNARY_NOT", 0),) if VERSION < (3, 13) else (("TO_BOOL", 0), ("UNARY_NOT", 0)),
}
_JUMP_IF_FALSE = "POP_JUMP_FORWARD_IF_FALSE" if VERSION < (3, 12) else "POP_JUMP_IF_FALSE"


def write_inner_call(writer: Writer, plan: Plan, position: Position, handler: Handler | None) -> None:
    """Call the next inner frame's resumer, and do with its result what the interrupted instruction would have done."""
    record = plan.record
    words = record.after.split()
    writer.at(position)
    if plan.course is not None:
        _write_course(writer, plan, position, handler)
    else:
        call = writer.call_taken()
        plan.calls.append(call)
        end = len(writer.code)
        writer.at(NO_POSITION)
        if "next" in words:
            _write_loop_exit(writer, call - 2, end, record.exit, handler)
        else:
            writer.cover(call - 2, handler)
    for word in words:
        for name, arg in EPILOGUES.get(word, ()):
            writer.emit(name, writer.none if arg == "none" else int(arg))


def _write_loop_exit(writer: Writer, start: int, end: int, leave: int, handler: Handler | None) -> None:
    """StopIteration from the call takes the iterator off the stack and leaves the loop; anything else goes on."""
    over = writer.emit("JUMP_FORWARD")
    caught = len(writer.code)
    depth = writer.depth - 1  # the result is not there
    writer.handlers.append(Handler(start, end, caught, depth, False))
    writer.emit("PUSH_EXC_INFO")
    writer.load(writer.const(StopIteration))
    writer.emit("CHECK_EXC_MATCH")
    other = writer.emit(_JUMP_IF_FALSE)
    writer.emit("POP_TOP")
    writer.emit("POP_EXCEPT")
    if VERSION < (3, 15):  # later ones have an instruction of the program for it, to which we jump
        writer.emit("POP_TOP")
    writer.jump_to_original(leave)
    writer.land(other)
    writer.emit("SWAP", 2)
    writer.emit("POP_EXCEPT")
    reraised = writer.emit("RERAISE", 0)
    writer.cover(reraised, handler)
    writer.land(over)


def _write_course(writer: Writer, plan: Plan, position: Position, handler: Handler | None) -> None:
    course = plan.course
    assert course is not None
    depth = writer.depth
    writer.grow(6)  # at most: an exception, the one before, a callable, its NULL, its argument

    # 1. The first call.
    call = writer.call_begun(writer.const(course.begin), has_resumer=plan.record.has_inner)
    plan.calls.append(call)
    first = call - 2, len(writer.code)

    # 2. Its result: over, or what to call next.
    told = len(writer.code)
    writer.call_with(writer.const(course.given), below=1)
    again = _unless_none(writer)
    writer.emit("POP_TOP")
    writer.call_with(writer.const(course.end))
    raises = _unless_none(writer)
    writer.call_with(writer.const(course.value))
    over = writer.emit("JUMP_FORWARD")
    writer.land(raises)
    raised = writer.emit("RAISE_VARARGS", 1)
    writer.cover(raised, handler)

    # 3. The next call.
    writer.land(again)
    writer.emit("SWAP", 2)
    writer.emit("POP_TOP")
    next_call = len(writer.code)
    call = writer.call_top()
    plan.calls.append(call)
    second = call - 2, len(writer.code)
    writer.jump_back(told)

    # 4. What a call raises: what to call instead, or it goes on.
    caught = len(writer.code)
    for start, end in (first, second):
        writer.handlers.append(Handler(start, end, caught, depth, False))
    writer.emit("PUSH_EXC_INFO")
    writer.call_with(writer.const(course.failed), below=1)
    instead = _unless_none(writer)
    writer.emit("SWAP", 2)
    writer.emit("POP_EXCEPT")
    reraised = writer.emit("RERAISE", 0)
    writer.cover(reraised, handler)
    writer.land(instead)
    writer.emit("SWAP", 2)
    writer.emit("POP_TOP")
    writer.emit("SWAP", 2)
    writer.emit("POP_EXCEPT")
    writer.jump_back(next_call)
    writer.land(over)
    writer.at(NO_POSITION)
    writer.grow(-5)


def _unless_none(writer: Writer) -> int:
    """Jump if the top of the stack is not None, else drop it; returns the jump."""
    writer.emit("COPY", 1)
    writer.load(writer.none)
    writer.emit("IS_OP", 0)
    jump = writer.emit(_JUMP_IF_FALSE)
    writer.emit("POP_TOP")
    return jump

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
from types import CoroutineType, FrameType, GeneratorType
from typing import TYPE_CHECKING, Any, Literal

from sojourn.errors import InternalError

from . import contexts
from .analyze import Instruction
from .assemble import Plan
from .boundary import Continuation, Pin, Site, decide
from .incall import Other, read_blocked
from .layout import LiveObjects, verify
from .reading import Reading, settle_exceptions
from .rebuilt import follow_plan, has_called, read_paused, read_prologue
from .record import FrameRecord, Stack

Mode = Literal["exact", "reexecute", "called"]
if TYPE_CHECKING:
    from types import AsyncGeneratorType

    AnyGenerator = GeneratorType[Any, Any, Any] | CoroutineType[Any, Any, Any] | AsyncGeneratorType[Any, Any]


def capture_stack(frame: FrameType, *, base: FrameType | None, mode: Mode, result: Any = None,
                  waited: float = 0.0, other: Other | None = None,
                  live: LiveObjects | None = None) -> Stack:  # fmt: skip
    """Capture `frame` and everything outside it up to, not including, `base`.

    Args:
        frame: the innermost frame of the program.
        base: the innermost frame that is not the program's; None for all.
        mode: how `frame` stands (see above).
        result: what the call gives in mode "called".
        waited: seconds already spent in the call, in mode "reexecute".
        other: whose frame it is, if not the caller's.
        live: for stacks that are captured one after another, with nothing of the program run in between.

    Raises:
        Pin: `pin.frame` cannot be captured now.
    """
    verify()
    current = sys.exc_info()[1] if other is None else other.handled
    readings: list[Reading] = []  # innermost first
    ahead: list[FrameRecord] = []  # frames that a prologue is about to rebuild
    live = live or LiveObjects()
    at: FrameType | None = frame
    while at is not None and at is not base:
        reading = Reading(at)
        reading.check_namespace()
        reading.check_imports()
        reading.read_locals()
        if readings:
            _read_outer(reading, readings[-1], live)
        elif mode == "exact" and reading.in_prologue:
            ahead = read_prologue(reading)
        elif mode == "reexecute":
            read_blocked(reading, waited, other)
        elif mode == "exact":
            _read_exact(reading)
        else:
            _read_caller(reading, result)
        if reading.record.generator:
            reading.record.prime = "running"
        readings.append(reading)
        at = at.f_back
    settle_exceptions(_segments(readings), current)
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
    called = has_called(reading, plan, callee)
    follow_plan(reading, plan)
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
        record.has_inner = has_called(reading, plan, inner)
        follow_plan(reading, plan)
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
        return read_paused(reading, plan)
    reading.read_locals()
    instruction = reading.instruction() if frame.f_lasti >= 0 else reading.code_facts.instructions[0]
    if instruction.name in ("RETURN_GENERATOR", "POP_TOP"):
        _read_created(reading)
    else:
        _read_suspended(reading, instruction)
    settle_exceptions([[reading]], None)
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

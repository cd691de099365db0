# pyright: basic
# (frames of the interpreter have few static types)
"""Frames inside a C call that may be made again: which call, and how much of its time is left.

The callable and its arguments are still in place on the frame's stack. A time that the call was allowed becomes what is
left of it: by the deadline that the call keeps on the C stack where that is found, else by what is known of the wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from types import BuiltinFunctionType, FrameType
from typing import Any

from .analyze import Instruction
from .blocking import SLEEP, Blocked, Blocking, blocked_callable, is_blocked
from .boundary import Pin
from .cstack import sleep_left, wait_left, words_above
from .memory import Memory
from .reading import Reading
from .sites import CALLS, unpacked_place
from .waits import Read, objection


@dataclass(slots=True)
class Other:
    """What is to be known of a thread that is not the one that captures."""

    handled: BaseException | None  # the exception that it handles
    context: Any  # in which it runs
    words: Callable[[], Sequence[int]] = tuple  # of its C stack, above its system call, the nearest first
    blocked: Blocked | None = None  # in what
    left: list[float] = field(default_factory=list[float])  # seconds until it wakes up, if that is known


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


def read_blocked(reading: Reading, waited: float, other: Other | None) -> None:
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
    why = objection(read, reading.stack[first : first + given], None if other is None else other.words())
    if why is not None:
        raise Pin(reading.frame, why, read.callable)
    if read.shown is not None and given > read.shown:
        reading.stack[first + read.shown] = ""


def _time_left(blocking: Blocking, allowed: float, waited: float, other: Other | None) -> float:
    """Seconds, from the deadline that the call keeps on the C stack; where it is not found, the part of the wait before
    `waited` began is not known and comes on top.
    """
    words = words_above() if other is None else other.words()
    left = (sleep_left if blocking.kind == SLEEP else wait_left)(allowed, words or ())
    return max(0.0, allowed - waited if left is None else left)

# pyright: basic
# (raw memory has no static types)
"""What a C function that a signal has interrupted keeps on the C stack. Read only, x86-64."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import Any

from sojourn._util import clock

_REGISTERS = 40 + 15 * 8  # of ucontext_t: where general register 15, the stack pointer, is kept on x86-64
_NANOSECONDS = 10**9
_STACK_TO_SEARCH = 64 * 1024  # the interrupted call is near
_Context = ctypes.c_uint64 * 256  # room for a ucontext_t
_libc = ctypes.CDLL(None)


def sleep_left(seconds: float, words: Sequence[int]) -> float | None:
    """Seconds until a `time.sleep(seconds)` that a signal has interrupted is to end.

    The C function keeps the deadline as a timespec on its stack, above the signal handler that calls us, or above the
    system call of another thread: `words`. We look for the one pair that can be it: a time to come, no further away
    than `seconds`. None if there is not exactly one.
    """
    now = clock.waiting_ns()
    last = now + int(seconds * _NANOSECONDS)
    first_second, last_second = now // _NANOSECONDS, last // _NANOSECONDS
    found: set[int] = set()
    for index in range(len(words) - 1):
        if first_second <= words[index] <= last_second and 0 <= words[index + 1] < _NANOSECONDS:
            deadline = words[index] * _NANOSECONDS + words[index + 1]
            if now < deadline <= last:
                found.add(deadline)
    return (found.pop() - now) / _NANOSECONDS if len(found) == 1 else None


def wait_left(seconds: float, words: Sequence[int]) -> float | None:
    """The same for a call that waits with a timeout (`select`, `poll`, a lock), which keeps it in nanoseconds."""
    now = clock.waiting_ns()
    last = now + int(seconds * _NANOSECONDS)
    found = {word for word in words if now < word <= last}
    return (found.pop() - now) / _NANOSECONDS if len(found) == 1 else None


def words_above() -> Any:
    """The words of the C stack above the caller, the nearest first; None where they cannot be found.

    Only for one that runs in the signal's handler, in the main thread.
    """
    context = _Context()
    if os.uname().machine != "x86_64" or _libc.getcontext(context) != 0:
        return None
    low = context[_REGISTERS // 8]
    high = _stack_end(low)
    if high is None:
        return None
    count = min(high - low, _STACK_TO_SEARCH) // 8
    return memoryview(ctypes.string_at(low, count * 8)).cast("q")  # (an array would need a type: a cycle for each)


def _stack_end(inside: int) -> int | None:
    with open("/proc/self/maps") as maps:
        for line in maps:
            low, high = (int(each, 16) for each in line.split(" ", 1)[0].split("-"))
            if low <= inside < high:
                return high
    return None

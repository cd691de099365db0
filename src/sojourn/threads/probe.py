# pyright: basic
# (ctypes: what it returns has no types)
"""What the operating system and the interpreter say about another kernel-level thread.

The calls here are made with the interpreter lock held (`ctypes.pythonapi` does not release it). `os.pread` would let
go of it: whoever waits for it would be told to run just when he is looked at, and each look would cost another turn
in the queue for the lock, 5 ms beside a thread that computes. Nothing is kept open or remembered between two looks,
so nothing is in the way of a program that is frozen.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from sojourn.threads.thread import Cancelled, carrier, guard

_HERE = os.path.dirname(__file__) + os.sep
_SIZE = 128
_CALIBRATED = 40  # looks at most
LINUX = sys.platform == "linux"


def has_lock() -> bool:
    """Whether the interpreter has a lock that lets one thread run at a time."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def system_call(native: int) -> bytes | None:
    """The text of `/proc/self/task/TID/syscall`: `running`, or the number of the call and its arguments. None where
    there is no such file.
    """
    if not LINUX:
        return None
    descriptor = ctypes.pythonapi["open"](b"/proc/self/task/%d/syscall" % native, os.O_RDONLY | os.O_CLOEXEC)
    if descriptor < 0:
        return None
    buffer = ctypes.create_string_buffer(_SIZE)
    size = ctypes.pythonapi["read"](descriptor, buffer, _SIZE)
    ctypes.pythonapi["close"](descriptor)
    return buffer.raw[:size] if size > 0 else None


def lock_words(native: int, let_go: Callable[[], Any]) -> frozenset[bytes]:
    """The addresses at which one waits for the interpreter lock.

    A thread of ours (`native`) waits for a lock of ours. We let it go, by `let_go`, and hold the interpreter's: from
    that moment on it waits for that one.
    """
    before: bytes | None = None
    for _ in range(_CALIBRATED if has_lock() else 0):
        before = system_call(native)
        if before is None or not before.startswith(b"running"):
            break
    let_go()
    if before is None:
        return frozenset()
    futex = before.split(b" ", 1)[0]
    found: set[bytes] = set()
    for _ in range(_CALIBRATED):
        call = system_call(native)
        if call is not None and call != before and call.split(b" ", 1)[0] == futex:
            word = int(call.split(b" ", 2)[1], 16)
            # A condition variable of the C library has two words, side by side, at which one waits in turn.
            found |= {hex(word & ~4).encode(), hex(word | 4).encode()}
    return frozenset(found)


def cpu_time(clock: int) -> float | None:
    """Seconds that the thread with this clock has had on processors."""
    if not clock:
        return None
    try:
        return time.clock_gettime(clock)
    except OSError:  # it has ended
        return None


def ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_HERE)


def frame_of(ident: int) -> FrameType | None:
    """The program's innermost frame on that kernel-level thread."""
    frame = sys._current_frames().get(ident)
    while frame is not None and ours(frame):
        frame = frame.f_back
    return frame


class BrokenInto(Cancelled):
    """A plain function was cancelled: raised between two lines of it."""

    def __init__(self, message: str = "", scope: object = None) -> None:
        found = carrier()
        if found is not None and found.thread is not None:
            with guard:  # what is told here is not told at the next wait
                pending = found.thread.pending or []
                for error in pending:
                    if getattr(error, "scope", None) is None:
                        pending.remove(error)
                        message = str(error)
                        break
                found.thread.pending = pending or None
        super().__init__(message, scope)

"""The kinds of schedulers, and of what is given to them to run."""

from __future__ import annotations

import sys
from enum import StrEnum
from functools import partial
from types import CoroutineType
from typing import Any

from sojourn.threads import probe

COROUTINE = 0x80 | 0x100  # flags of code: `async def`, or a generator that is used as one


class Kind(StrEnum):
    """How threads are carried: see `scheduler`."""

    USER = "user"
    KERNEL = "kernel"
    HYBRID = "hybrid"
    ACTIVATIONS = "activations"


def flags_of(target: Any) -> int:
    """Flags of what has no code itself: partial objects, instances with `async def __call__`."""
    while isinstance(target, partial):
        target = target.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if type(target) is CoroutineType:
        return 0
    for function in (target, type(target).__dict__.get("__call__")):
        if (code := getattr(function, "__code__", None)) is not None:
            return code.co_flags & COROUTINE
    return 0


def caller() -> tuple[str, int]:
    """Where the program called us: the first frame outside of this package."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and probe.ours(frame):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno

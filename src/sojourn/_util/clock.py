"""The clock that figures are taken by: CLOCK_MONOTONIC of the running kernel, one for all processes of a computer.

What `time.monotonic_ns` says is not that everywhere: a process may live in a time namespace, and one that has come from
a machine that booted at another time goes on with the clocks it had there (`frames.world.clocks`). What is measured on
both sides of a move must not depend on either, so it is read here.
"""

from __future__ import annotations

import os
import time

_OFFSETS = "/proc/self/timens_offsets"

_namespace = 0  # nanoseconds that the time namespace adds
_changed = 0  # nanoseconds that the changed functions of `time` add


def namespace_offsets() -> dict[str, int]:
    """What this process's time namespace adds to each clock, in nanoseconds; nothing where there are none."""
    try:
        fd = os.open(_OFFSETS, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        lines = os.read(fd, 4096).decode().splitlines()
    finally:
        os.close(fd)
    rows = [line.split() for line in lines]
    return {row[0]: int(row[1]) * 10**9 + int(row[2]) for row in rows if len(row) == 3}


def look_again(*, changed: int | None = None) -> None:
    """The time namespace is another one now; or the functions of `time` add so much."""
    global _namespace, _changed
    _namespace = namespace_offsets().get("monotonic", 0)
    if changed is not None:
        _changed = changed


look_again()


def monotonic_ns() -> int:
    """Nanoseconds of the kernel's own monotonic clock."""
    return time.monotonic_ns() - _changed - _namespace


def waiting_ns() -> int:
    """Nanoseconds of the monotonic clock that calls which wait go by: the time namespace's."""
    return time.monotonic_ns() - _changed


def milliseconds(since: int, until: int) -> float:
    """The span between two readings of `monotonic_ns`, in milliseconds."""
    return (until - since) / 1e6

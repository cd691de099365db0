"""The clocks of nodes: the one that figures are taken by, and the wall clock.

Figures: CLOCK_MONOTONIC of the running kernel, one for all processes of a computer.

What `time.monotonic_ns` says is not that everywhere: a process may live in a time namespace, and one that has come from
a machine that booted at another time goes on with the clocks it had there (`frames.world.clocks`). What is measured on
both sides of a move must not depend on either, so it is read here.

The wall clock may be wrong, is another one on every machine, and steps when somebody sets it: it is for people to read,
and for what has to outlast a reboot (tokens, certificates). Nothing else is decided by it; so it is read here and
nowhere else (ruff forbids it), and who reads it can be looked up.
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


def wall() -> float:
    """Seconds since 1970, as this machine believes."""
    return time.time()


def wall_ns() -> int:
    """The same in nanoseconds."""
    return time.time_ns()


def shown(moment: float) -> str:
    """A moment of the wall clock, for messages: 2026-01-31 12:30:59 UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))


def milliseconds(since: int, until: int) -> float:
    """The span between two readings of `monotonic_ns`, in milliseconds."""
    return (until - since) / 1e6

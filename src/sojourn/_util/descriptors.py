"""Descriptors that are ours, kept out of the program's way.

A program owns the numbers below `FLOOR`: it gets the lowest free one, compares them, closes ranges of them.
Whatever we hold in a host process stands at `FLOOR` or above and is closed on exec, so that neither the
program nor its children meet it.
"""

from __future__ import annotations

import fcntl
import os

FLOOR = 1000


def raised(fd: int) -> int:
    """Moves `fd` to `FLOOR` or above, close-on-exec, and returns its new number; the old one is closed."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FLOOR)
    os.close(fd)
    return moved


def placed(fd: int, number: int) -> None:
    """Moves `fd` to exactly `number`, inheritable as a program expects of its own descriptors."""
    if fd == number:
        os.set_inheritable(fd, True)
        return
    os.dup2(fd, number, inheritable=True)
    os.close(fd)


def memfd(name: str) -> int:
    """An anonymous file in memory, close-on-exec. Its number is whatever is free: raise it inside a host."""
    return os.memfd_create(name, os.MFD_CLOEXEC)


def open_numbers(limit: int = FLOOR) -> list[int]:
    """The open descriptors below `limit`, lowest first; without the one used to look."""
    found: list[int] = []
    for entry in os.listdir("/proc/self/fd"):
        number = int(entry)
        if number < limit:
            try:
                fcntl.fcntl(number, fcntl.F_GETFD)
            except OSError:  # the listing's own descriptor, closed by now
                continue
            found.append(number)
    return sorted(found)

"""The few calls of the kernel that the standard library does not offer."""
# pyright: basic
# (ctypes functions have no types worth the name)

from __future__ import annotations

import ctypes
import fcntl
import os

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_TIOCSCTTY = 0x540E

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become_subreaper() -> None:
    """Orphans among our descendants become our children, so that we can wait for them."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(signal: int) -> None:
    """The kernel sends us `signal` when the parent ends. Check getppid() after: it may have ended before."""
    _prctl(PR_SET_PDEATHSIG, signal)


def control_terminal(fd: int) -> None:
    """Makes a terminal the controlling one of this session, whose leader we are, with us in the foreground."""
    fcntl.ioctl(fd, _TIOCSCTTY, 0)


def clear_environment() -> None:
    """Empties the C environment, so that what is put next stands in its own order."""
    _libc.clearenv()


def read_file(path: str) -> bytes:
    """The content of a small file of /proc. (Not with `open`, which a program may have replaced.)"""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts: list[bytes] = []
        while part := os.read(fd, 65536):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(fd)

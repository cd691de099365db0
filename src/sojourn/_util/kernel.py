"""The few calls of the kernel that the standard library does not offer."""
# pyright: basic
# (ctypes functions have no types worth the name)

from __future__ import annotations

import ctypes
import fcntl
import os

from sojourn._util.clock import namespace_offsets

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_TIOCSCTTY = 0x540E
_RLIMIT_DATA = 2
CLONE_NEWTIME = 0x80

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def become_subreaper() -> None:
    """Orphans among our descendants become our children, so that we can wait for them."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(signal: int) -> None:
    """The kernel sends us `signal` when the parent ends. Check getppid() after: it may have ended before."""
    _prctl(PR_SET_PDEATHSIG, signal)


def limit_data(size: int) -> None:
    """The soft limit of this process's private writable memory, in bytes; the hard one stays."""
    both = (ctypes.c_uint64 * 2)()
    _libc.getrlimit(_RLIMIT_DATA, both)
    both[0] = min(size, both[1])
    if _libc.setrlimit(_RLIMIT_DATA, both):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def control_terminal(fd: int) -> None:
    """Makes a terminal the controlling one of this session, whose leader we are, with us in the foreground."""
    fcntl.ioctl(fd, _TIOCSCTTY, 0)
def enter_time(monotonic: int, boottime: int) -> None:
    """This process lives in a time namespace from now on, in which these clocks are so many nanoseconds ahead of now.

    Raises OSError, with nothing changed, where that is not permitted or there are no time namespaces. The process must
    have one thread.
    """
    if len(os.listdir("/proc/self/task")) != 1:
        raise OSError("a process with several threads cannot enter a time namespace")
    offsets = namespace_offsets()
    if not offsets:
        raise OSError("this kernel has no time namespaces")
    before = os.open("/proc/self/ns/time", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(CLONE_NEWTIME))
        try:
            lines = ""
            for clock, ahead in (("monotonic", monotonic), ("boottime", boottime)):
                lines += "{} {} {}\n".format(clock, *divmod(offsets.get(clock, 0) + ahead, 10**9))
            _write_file("/proc/self/timens_offsets", lines.encode())
            after = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
            try:
                _check(_libc.setns(after, CLONE_NEWTIME))
            finally:
                os.close(after)
        except BaseException:
            _libc.setns(before, CLONE_NEWTIME)  # or our children would live there
            raise
    finally:
        os.close(before)


def _check(failed: int) -> None:
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write_file(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


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

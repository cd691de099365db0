"""Pipes whose ends are all in the process: they travel with what is in them.

Theory. A pipe is by value (`model.binding`): where nobody else can write to it or read from it, it is its content and
its ends. That nobody else has an end is looked up in `/proc`, as far as this user may look; one that is shared with
another process is refused, as is a FIFO with a name. The content is duplicated by tee(2), which takes nothing out.

Guarantees. Capturing changes nothing, not even for a moment. A pipe one of whose ends is closed is so at the target:
readers find its end, writers are told that nobody reads.
"""
# pyright: basic
# (ctypes for tee)

from __future__ import annotations

import ctypes
import fcntl
import os
import stat
from typing import Any

from sojourn._util import descriptors
from sojourn.errors import Refused

Entry = dict[str, Any]
_NONBLOCK = 2  # SPLICE_F_NONBLOCK
_libc = ctypes.CDLL(None, use_errno=True)


def name_of(target: str, status: os.stat_result) -> str | None:
    """The name by which the kernel shows this pipe; None for what is none, or has a place in a file system."""
    return target if stat.S_ISFIFO(status.st_mode) and target.startswith("pipe:[") else None


def shared(name: str) -> bool:
    """Has another process an end of it?"""
    own = str(os.getpid())
    for process in os.listdir("/proc"):
        if not process.isdigit() or process == own:
            continue
        try:
            for number in os.listdir(f"/proc/{process}/fd"):
                if os.readlink(f"/proc/{process}/fd/{number}") == name:
                    return True
        except OSError:  # it has ended, or is somebody else's
            continue
    return False


def content(number: int) -> bytes:
    """What is in the pipe whose reading end this is."""
    size = fcntl.fcntl(number, fcntl.F_GETPIPE_SZ)
    reading, writing = map(descriptors.raised, os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))
    try:
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, size)
        taken = _libc.tee(number, writing, ctypes.c_size_t(size), _NONBLOCK)
        return os.read(reading, taken) if taken > 0 else b""
    finally:
        os.close(reading)
        os.close(writing)


def describe(number: int, name: str) -> Entry:
    """What an entry says of an end of a pipe."""
    return {"kind": "pipe", "pipe": name, "size": fcntl.fcntl(number, fcntl.F_GETPIPE_SZ)}


class Pipes:
    """The pipes that are made anew while descriptors are restored."""

    def __init__(self) -> None:
        self._ends: dict[str, tuple[int, int]] = {}

    def put(self, entry: Entry, number: int) -> None:
        """Puts an end of the entry's pipe at that number."""
        reading, writing = self._pipe(entry)
        base = reading if entry["flags"] & os.O_ACCMODE == os.O_RDONLY else writing
        fd = os.open(f"/proc/self/fd/{base}", entry["flags"] | os.O_CLOEXEC)
        if fd != number:
            os.dup2(fd, number)
            os.close(fd)

    def _pipe(self, entry: Entry) -> tuple[int, int]:
        name = entry["pipe"]
        if name not in self._ends:
            ends = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            reading, writing = map(descriptors.raised, ends)
            self._ends[name] = reading, writing
            try:
                if fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ) != entry["size"]:
                    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, entry["size"])
            except OSError as error:
                raise Refused(
                    f"a pipe of {entry['size']} bytes cannot be made here: {error.strerror}",
                    advice="raise fs.pipe-max-size on this node",
                ) from None
            os.write(writing, entry["content"].encode("latin-1"))
        return self._ends[name]

    def close(self) -> None:
        """Leaves to the program only the ends that it had."""
        for ends in self._ends.values():
            for end in ends:
                os.close(end)
        self._ends.clear()

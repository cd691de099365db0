"""Files without a name (`tempfile.TemporaryFile`, `os.memfd_create`): they travel with what is in them.

Theory. Nobody else can open such a file, so it is by value (`model.binding`): its content, and each opening's own place
and flags. What objects of the program have buffered for it belongs to its content, and is written out first, which the
program cannot tell.

Guarantees. Reading its content moves nobody's place. Two openings of one file are two openings of one file again. At
the target it has no name at any moment, where the file system can do that, else none that outlasts its making.
"""
# pyright: basic
# (objects of any type)

from __future__ import annotations

import gc
import io
import os
import stat
from binascii import a2b_base64, b2a_base64
from typing import Any

from sojourn._util import descriptors
from sojourn.errors import Refused

Entry = dict[str, Any]
MOST = 64 << 20  # bytes of content that an image takes along
_MEMORY = "/memfd:"
_GONE = " (deleted)"
_PIECE = 1 << 20
_WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)  # those above others first


def describe(target: str, status: os.stat_result) -> Entry:
    """What an entry says of one. `why` where it is too much."""
    file = f"{status.st_dev}:{status.st_ino}"
    entry: Entry = {"kind": "unlinked", "file": file, "mode": stat.S_IMODE(status.st_mode)}
    if status.st_size > MOST:
        entry["why"] = (
            f"is an unlinked file of {status.st_size >> 20} MB, and {MOST >> 20} travel. Close it before the move, or "
            "give it a name that lasts"
        )
    return entry


def write_out(numbers: set[int]) -> None:
    """Have written what the program's objects have buffered for these descriptors."""
    found: list[list[Any]] = [[] for _ in _WRITERS]
    for each in gc.get_objects():
        if type(each) in _WRITERS:
            try:
                if each.fileno() in numbers:
                    found[_WRITERS.index(type(each))].append(each)
            except (OSError, ValueError):  # closed, detached, or over no descriptor
                continue
    for each in (each for kind in found for each in kind):
        each.flush()


def content(number: int) -> str:
    """What is in the file, as text for an entry. (Opened again: what is open for writing alone cannot be read.)"""
    with open(f"/proc/self/fd/{number}", "rb", buffering=0) as file:
        pieces: list[bytes] = []
        while piece := file.read(_PIECE):
            pieces.append(piece)
    return b2a_base64(b"".join(pieces), newline=False).decode()


class Files:
    """The files that are made anew while descriptors are restored."""

    def __init__(self) -> None:
        self._made: dict[str, int] = {}

    def put(self, entry: Entry, number: int) -> None:
        """Opens the entry's file at that number, at its place."""
        fd = os.open(f"/proc/self/fd/{self._file(entry)}", entry["flags"] | os.O_CLOEXEC)
        if fd != number:
            os.dup2(fd, number)
            os.close(fd)
        os.lseek(number, entry["offset"], os.SEEK_SET)

    def _file(self, entry: Entry) -> int:
        name = entry["file"]
        if name not in self._made:
            try:
                self._made[name] = descriptors.raised(_made(entry["name"]))
                os.fchmod(self._made[name], entry["mode"])
                with open(self._made[name], "wb", buffering=0, closefd=False) as file:
                    rest = memoryview(a2b_base64(entry["content"]))
                    while rest:
                        rest = rest[file.write(rest) :]
            except OSError as error:
                raise Refused(
                    f"a temporary file of the program cannot be made here: {error.strerror}",
                    advice="make room for temporary files on this node",
                ) from None
        return self._made[name]

    def close(self) -> None:
        """Leaves to the program only what it had open."""
        for fd in self._made.values():
            os.close(fd)
        self._made.clear()


def _made(target: str) -> int:
    """A file without a name, in the folder where the original was if there is one here."""
    if target.startswith(_MEMORY):
        return os.memfd_create(target.removeprefix(_MEMORY).removesuffix(_GONE))
    folder = os.path.dirname(target)
    if not os.access(folder, os.W_OK):
        folder = "/tmp"
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # this file system cannot
        path = os.path.join(folder, f".sojourn-{os.getpid()}-{os.urandom(8).hex()}")
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        os.unlink(path)
        return fd

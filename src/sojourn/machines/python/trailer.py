"""What the node adds to an image behind what the host wrote: what lies outside of the host process.

Layout, from the end: magic (4 bytes), length of the JSON (4 bytes, big-endian), the JSON, and before it as many bytes
as the JSON says of what has changed in the workspace. Everything before that is the host's. Guarantee: what is not a
trailer raises BadImage, before anything of it is used.
"""

from __future__ import annotations

import os
import struct

import msgspec

from sojourn.errors import BadImage
from sojourn.resources.unread import Unread

_END = struct.Struct(">I4s")
_MAGIC = b"SJT2"
_LARGEST = 256 * 1024 * 1024


class Trailer(msgspec.Struct, kw_only=True):
    """Input that the program has not read, and signals that were waiting for it."""

    input: Unread
    signals: list[int] = []
    workspace: int = 0  # bytes before this


def append(fd: int, size: int, *, unread: Unread, signals: list[int], workspace: bytes = b"") -> int:
    """Writes a trailer behind `size` bytes of image; the new size."""
    body = msgspec.json.encode(Trailer(input=unread, signals=signals, workspace=len(workspace)))
    for data in (workspace, body + _END.pack(len(body), _MAGIC)):
        left = memoryview(data)
        while left:
            written = os.pwrite(fd, left, size)
            left, size = left[written:], size + written
    return size


def workspace(fd: int, size: int, trailer: Trailer) -> bytes:
    """What the image of `size` bytes says of the workspace. Raises BadImage."""
    length, _ = _END.unpack(os.pread(fd, _END.size, size - _END.size))
    start = size - _END.size - length - trailer.workspace
    if trailer.workspace < 0 or start < 0:
        raise BadImage("the image has less of the workspace than it says")
    data = bytearray(trailer.workspace)
    view, got = memoryview(data), 0
    while got < len(data):
        count = os.preadv(fd, [view[got:]], start + got)
        if not count:
            raise BadImage("the image is cut off")
        got += count
    return bytes(data)


def read(fd: int, size: int) -> Trailer:
    """The trailer of an image of `size` bytes."""
    start = size - _END.size
    if start < 0 or os.fstat(fd).st_size < size:
        raise BadImage("the image is cut off")
    length, magic = _END.unpack(os.pread(fd, _END.size, start))
    if magic != _MAGIC or length > min(start, _LARGEST):
        raise BadImage("the image does not end as one")
    try:
        return msgspec.json.decode(os.pread(fd, length, start - length), type=Trailer)
    except ValueError as error:
        raise BadImage(f"the image's end cannot be read: {error}") from None

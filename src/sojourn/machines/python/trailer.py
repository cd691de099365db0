"""What the node adds to an image behind what the host wrote: what lies outside of the host process.

Layout, from the end: magic (4 bytes), length of the JSON (4 bytes, big-endian), the JSON. Everything before it is the
host's. Guarantee: what is not a trailer raises BadImage, before anything of it is used.
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


def append(fd: int, size: int, *, unread: Unread, signals: list[int]) -> int:
    """Writes a trailer behind `size` bytes of image; the new size."""
    body = msgspec.json.encode(Trailer(input=unread, signals=signals))
    data = body + _END.pack(len(body), _MAGIC)
    written = 0
    while written < len(data):
        written += os.pwrite(fd, data[written:], size + written)
    return size + len(data)


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

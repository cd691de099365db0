"""Frames: 4 bytes of length, big-endian, then that many bytes of MessagePack. A length over the cap is
refused at once, before anything is kept for it.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from sojourn.errors import ProtocolError

HEADER = struct.Struct(">I")
_encoder = msgspec.msgpack.Encoder()


def frame(message: Any, *, cap: int) -> bytes:
    """The message as one frame. Raises ProtocolError when it is larger than the other side would take."""
    body = _encoder.encode(message)
    if len(body) > cap:
        raise ProtocolError(f"a message of {len(body)} bytes is too large: at most {cap} are allowed")
    return HEADER.pack(len(body)) + body


def length(header: bytes | bytearray | memoryview, *, cap: int) -> int:
    """The length that a header announces. Raises ProtocolError when it is over the cap."""
    (size,) = HEADER.unpack(header)
    if size > cap:
        raise ProtocolError(f"a message of {size} bytes was announced: at most {cap} are allowed")
    return size


class Frames:
    """Cuts what arrives into frames. Keeps at most one unfinished frame, so at most `cap` bytes and a header."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._rest = bytearray()
        self._wanted = HEADER.size  # bytes of `_rest` with which more can be told: a large frame is joined once

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are whole now. Raises ProtocolError; nothing more may be fed after that."""
        whole: list[bytes] = []
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return whole
            data = bytes(self._rest)
            self._rest.clear()
        at, end, self._wanted = 0, len(data), HEADER.size
        while end - at >= HEADER.size:
            stop = at + HEADER.size + length(data[at : at + HEADER.size], cap=self._cap)
            if stop > end:
                self._wanted = stop - at
                break
            whole.append(data[at + HEADER.size : stop])
            at = stop
        self._rest += data[at:]
        return whole

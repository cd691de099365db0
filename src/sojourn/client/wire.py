"""A control message as bytes: 4 bytes of length, big-endian, then one MessagePack map. No sockets here.

| message | when |
|---|---|
| `{id, op, args}` | a request; `id` is the client's choice, unique on its connection |
| `{id, op: "cancel"}` | the client no longer wants the answer to `id` |
| `{id, item}` | one element of a streaming answer |
| `{id, ok}` | the answer; nothing more of this id follows |
| `{id, error}` | the error's `to_wire` form; nothing more of this id follows |
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from sojourn.errors import ProtocolError

HEADER = struct.Struct(">I")
MAX_MESSAGE = 64 << 20  # bytes; a longer one is garbage, since logs arrive in small chunks

_encoder = msgspec.msgpack.Encoder()


class Answer(msgspec.Struct, frozen=True):
    """One message from a node. Exactly one of `ok`, `item` and `error` is set."""

    id: int
    ok: Any = msgspec.UNSET
    item: Any = msgspec.UNSET
    error: dict[str, Any] | None = None


_decoder = msgspec.msgpack.Decoder(Answer)


def encode(message: dict[str, Any]) -> bytes:
    """The message with its length in front."""
    body = _encoder.encode(message)
    return HEADER.pack(len(body)) + body


def length(header: bytes | bytearray) -> int:
    """How many bytes follow this header. Raises ProtocolError for a size that no node sends."""
    (size,) = HEADER.unpack(header)
    if size > MAX_MESSAGE:
        raise ProtocolError(f"a message of {size} bytes was announced; at most {MAX_MESSAGE} are allowed")
    return size


def decode(body: bytes | bytearray) -> Answer:
    """The message in these bytes. Raises ProtocolError."""
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as why:
        raise ProtocolError(f"the node sent what is not an answer: {why}") from why

"""What clients say to nodes, and nodes to nodes on a client's behalf.

| message | when |
|---|---|
| `{id, op, args}` | a request; `id` is the asker's choice, unique on its connection |
| `{id, op: "cancel"}` | the answer to `id` is no longer wanted; it is then an error, or whatever was done |
| `{id, item}` | one element of a streaming answer |
| `{id, ok}` | the answer; nothing more of this id follows |
| `{id, error}` | the error's `to_wire` form; nothing more of this id follows |
"""

from __future__ import annotations

from typing import Any

import msgspec

from sojourn.errors import ProtocolError
from sojourn.wire.framing import frame

CAP = 16 << 20  # a program's environment and arguments fit many times over
CANCEL = "cancel"


class Request(msgspec.Struct, frozen=True):
    """One request."""

    id: int
    op: str
    args: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message that answers a request. Exactly one of `ok`, `item` and `error` is set."""

    id: int
    ok: Any = msgspec.UNSET
    item: Any = msgspec.UNSET
    error: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


_requests = msgspec.msgpack.Decoder(Request)
_answers = msgspec.msgpack.Decoder(Answer)


def encode(message: Request | Answer) -> bytes:
    return frame(message, cap=CAP)


def request(body: bytes) -> Request:
    """The request in a frame. Raises ProtocolError."""
    try:
        return _requests.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise ProtocolError(f"not a request: {why}") from why


def answer(body: bytes) -> Answer:
    """The answer in a frame. Raises ProtocolError."""
    try:
        found = _answers.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise ProtocolError(f"not an answer: {why}") from why
    if sum(part is not msgspec.UNSET for part in (found.ok, found.item, found.error)) != 1:
        raise ProtocolError("an answer has exactly one of ok, item and error")
    return found

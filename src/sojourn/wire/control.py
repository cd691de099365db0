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

import functools
from typing import Any, Generic, TypeVar

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


T = TypeVar("T")


class _Rows(msgspec.Struct, Generic[T], frozen=True):
    """An answer that is a list of T."""

    id: int
    ok: list[T] | msgspec.UnsetType = msgspec.UNSET
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


@functools.cache
def _of_rows(kind: type) -> msgspec.msgpack.Decoder[_Rows[Any]]:
    return msgspec.msgpack.Decoder(_Rows[kind])


def answer(body: bytes, rows: type | None = None) -> Answer:
    """The answer in a frame. Raises ProtocolError.

    Where `ok` is to be a list of `rows` it is read as that at once: there may be thousands.
    """
    try:
        if rows is None:
            found = _answers.decode(body)
        else:
            read = _of_rows(rows).decode(body)
            found = Answer(read.id, read.ok, read.item, read.error)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise ProtocolError(f"not an answer: {why}") from why
    if sum(part is not msgspec.UNSET for part in (found.ok, found.item, found.error)) != 1:
        raise ProtocolError("an answer has exactly one of ok, item and error")
    return found

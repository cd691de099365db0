"""What a newcomer and the join door say to each other: one question and one answer on each connection, under TLS.

| question | answer |
|---|---|
| `Authority` | `Certificate`: the authority's, which the newcomer compares with its token's fingerprint |
| `Join` | `Admitted`, or `Denied` |

The first connection verifies nothing and gives nothing away; on the second, which carries the token's secret, the door
has to show a certificate of the authority whose fingerprint the token names.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sojourn.errors import ProtocolError, SojournError, from_wire
from sojourn.wire.framing import frame

CAP = 64 << 10
QUESTION_CAP = 16 << 10  # of what strangers may send
VERSION = 1


class Authority(msgspec.Struct, frozen=True, tag=True):
    pass


class Join(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    version: int = VERSION
    id: str  # of the token
    secret: str
    name: str = ""  # that the newcomer would like to have
    request: bytes  # to have its key signed, PEM


class Certificate(msgspec.Struct, frozen=True, tag=True):
    pem: bytes


class Admitted(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    name: str
    role: str
    certificate: bytes
    cluster: str
    nats: dict[str, Any] = {}  # where the control plane is; nothing for a client
    seed: int = 0
    lease: float = 0.0
    nodes: dict[str, str] = {}  # name -> address of its data plane


class Denied(msgspec.Struct, frozen=True, tag=True):
    error: dict[str, Any]


Question = Authority | Join
Answer = Certificate | Admitted | Denied
_questions: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def encode(message: Question | Answer) -> bytes:
    return frame(message, cap=CAP)


def question(body: bytes) -> Question:
    """The question in a frame. Raises ProtocolError."""
    try:
        return _questions.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise ProtocolError(f"not a question to the join door: {why}") from why


def answer(body: bytes) -> Answer:
    """The answer in a frame. Raises ProtocolError."""
    try:
        return _answers.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise ProtocolError(f"not an answer of a join door: {why}") from why


def denial(denied: Denied) -> SojournError:
    """Why the door let nobody in."""
    return from_wire(denied.error)

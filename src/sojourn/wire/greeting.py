"""The first bytes between two members, after TLS has proved to each who the other is.

    caller -> listener   magic(8)  purpose(1)
    listener -> caller   magic(8)  a frame with a `Verdict`

The listener says whether it lets the caller in and, if not, why: TLS alone knows nothing of members that were
expelled. The magic carries the version; one that does not fit is refused by both sides before anything is decoded.

Rejected: an HMAC over a secret that all members share, which came before this. Whoever has that secret is everybody,
and taking it from one member means giving a new one to all others.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sojourn.errors import ProtocolError, SojournError, from_wire
from sojourn.wire.framing import frame

MAGIC = b"sojourn\x02"
CONTROL = b"c"
MOVE = b"m"
PURPOSES = frozenset({CONTROL, MOVE})
GREETING = len(MAGIC) + 1
CAP = 64 << 10  # of a verdict


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """`error` is why the caller is not let in; None: it is."""

    error: dict[str, Any] | None = None


_verdicts = msgspec.msgpack.Decoder(Verdict)


def greeting(purpose: bytes) -> bytes:
    return MAGIC + purpose


def purpose(said: bytes) -> bytes:
    """What the caller wants. Raises ProtocolError."""
    if not said.startswith(MAGIC) or len(said) != GREETING:
        raise ProtocolError("who called speaks another version of Sojourn")
    if said[-1:] not in PURPOSES:
        raise ProtocolError("who called wants what no node offers")
    return said[-1:]


def verdict(error: SojournError | None) -> bytes:
    return MAGIC + frame(Verdict(None if error is None else error.to_wire()), cap=CAP)


def check_magic(said: bytes) -> None:
    """Raises ProtocolError."""
    if said != MAGIC:
        raise ProtocolError("who answered is no node of this version of Sojourn")


def check_verdict(body: bytes) -> None:
    """Raises what the listener said, or ProtocolError."""
    try:
        found = _verdicts.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise ProtocolError(f"not a verdict: {why}") from why
    if found.error is not None:
        raise from_wire(found.error)

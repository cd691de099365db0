"""What the two sides of a move (or a clone) say to each other, in the order in which they say it.

| from the source | from the target |
|---|---|
| `Propose` | `Fetch` (any number, each answered by `Blob` and its bytes, or `NoBlob`); then `Accepted` or `Refused` |
| `Piece` of the log (any number) | |
| `Piece` (what was written since), `Image` and its bytes | `Ready` or `Failed` |
| `Go` or `Abort` | `Running` or `Returned` |
| `Retired` | |

Every message carries the epoch that the process will have at the target; one with another epoch is refused.
`Abort` and `Failed` may come instead of anything.

A clone begins with `Duplicate` in the place of `Propose` and goes on in the same words, without a log and
without `Ready`, `Go` and `Retired`: the target commits by itself. Its epoch is that of the copy, 1.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sojourn.errors import ProtocolError
from sojourn.wire.framing import frame

CAP = 4 << 20
PIECE = 1 << 20  # bytes of log in one Piece
VERSION = 1


class _Message(msgspec.Struct, frozen=True, tag=True):
    epoch: int


class Propose(_Message, kw_only=True, frozen=True):
    """The offer. `offer` is a `machines.base.Offer` and `record` a `names.registry.Record`, which this
    floor does not know.
    """

    version: int = VERSION
    record: msgspec.Raw  # as marked: it names process, owner and this move
    revision: int  # of the mark
    log: dict[int, int]  # epoch -> bytes, as of now
    offer: msgspec.Raw
    patience: float  # seconds until the source gives up


class Duplicate(_Message, kw_only=True, frozen=True):
    """The offer of a copy. `record` is the copy's own, as reserved; `offer` bears the copy's name."""

    version: int = VERSION
    record: msgspec.Raw
    revision: int  # of the reservation
    offer: msgspec.Raw
    patience: float  # seconds until the origin gives up
    keep_random: bool = False  # it goes on drawing the original's random numbers


class Fetch(_Message, kw_only=True, frozen=True):
    digest: str


class Blob(_Message, kw_only=True, frozen=True):
    """`size` bytes follow, as `image.stream` sends them."""

    digest: str
    size: int


class NoBlob(_Message, kw_only=True, frozen=True):
    digest: str


class Accepted(_Message, kw_only=True, frozen=True):
    log: dict[int, int]  # what the target has of the log already


class Refused(_Message, kw_only=True, frozen=True):
    error: dict[str, Any]


class Failed(_Message, kw_only=True, frozen=True):
    error: dict[str, Any]


class Piece(_Message, kw_only=True, frozen=True):
    """Bytes of the log's segment `segment`, beginning at `offset`."""

    segment: int
    offset: int
    data: bytes


class Image(_Message, kw_only=True, frozen=True):
    """`size` bytes follow, as `image.stream` sends them."""

    size: int
    log: dict[int, int]  # epoch -> bytes, final


class Ready(_Message, kw_only=True, frozen=True):
    pass


class Go(_Message, kw_only=True, frozen=True):
    revision: int  # of the commit


class Abort(_Message, kw_only=True, frozen=True):
    why: str = ""


class Running(_Message, kw_only=True, frozen=True):
    """`first_at` is CLOCK_MONOTONIC, in nanoseconds, of the boot that `boot` names."""

    first_at: int
    boot: str
    detail: dict[str, Any] = {}


class Returned(_Message, kw_only=True, frozen=True):
    error: dict[str, Any] = {}


class Retired(_Message, kw_only=True, frozen=True):
    pass


Message = (
    Propose | Duplicate | Fetch | Blob | NoBlob | Accepted | Refused | Failed | Piece | Image | Ready | Go | Abort
    | Running | Returned | Retired
)  # fmt: skip

_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    return frame(message, cap=CAP)


def decode(body: bytes) -> Message:
    """The message in a frame. Raises ProtocolError."""
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise ProtocolError(f"not a message of a move: {why}") from why

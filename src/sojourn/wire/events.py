"""What happens in a cluster, one struct for each kind of event, and their form as bytes.

| event | told by | says |
|---|---|---|
| `started` | its node | a program runs |
| `moving` | the source | a move was asked for, and where to |
| `moved` | the source | it runs there; downtime, bytes |
| `aborted` | the source | it did not move, and why; it goes on where it is unless another event says otherwise |
| `frozen`, `thawed` | its node | it is at rest in an image; it runs again |
| `cloned` | the original's node | a copy was made, under which name |
| `renamed` | its node | the name it had before |
| `ended` | its node | exit code or signal |
| `lost` | whoever is left | its node died with it |
| `returned` | its node | it was given up for lost, and runs after all |
| `node-up`, `node-gone` | the node; everybody who saw its lease run out | |
| `trouble`, `mended` | the node | something of a process or of the node is in a bad way; and is not any more |

Every event has the time at which it happened by its node's clock, and the node that told it. Those about a process
carry its name, id and epoch: the epoch at that moment, so that what is said late can be told from what is said now.

Compatibility: fields are only added, with defaults; an event of an unknown kind decodes as `Unknown`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from sojourn.errors import ProtocolError

CAP = 64 << 10  # bytes of one event; a history that makes it longer is cut by whoever tells it


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event"):
    """What all events have."""

    time: float  # Unix time
    node: str  # that told it


class ProcessEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What all events about a process have."""

    process: str
    id: str
    epoch: int


class Started(ProcessEvent, frozen=True, kw_only=True, omit_defaults=True, tag="started"):
    program: str = ""
    pid: int | None = None


class Moving(ProcessEvent, frozen=True, kw_only=True, omit_defaults=True, tag="moving"):
    to: str


class Moved(ProcessEvent, frozen=True, kw_only=True, omit_defaults=True, tag="moved"):
    to: str
    strategy: str
    downtime_ms: float
    total_ms: float
    bytes: int


class Aborted(ProcessEvent, frozen=True, kw_only=True, omit_defaults=True, tag="aborted"):
    to: str
    why: str
    reasons: list[str] = []
    history: list[str] = []  # of the move, stage by stage


class Frozen(ProcessEvent, frozen=True, kw_only=True, omit_defaults=True, tag="frozen"):
    file: str = ""
    bytes: int = 0


class Thawed(ProcessEvent, frozen=True, kw_only=True, omit_defaults=True, tag="thawed"):
    file: str = ""


class Cloned(ProcessEvent, frozen=True, kw_only=True, omit_defaults=True, tag="cloned"):
    to: str
    copy_name: str
    copy_id: str = ""
    downtime_ms: float = 0.0


class Renamed(ProcessEvent, frozen=True, kw_only=True, omit_defaults=True, tag="renamed"):
    before: str


class Ended(ProcessEvent, frozen=True, kw_only=True, omit_defaults=True, tag="ended"):
    exit_code: int | None = None
    signal: int | None = None
    why: str = ""  # it was killed, where that can be said


class Lost(ProcessEvent, frozen=True, kw_only=True, omit_defaults=True, tag="lost"):
    at: str  # the node that died


class Returned(ProcessEvent, frozen=True, kw_only=True, omit_defaults=True, tag="returned"):
    pass


class NodeUp(Event, frozen=True, kw_only=True, omit_defaults=True, tag="node-up"):
    address: str = ""
    why: str = "started"


class NodeGone(Event, frozen=True, kw_only=True, omit_defaults=True, tag="node-gone"):
    gone: str  # the node's name; `node` is who says so
    why: str = ""


class Trouble(Event, frozen=True, kw_only=True, omit_defaults=True, tag="trouble"):
    what: str
    process: str = ""
    id: str = ""
    epoch: int = 0


class Mended(Event, frozen=True, kw_only=True, omit_defaults=True, tag="mended"):
    what: str
    process: str = ""
    id: str = ""
    epoch: int = 0


class Unknown(Event, frozen=True, kw_only=True, omit_defaults=True, tag="unknown"):
    """Told by a later version. `kind` is its name, `told` all it said."""

    kind: str
    told: dict[str, Any]


AnyEvent: TypeAlias = (
    Started
    | Moving
    | Moved
    | Aborted
    | Frozen
    | Thawed
    | Cloned
    | Renamed
    | Ended
    | Lost
    | Returned
    | NodeUp
    | NodeGone
    | Trouble
    | Mended
    | Unknown
)

KINDS = tuple(str(each.__struct_config__.tag) for each in AnyEvent.__args__)


class Entry(msgspec.Struct, frozen=True):
    """An event in the cluster's journal; `seq` only grows."""

    seq: int
    event: AnyEvent


class _Head(msgspec.Struct):
    """What even an event of a later version has."""

    event: str
    time: float
    node: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)
_heads = msgspec.json.Decoder(_Head)


def kind(event: Event) -> str:
    """The event's name: "moved"."""
    return str(event.__struct_config__.tag)


def encode(event: AnyEvent) -> bytes:
    """The event as JSON; an over-long history loses its middle. Raises ProtocolError when that does not help."""
    data = _encoder.encode(event)
    if len(data) > CAP and isinstance(event, Aborted):
        cut = [*event.history[:20], "...", *event.history[-20:]]
        data = _encoder.encode(msgspec.structs.replace(event, history=cut, reasons=event.reasons[:20]))
    if len(data) > CAP:
        raise ProtocolError(f"an event {kind(event)} of {len(data)} bytes")
    return data


def decode(data: bytes) -> AnyEvent:
    """The event in these bytes. Raises ProtocolError."""
    if len(data) > CAP:
        raise ProtocolError(f"an event of {len(data)} bytes")
    try:
        try:
            return _decoder.decode(data)
        except msgspec.ValidationError:
            head = _heads.decode(data)
            if head.event in KINDS:
                raise
            return Unknown(time=head.time, node=head.node, kind=head.event, told=msgspec.json.decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise ProtocolError(f"not an event: {why}") from why

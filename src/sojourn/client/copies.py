"""What `clone` and `rename` ask of a node and what comes back. Decisions only, as in `calls`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sojourn.client.calls import Call
from sojourn.errors import SojournError, from_wire


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """One copy. `latency_ms` is from the last opcode of the original to the copy's first."""

    name: str
    id: str
    node: str
    latency_ms: float | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that came to nothing after the original was frozen; `error` as `SojournError.to_wire` gives it."""

    name: str
    node: str
    error: dict[str, Any]

    def why(self) -> SojournError:
        return from_wire(self.error)


class CloneReport(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from"}):
    """How a clone went. `pause_ms` is how long the original stood still."""

    name: str
    id: str
    source: str
    copies: list[Copied]
    failed: list[Failed] = []
    pause_ms: float
    total_ms: float
    bytes: int
    more: dict[str, Any] = {}  # whatever else the node told


def rename(id: str, to: str) -> Call[dict[str, Any]]:
    return Call("rename", {"name": id, "to": to}, dict)


def clone(
    id: str, nodes: Sequence[str], *, name: str | None, deadline: float | None, keep_random: bool
) -> Call[dict[str, Any]]:
    args = {"name": id, "nodes": list(nodes), "copy": name, "deadline": deadline, "keep_random": keep_random}
    return Call("clone", {key: value for key, value in args.items() if value is not None}, dict)


def cloned(answer: dict[str, Any]) -> CloneReport:
    """The node's answer to `clone`; what it tells beyond the report is kept in `more`."""
    known = CloneReport.__struct_encode_fields__
    more = {key: value for key, value in answer.items() if key not in known}
    return Call("clone", {}, CloneReport).result({**answer, "more": more})

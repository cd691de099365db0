"""The registry as everybody else sees it; no engine shows through.

Concepts. A *record* says everything the cluster knows about one process; its key is the process's name.
Every write has a *revision*, which only grows; a write names the revision it replaces, and is refused when
that is not the latest (compare-and-set). A *lease* is a node's entry, which vanishes `ttl` seconds after
its last renewal.

Guarantees. Of several writes on one revision at most one wins, whatever is delayed or sent twice. Every
call has a deadline and raises `Unavailable` when it passes; a write that raised it may still land later.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec

from sojourn.model.process import State


class Stay(msgspec.Struct, frozen=True, array_like=True):
    """A process's stay at one node."""

    node: str
    epoch: int
    since: float  # Unix time


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """Where a frozen process is."""

    image: str  # the id of the freeze: another image of the same process is not it
    file: str
    at: str = ""  # on whose machine: a node, or a command line that has logged in from afar

    @property
    def place(self) -> str:
        """Where that is, for people."""
        return f"{self.at}:{self.file}" if self.at else self.file


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the registry knows about one process."""

    name: str
    id: str
    node: str  # the owner
    address: str = ""  # of the owner's data plane
    machine: str = "python"
    state: State = State.STARTING
    epoch: int = 1
    moves: int = 0
    started: float = 0.0  # Unix time
    exit_code: int | None = None
    signal: int | None = None
    program: str = ""
    terminal: bool = False
    limits: dict[str, str] = {}  # what limits it where it is: "memory", "cpus"
    why: str = ""  # it was killed, where that can be said
    pid: int | None = None  # of the host process, on its node
    move: str = ""  # the latest move of the process
    stays: list[Stay] = []  # where it was before, oldest first, as of its latest move
    rest: Rest | None = None  # while it is frozen
    was: str = ""  # the name that this record is to replace, or has replaced (model.rename)
    fallback: str = ""  # while a commit is unconfirmed: the node that still has the stopped source copy


def identity(record: Record) -> dict[str, Any]:
    """What a program is told of itself (`sojourn.here`)."""
    return {field: getattr(record, field) for field in ("node", "name", "id", "epoch", "moves")}


class NodeEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a node's lease says."""

    name: str
    address: str
    pid: int
    incarnation: str  # another one for every daemon that ever had the name
    boot: str  # names the running kernel: equal means that monotonic clocks are comparable
    files: str = ""  # names the mounts that the node sees: equal, in one boot, means that paths lead to the same files
    socket: str = ""
    interpreters: list[dict[str, Any]] = []
    load: float = 0.0
    draining: bool = False  # it takes nothing new
    image_key: str = ""  # by which its images are known, hexadecimal
    site: str = ""  # whose home it shares: that of the node which joined there, or (empty) the host's


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who was given a certificate. A name is never given twice in one role."""

    role: str
    name: str
    serial: str  # of the certificate, hexadecimal
    since: float = 0.0  # Unix time
    expelled: float = 0.0  # Unix time; 0: it belongs to the cluster

    @property
    def key(self) -> str:
        return f"{self.role}.{self.name}"


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One of the servers of a replicated control plane."""

    name: str  # of the site (model.plane)
    url: str  # for members
    route: str  # HOST:PORT, for the other servers
    pin: str  # SHA-256 of its public key, hexadecimal: by which the other servers know it
    fingerprint: str  # SHA-256 of its certificate: by which members know it


class Plane(msgspec.Struct, frozen=True, kw_only=True):
    """Where the control plane is, once it is replicated."""

    sites: list[Site]


class Known(msgspec.Struct, frozen=True):
    """A record and the revision of the write that made it."""

    record: Record
    revision: int


class Change(msgspec.Struct, frozen=True):
    """One step of a watch. `value` None: the key is gone (removed, or its lease ran out)."""

    revision: int
    kind: str  # "process", "node", "member" (whose name is ROLE.NAME) or "plane"
    name: str
    value: Record | NodeEntry | Member | Plane | None


class Snapshot(msgspec.Struct, frozen=True):
    """The watch (re)starts: every key that exists follows as a Change; those that do not follow are gone."""


class Synced(msgspec.Struct, frozen=True):
    """What existed when the watch (re)started has all been told."""


class Registry(Protocol):
    """Names, records and leases. All calls may raise Unavailable."""

    async def create(self, record: Record) -> int:
        """The revision of a new record. Raises NameTaken."""
        ...

    async def update(self, record: Record, revision: int) -> int:
        """Replace the record of that revision. Raises StaleEpoch when it is not the latest."""
        ...

    async def get(self, name: str) -> Known | None:
        """The latest record, read where writes are ordered."""
        ...

    async def delete(self, name: str, revision: int) -> int:
        """Remove the record of that revision; the name is free. Raises StaleEpoch."""
        ...

    async def lease(self, entry: NodeEntry, revision: int, ttl: int) -> int:
        """Take (revision 0) or renew a node's lease. Raises StaleEpoch when another incarnation has it."""
        ...

    async def release(self, name: str, revision: int) -> None:
        """Give a lease back; revision 0 takes it from whoever has it."""
        ...

    async def put_member(self, member: Member, *, new: bool) -> int:
        """Write down who belongs to the cluster. Raises NameTaken when it is not new. The keeper's alone."""
        ...

    async def put_plane(self, plane: Plane) -> int:
        """Write down where the control plane is. The keeper's alone."""
        ...

    def watch(self) -> AsyncIterator[Change | Snapshot | Synced]:
        """Everything that exists and then every change; begins again by itself after a gap."""
        ...

    async def barrier(self) -> int:
        """A revision such that a watch that has reached it knows every write answered before this call."""
        ...

    async def close(self) -> None: ...

"""A node's own copy of the registry: what the watch told, and what this node wrote itself.

Guarantees. A key never goes back to an older revision, in whatever order writes and watch arrive. What this
node wrote is there at once. While the control plane is away the copy stays as it was: reads go on, and may
be old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from sojourn.model.rename import counts
from sojourn.names.registry import Change, Known, Member, NodeEntry, Plane, Record, Snapshot, Synced

Value = Record | NodeEntry | Member | Plane | None
PLANE = "servers"  # the name of the one entry of its kind
Listener = Callable[[str, str, Value, Value], None]


class Directory:
    """Processes, nodes and members by name. Fed with `apply`; `listen` tells of every change."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], tuple[int, Value]] = {}
        self._names: dict[str, str] = {}  # process id -> name
        self._claims: dict[str, str] = {}  # process id -> the name that a renaming claims for it (model.rename)
        self._told: set[tuple[str, str]] | None = None  # keys of the snapshot under way
        self._listeners: list[Listener] = []
        self._changed = asyncio.Event()
        self.revision = 0  # the highest that the watch has told
        self.synced = asyncio.Event()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(kind, name, old, new)` on every change; the result stops it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def apply(self, step: Change | Snapshot | Synced) -> None:
        """Take in one step of the watch."""
        if isinstance(step, Snapshot):
            self._told = set()
        elif isinstance(step, Synced):
            gone = [key for key in self._keys if key not in (self._told or ())]
            self._told = None
            for key in gone:
                revision, value = self._keys[key]
                if value is not None and revision <= self.revision:
                    self._set(key, revision, None)
            self.synced.set()
        else:
            key = (step.kind, step.name)
            if self._told is not None:
                self._told.add(key)
            self.revision = max(self.revision, step.revision)
            self._set(key, step.revision, step.value)
        self._wake()

    def wrote(self, record: Record, revision: int) -> None:
        """This node wrote a record."""
        self._set(("process", record.name), revision, record)
        self._wake()

    def deleted(self, name: str, revision: int) -> None:
        """This node removed a record."""
        self._set(("process", name), revision, None)
        self._wake()

    def process(self, name_or_id: str) -> Known | None:
        """The process of that name or id. A name that is only claimed is nobody's yet."""
        revision, value = self._keys.get(("process", name_or_id), (0, None))
        if not isinstance(value, Record) or not self._counts(value):
            revision, value = 0, None
            name = self._names.get(name_or_id)
            revision, value = self._keys.get(("process", name), (0, None)) if name else (0, None)
        return Known(value, revision) if isinstance(value, Record) else None

    def processes(self) -> Iterator[Known]:
        """All processes, oldest first."""
        found = [
            Known(value, revision)
            for revision, value in self._keys.values()
            if isinstance(value, Record) and self._counts(value)
        ]
        yield from sorted(found, key=lambda known: (known.record.started, known.record.name))

    def claims(self) -> list[tuple[Known, Record]]:
        """Names that are claimed for a process that has another, and that process."""
        found: list[tuple[Known, Record]] = []
        for id, name in self._claims.items():
            revision, value = self._keys[("process", name)]
            known = self.process(id)
            if isinstance(value, Record) and known is not None and known.record.name != name:
                found.append((Known(value, revision), known.record))
        return found

    def _counts(self, record: Record) -> bool:
        at_was = self._keys.get(("process", record.was), (0, None))[1] if record.was else None
        return counts(record.was, record.id, at_was.id if isinstance(at_was, Record) else None)

    def node(self, name: str) -> NodeEntry | None:
        value = self._keys.get(("node", name), (0, None))[1]
        return value if isinstance(value, NodeEntry) else None

    def nodes(self) -> list[NodeEntry]:
        """Nodes that hold a lease, by name."""
        found = [value for _, value in self._keys.values() if isinstance(value, NodeEntry)]
        return sorted(found, key=lambda entry: entry.name)

    def member(self, role: str, name: str) -> Member | None:
        value = self._keys.get(("member", f"{role}.{name}"), (0, None))[1]
        return value if isinstance(value, Member) else None

    def members(self) -> list[Member]:
        """Everybody who was ever given a certificate, by name."""
        found = [value for _, value in self._keys.values() if isinstance(value, Member)]
        return sorted(found, key=lambda member: (member.role, member.name))

    def plane(self) -> Plane | None:
        """Where the control plane is; None as long as it is one server."""
        value = self._keys.get(("plane", PLANE), (0, None))[1]
        return value if isinstance(value, Plane) else None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition()` holds; it is looked at after every change."""
        while not condition():
            await self.changed()

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    def _set(self, key: tuple[str, str], revision: int, value: Value) -> None:
        known, old = self._keys.get(key, (0, None))
        if revision < known or (revision == known and old == value):
            return
        self._keys[key] = (revision, value)
        if isinstance(old, Record):
            self._forget(old)
        if isinstance(value, Record):
            (self._names if self._counts(value) else self._claims)[value.id] = value.name
        for listener in list(self._listeners):
            listener(*key, old, value)

    def _forget(self, old: Record) -> None:
        """A record is gone, or about to be replaced: the name that was claimed for its process comes into its own."""
        if self._claims.get(old.id) == old.name:
            del self._claims[old.id]
        elif self._names.get(old.id) == old.name:
            del self._names[old.id]
            if self._keys[("process", old.name)][1] is None and old.id in self._claims:
                self._names[old.id] = self._claims.pop(old.id)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

"""A node's own copy of the registry: what the watch told, and what this node wrote itself.

Guarantees. A key never goes back to an older revision, in whatever order writes and watch arrive. What this
node wrote is there at once. While the control plane is away the copy stays as it was: reads go on, and may
be old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from sojourn.names.registry import Change, Known, Member, NodeEntry, Record, Snapshot, Synced

Value = Record | NodeEntry | Member | None
Listener = Callable[[str, str, Value, Value], None]


class Directory:
    """Processes, nodes and members by name. Fed with `apply`; `listen` tells of every change."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], tuple[int, Value]] = {}
        self._names: dict[str, str] = {}  # process id -> name
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
        """The process of that name or id."""
        revision, value = self._keys.get(("process", name_or_id), (0, None))
        if value is None:
            name = self._names.get(name_or_id)
            revision, value = self._keys.get(("process", name), (0, None)) if name else (0, None)
        return Known(value, revision) if isinstance(value, Record) else None

    def processes(self) -> Iterator[Known]:
        """All processes, oldest first."""
        found = [
            Known(value, revision) for revision, value in self._keys.values() if isinstance(value, Record)
        ]
        yield from sorted(found, key=lambda known: (known.record.started, known.record.name))

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
            self._names.pop(old.id, None)
        if isinstance(value, Record):
            self._names[value.id] = value.name
        for listener in list(self._listeners):
            listener(*key, old, value)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

# pyright: basic
# (objects of any type, and modules without stubs)
"""The baseline: the pristine world of an environment, as a graph that can be stored and compared.

A process that has imported the program's library modules, in the program's order, and has run nothing else, walks them
breadth first. Every object gets an index, in an order that depends on nothing but the modules; each object's edges are
recorded as leaves (values) and references (indices). No object is stored, so a baseline loads in milliseconds and is
valid in any process of the same environment.

Guarantee: `load` treats the bytes as hostile as far as their shape goes (marshal can make nothing but plain values);
what they say is only ever compared.
"""

from __future__ import annotations

import marshal
import sys
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sojourn.errors import BadImage
from sojourn.frames.heap.registry import is_module, name_of

from .shapes import edges, is_leaf, is_text, kind_of, label, leaf
from .skip import hidden, skipped

_MAGIC = b"SJB1"


@dataclass(slots=True)
class Entry:
    """One object of the pristine world."""

    kind: str
    label: tuple[Any, ...]
    parent: tuple[int, Any]  # the edge by which it was found
    leaves: dict[Any, Any] = field(default_factory=dict)
    refs: dict[Any, int] = field(default_factory=dict)


@dataclass(slots=True)
class Baseline:
    """Entries by index; the first ones are `modules`, in order of import."""

    modules: list[str]
    entries: list[Entry]
    digest: str = ""

    def describe(self, index: int) -> str:
        """Where an object is found: "json.decoder.JSONDecoder"."""
        steps: list[str] = []
        while index >= len(self.modules):
            index, key = self.entries[index].parent
            steps.append(_spell(key))
        return self.modules[index] + "".join(reversed(steps))

    def describe_edge(self, index: int, key: Any) -> str:
        return self.describe(index) + _spell(key)

    def to_bytes(self) -> bytes:
        rows = [(e.kind, e.label, e.parent, e.leaves, e.refs) for e in self.entries]
        body = marshal.dumps((sys.version, self.modules, rows))
        return _MAGIC + zlib.crc32(body).to_bytes(4, "little") + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Baseline:
        """Raises BadImage for anything that is not a baseline of this very interpreter version."""
        if data[:4] != _MAGIC or zlib.crc32(data[8:]).to_bytes(4, "little") != data[4:8]:
            raise BadImage("these bytes are no baseline, or are damaged")
        try:
            version, modules, rows = marshal.loads(data[8:])
            entries = [Entry(*row) for row in rows]
        except (ValueError, TypeError, EOFError) as failure:
            raise BadImage(f"the baseline cannot be read: {failure}") from None
        if version != sys.version:
            raise BadImage(f"the baseline is of {version}, this is {sys.version}")
        return cls(modules, entries, f"{zlib.crc32(data):08x}{len(data):08x}")

    def save(self, path: str) -> None:
        with open(path, "wb") as file:
            file.write(self.to_bytes())

    @classmethod
    def load(cls, path: str) -> Baseline:
        with open(path, "rb") as file:
            return cls.from_bytes(file.read())


def _spell(key: Any) -> str:
    if type(key) is str:
        return f".{key}"
    if key[0] in (":attribute", ":slot"):
        return f".{key[-1]}"
    return f"[{', '.join(str(part) for part in key[1:]) or key[0][1:]}]"


def make_baseline(names: list[str]) -> Baseline:
    """Walk the named modules of this process, which must have imported them and run no program."""
    return Baseline.from_bytes(_Walk(names).baseline.to_bytes())


class _Walk:
    def __init__(self, names: list[str]) -> None:
        modules = [name for name in names if is_module(sys.modules.get(name))]
        self.index: dict[int, int] = {}
        self.objects: list[Any] = []  # keeps ids valid
        self.entries: list[Entry] = []
        self.queue: deque[int] = deque()
        kept: list[str] = []
        for name in modules:
            module = sys.modules[name]
            if id(module) not in self.index:
                kept.append(name)
                self.enter(module, (0, ()))
        self.skipped: list[tuple[int, Any, Any]] = []
        while self.queue:
            self.read(self.queue.popleft())
        for index, key, value in self.skipped:
            self.entries[index].refs[key] = self.enter_unread(value, (index, key))
        self.baseline = Baseline(kept, self.entries)

    def enter(self, value: Any, parent: tuple[int, Any]) -> int:
        index = self.index.get(id(value))
        if index is None:
            index = self.index[id(value)] = len(self.entries)
            self.objects.append(value)
            self.entries.append(Entry(kind_of(value), label(value), parent))
            self.queue.append(index)
        return index

    def enter_unread(self, value: Any, parent: tuple[int, Any]) -> int:
        index = self.index.get(id(value))
        if index is None:
            index = self.index[id(value)] = len(self.entries)
            self.objects.append(value)
            self.entries.append(Entry("unread", (name_of(type(value)),), parent))
        return index

    def read(self, index: int) -> None:
        entry, obj = self.entries[index], self.objects[index]
        for key, value in edges(entry.kind, obj).items():
            token = leaf(value)
            if skipped(entry.kind, entry.label, key):
                if not is_leaf(token) and not hidden(entry.kind, entry.label, key):
                    self.skipped.append((index, key, value))
                continue
            if is_leaf(token) and not (entry.kind == "module" and is_text(key, value)):
                entry.leaves[key] = token
            else:
                entry.refs[key] = self.enter(value, (index, key))

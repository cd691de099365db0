# pyright: basic
# (objects of any type, and modules without stubs)
"""Finding the pristine world inside a living one, and what differs.

Theory. `match` walks a baseline breadth first beside the live modules. The first edge that leads to an object of the
right kind and name *binds* the baseline's index to that object; an edge that then leads elsewhere, or to another leaf,
is *dirty*. At the source, dirty edges are the edits that travel; bound objects are written as their index. At the
target the same walk over its own pristine world gives the objects back; what is dirty there differs between the two
environments, and stays as it is there.

Objects that cannot change (tuples, properties, bound methods) are compared when they are met: one differing part makes
the edge to them dirty. A function or class that a program has replaced before the first match is found among the
collector's objects by its name, so that it keeps its identity.

A freeze has no time for the whole walk. After the first one, containers are *watched* in groups: all referents of a
group, as the collector reports them, are kept and compared, which takes nanoseconds an object. Only containers of a
group that changed, and those that were dirty before, are read again. (Keeping the referents keeps leaves and pristine
objects alive, never the program's own: groups hold clean containers only.)

Guarantees. No code of the program is called. Two objects are never bound to one index, nor one object to two.
"""

from __future__ import annotations

import _abc  # pyright: ignore[reportMissingImports]
import gc
import sys
from collections import deque
from gc import get_referents
from operator import is_
from types import FunctionType
from typing import Any

from sojourn.frames.heap.registry import is_class, name_of

from .baseline import Baseline, Entry
from .shapes import ABSENT, FIXED, UNWATCHED, edges, is_leaf, kind_of, label, leaf, type_dict, watched
from .skip import skipped

_GROUP = 48
_UNBOUND: Any = type("Unbound", (), {"__slots__": ()})()


class Match:
    """A baseline bound to the objects of this process."""

    def __init__(self, baseline: Baseline) -> None:
        self.baseline = baseline
        self.pristine = frozenset(baseline.modules)
        self.live: list[Any] = [_UNBOUND] * len(baseline.entries)
        self.index: dict[int, int] = {}
        self.dirty: dict[int, dict[Any, Any]] = {}  # container -> key -> live value or ABSENT
        self.place: dict[int, dict[Any, Any]] = {}  # the same, for what the place differs in
        self._queue: deque[int] = deque()
        self._containers: list[int] = []
        self._groups: list[
            tuple[list[int], list[Any], list[Any]]
        ] = []  # containers, what is watched, referents
        self._always: set[int] = set()
        self._abstract: list[int] = []  # classes with a registry, which lies in C
        self._registrations = _abc.get_cache_token()
        self.prepared: Any = None  # the heap's (`heap.prepared`)
        for index, name in enumerate(baseline.modules):
            self._bind(index, sys.modules.get(name, ABSENT))
        self._walk()
        if self._adopt():
            self._walk()
        self._watch(self._containers)

    # Binding

    def _bind(self, index: int, value: Any) -> bool:
        bound = self.live[index]
        if bound is not _UNBOUND:
            return bound is value
        if value is ABSENT or id(value) in self.index:
            return False
        entry = self.baseline.entries[index]
        if entry.kind == "unread":
            if (name_of(type(value)),) == entry.label:
                self.live[index] = value
                self.index[id(value)] = index
            return True
        if kind_of(value) != entry.kind or label(value) != entry.label:
            return False
        if entry.kind in FIXED and not self._same_parts(entry, value):
            return False
        self.live[index] = value
        self.index[id(value)] = index
        if entry.kind not in FIXED:
            self._queue.append(index)
        return True

    def _same_parts(self, entry: Entry, value: Any) -> bool:
        found = edges(entry.kind, value)
        if len(found) != len(entry.leaves) + len(entry.refs):
            return False
        for key, token in entry.leaves.items():
            if key not in found or not _equal(token, leaf(found[key])):
                return False
        bound = [
            self._bind(index, found.get(key, ABSENT)) for key, index in entry.refs.items()
        ]  # every part, always
        return all(bound)

    def _walk(self) -> None:
        while self._queue:
            index = self._queue.popleft()
            self._containers.append(index)
            self._compare(index)

    def _compare(self, index: int) -> None:
        """Read one container and note its dirty edges."""
        entry = self.baseline.entries[index]
        found = edges(entry.kind, self.live[index])
        leaves, refs = entry.leaves, entry.refs
        dirty: dict[Any, Any] = {}
        known = 0
        for key, value in found.items():
            if key in leaves:
                known += 1
                if not _equal(leaves[key], leaf(value)):
                    dirty[key] = value
            elif key in refs:
                known += 1
                if not self._bind(refs[key], value) and not skipped(entry.kind, entry.label, key):
                    dirty[key] = value
            elif not skipped(entry.kind, entry.label, key):
                dirty[key] = value
        if known < len(leaves) + len(refs):
            for key in (*leaves, *refs):
                if key not in found and not skipped(entry.kind, entry.label, key):
                    dirty[key] = ABSENT
        place = self.place.get(index)
        if place and dirty:
            dirty = {k: v for k, v in dirty.items() if k not in place or place[k] is not v}
        if dirty:
            self.dirty[index] = dirty
        else:
            self.dirty.pop(index, None)

    def _adopt(self) -> bool:
        """Bind functions and classes that are no longer where they were, by name."""
        wanted: dict[Any, int] = {}
        for index, entry in enumerate(self.baseline.entries):
            if self.live[index] is _UNBOUND and entry.kind in ("function", "class"):
                wanted[entry.label] = -1 if entry.label in wanted else index
        if not wanted:
            return False
        before = len(self.index)
        for each in gc.get_objects():
            if (type(each) is FunctionType or is_class(each)) and id(each) not in self.index:
                index = wanted.get(label(each), -1)
                if index >= 0:
                    self._bind(index, each)
        return len(self.index) > before

    # Watching

    def _watch(self, containers: list[int]) -> None:
        clean: list[int] = []
        for index in containers:
            kind = self.baseline.entries[index].kind
            if kind == "class" and "_abc_impl" in type_dict(self.live[index]):
                self._abstract.append(index)
            if index in self.dirty or kind in UNWATCHED:
                self._always.add(index)
            else:
                self._always.discard(index)
                clean.append(index)
        for start in range(0, len(clean), _GROUP):
            members = clean[start : start + _GROUP]
            watching: list[Any] = []
            for index in members:
                watching += watched(self.baseline.entries[index].kind, self.live[index])
            self._groups.append((members, watching, get_referents(*watching)))

    def recheck(self) -> None:
        """Bring `dirty` up to date. Called at a freeze."""
        again: list[int] = []
        kept: list[tuple[list[int], list[Any], list[Any]]] = []
        for group in self._groups:
            members, watching, before = group
            now = get_referents(*watching)
            if len(now) == len(before) and all(map(is_, now, before)):
                kept.append(group)
            else:
                again += members
        always = list(self._always)
        if _abc.get_cache_token() != self._registrations:
            self._registrations = _abc.get_cache_token()
            for index in self._abstract:
                self._compare(index)
            self._always.update(index for index in self._abstract if index in self.dirty)
            always = list(self._always)
        for index in (*again, *always):
            self._compare(index)
        found = len(self._containers)
        self._walk()
        self._groups = kept
        self._watch([*again, *always, *self._containers[found:]])

    def settle(self) -> None:
        """At a target, before anything is thawed: what is dirty now is a difference of the place, no edit."""
        for index, edges_ in self.dirty.items():
            self.place.setdefault(index, {}).update(edges_)
        self.dirty.clear()

    def refilled(self, index: int) -> None:
        """A cache holds what was carried here: it differs from the pristine one, whatever its counts say."""
        self.baseline.entries[index].leaves.pop((":contents",), None)

    # What the heap asks

    def objects(self) -> list[Any]:
        """By index: the live object, or something unique where there is none."""
        return [object() if each is _UNBOUND else each for each in self.live]

    def missing(self) -> set[int]:
        return {index for index, each in enumerate(self.live) if each is _UNBOUND}

    def describe(self, index: int) -> str:
        return self.baseline.describe(index)


def _equal(token: Any, value: Any) -> bool:
    return (
        is_leaf(value)
        and type(token) is type(value)
        and (token == value or (token != token and value != value))
    )


def match(baseline: Baseline) -> Match:
    """Bind a baseline to this process's modules."""
    return Match(baseline)

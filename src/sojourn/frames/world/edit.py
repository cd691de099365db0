# pyright: basic
# (objects of any type, and modules without stubs)
"""Edits: dirty edges as plain operations that can be written with the heap and carried out at the thaw.

An edit is (index, operation, argument…). Attributes and items are set and deleted one by one. Where order or
identity of keys matters (lists, sets, dicts with deletions or with keys that are objects) the whole content is
replaced, in place, so that everybody who holds the container sees it.

A cache (`functools.lru_cache`) that holds other things than the pristine one is filled anew, last of all: a result
that a program still has must be what the function gives again. `bare` leaves that out.

Carrying out edits calls no code of the program, but `__hash__` and `__eq__` of keys: attributes are set through
`object` and `type`.
"""

from __future__ import annotations

import _abc  # pyright: ignore[reportMissingImports]
import sys
from _weakref import ReferenceType
from typing import Any

from sojourn.frames.heap.cobjects import can_refill, lru_state, refill_lru
from sojourn.frames.heap.contents import fill_through
from sojourn.frames.heap.instances import Plan
from sojourn.frames.heap.tensors import set_generator
from sojourn.frames.heap.threads import hold
from sojourn.frames.heap.words import solid_base

from .matching import Match
from .shapes import ABSENT, module_dict, type_dict

Edit = tuple[Any, ...]


def edits(match: Match) -> list[Edit]:
    """What to carry out on a pristine world to make it this one."""
    found: list[Edit] = []
    for index in sorted(match.dirty):
        kind = match.baseline.entries[index].kind
        dirty = match.dirty[index]
        found += _WRITERS.get(kind, _attribute_edits)(index, kind, match.live[index], dirty)
    return bare(found) + caches(found)


def referents(found: list[Edit]) -> list[Any]:
    """What weak references among the edits refer to. It has to be there until they are carried out: some of it is
    garbage that nobody has collected, and a reference to what has gone cannot be hashed.
    """
    parts = [part for edit in found for part in edit]
    parts += [each for part in parts if type(part) is list for each in part]
    targets = [ReferenceType.__call__(each) for each in parts if issubclass(type(each), ReferenceType)]
    return [each for each in targets if each is not None]


def bare(found: list[Edit]) -> list[Edit]:
    """Edits without those of caches, which a program can do without."""
    return [edit for edit in found if edit[1] != "cache"]


def caches(found: list[Edit]) -> list[Edit]:
    return [edit for edit in found if edit[1] == "cache"]


def _attribute_edits(index: int, kind: str, obj: Any, dirty: dict[Any, Any]) -> list[Edit]:
    found: list[Edit] = []
    for key, value in dirty.items():
        if type(key) is str:
            found.append((index, "delete", key) if value is ABSENT else (index, "set", key, value))
        elif key[0] == ":attribute":
            found.append((index, "unput", key[1]) if value is ABSENT else (index, "put", key[1], value))
        elif key[0] == ":abc" and value is not ABSENT:
            found.append((index, "register", value))
        elif key[0] == ":state":
            found.append((index, "state", value))
        elif key[0] == ":slot" and value is not ABSENT:
            found.append((index, "set", key[-1], value))
        elif key[0] == ":factory":
            found.append((index, "set", "default_factory", value))
    return found


def _dict_edits(index: int, kind: str, obj: Any, dirty: dict[Any, Any]) -> list[Edit]:
    inside = [key for key in dirty if key[0] in (":item", ":key")]
    found = _attribute_edits(
        index, kind, obj, {k: v for k, v in dirty.items() if k[0] not in (":item", ":key")}
    )
    if inside:
        simple = all(
            key[0] == ":item" and type(key[1]) is not tuple and dirty[key] is not ABSENT for key in inside
        )
        if simple:
            found.append((index, "update", [part for key in inside for part in (key[1], dirty[key])]))
        else:
            found.append((index, "items", [part for item in dict.items(obj) for part in item]))
    return found


def _list_edits(index: int, kind: str, obj: Any, dirty: dict[Any, Any]) -> list[Edit]:
    found = _attribute_edits(index, kind, obj, {k: v for k, v in dirty.items() if k[0] != ":at"})
    if any(key[0] == ":at" for key in dirty):
        found.append(
            (
                index,
                "contents",
                list(type(obj).__iter__(obj) if not isinstance(obj, list) else list.__iter__(obj)),
            )
        )
    return found


def _set_edits(index: int, kind: str, obj: Any, dirty: dict[Any, Any]) -> list[Edit]:
    rest = {k: v for k, v in dirty.items() if k[0] not in (":element", ":others")}
    found = _attribute_edits(index, kind, obj, rest)
    if len(rest) < len(dirty):
        found.append((index, "elements", list(set.__iter__(obj))))
    return found


def _cache_edits(index: int, kind: str, obj: Any, dirty: dict[Any, Any]) -> list[Edit]:
    found = _attribute_edits(index, kind, obj, dirty)
    if (":contents",) in dirty and can_refill(obj):
        found.append((index, "cache", lru_state(obj)))
    return found


_WRITERS: dict[str, Any] = {
    "dict": _dict_edits, "list": _list_edits, "set": _set_edits, "cache": _cache_edits,
}  # fmt: skip


def apply(found: list[Edit], match: Match) -> None:
    """Carry out edits on this process's world."""
    for index, operation, *arguments in found:
        kind = match.baseline.entries[index].kind
        _OPERATIONS[operation](kind, match.live[index], *arguments)
        if operation == "cache":
            match.refilled(index)


def _set(kind: str, obj: Any, name: str, value: Any) -> None:
    if kind == "module":
        module_dict(obj)[sys.intern(name)] = value
    elif kind == "class":
        type.__setattr__(obj, name, value)
    elif kind in ("function", "cell") or "__dict__" not in dir(type(obj)):
        setattr(obj, name, value)
    else:
        plan = Plan(type(obj))
        slot = next((slot for (_, slotted), slot in plan.slots if slotted == name), None)
        if slot is not None:
            slot.__set__(obj, value)
        elif name in plan.shadowed and plan.attributes is not None and name != "default_factory":
            plan.attributes(obj)[name] = value
        else:
            object.__setattr__(obj, name, value)


def _delete(kind: str, obj: Any, name: str) -> None:
    if kind == "module":
        module_dict(obj).pop(name, None)
    elif kind == "class":
        if name in type_dict(obj):
            type.__delattr__(obj, name)
    elif kind == "cell":
        del obj.cell_contents
    else:
        attributes = Plan(type(obj)).attributes
        if attributes is not None:
            attributes(obj).pop(name, None)


def _put(kind: str, obj: Any, name: str, value: Any) -> None:
    obj.__dict__[name] = value


def _unput(kind: str, obj: Any, name: str) -> None:
    obj.__dict__.pop(name, None)


def _register(kind: str, obj: Any, cls: type) -> None:
    _abc._abc_register(obj, cls)


def _state(kind: str, obj: Any, state: Any) -> None:
    if kind == "numpy":
        numpy = sys.modules["numpy"]
        obj.set_state((state[0], numpy.frombuffer(state[1], "u4").astype("u4"), *state[2:]))
    elif kind == "torch":
        set_generator(obj, state)
    elif kind == "random":
        base: Any = solid_base(type(obj))
        base.setstate(obj, state)
    elif kind == "lock":
        hold(obj, state)
    else:
        obj[:] = state


def _update(kind: str, obj: Any, items: list[Any]) -> None:
    base: Any = solid_base(type(obj))
    for key, value in zip(items[::2], items[1::2], strict=True):
        if _hashable(key):
            base.__setitem__(obj, key, value)


def _items(kind: str, obj: Any, items: list[Any]) -> None:
    pairs = zip(items[::2], items[1::2], strict=True)
    fill_through(obj, [solid_base(type(obj)), [part for pair in pairs if _hashable(pair[0]) for part in pair]])


def _contents(kind: str, obj: Any, contents: list[Any]) -> None:
    base: Any = solid_base(type(obj))
    base.clear(obj)
    base.extend(obj, contents)


def _elements(kind: str, obj: Any, elements: list[Any]) -> None:
    set.clear(obj)
    set.update(obj, filter(_hashable, elements))


def _hashable(key: Any) -> bool:
    """Not a weak reference whose object had gone at the source already."""
    return not issubclass(type(key), ReferenceType) or ReferenceType.__call__(key) is not None


def _cache(kind: str, obj: Any, state: Any) -> None:
    refill_lru(obj, state)


_OPERATIONS: dict[str, Any] = {
    "set": _set, "delete": _delete, "put": _put, "unput": _unput, "register": _register, "state": _state,
    "update": _update, "items": _items, "contents": _contents, "elements": _elements,
    "cache": _cache,
}  # fmt: skip

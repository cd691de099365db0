"""Dicts and sets: keys that cannot be hashed yet, and sets that iterate in an order of their own.

Theory. The pickler writes dicts, sets and frozensets by itself, and mostly that is right. It is wrong when a key's hash
needs state that comes later: such a container is *announced* by a persistent id, as a shell, and filled at level 1. And
it is wrong when a set, rebuilt element by element, would iterate in another order: the order of a set depends on the
size of its table and on collisions, so on its history ({5, 700} left over from a larger set iterates 5, 700; rebuilt,
700, 5). Both sides have one hash seed, so the writer finds out by rebuilding the set; the loader then searches for a
history that gives the recorded order (`histories`).

An announced dict is as long as the real one from the start, full of placeholders: an iterator over it can be made and
moved on before it is filled.

Guarantees. A set whose elements' hashes do not come from addresses iterates as before, or `Disorder` is raised. The
search is small: it covers leftovers of larger sets, copies and unions, not every history there could be.

Stated limit: where hashes come from addresses (default hashes; None up to 3.11), so did the order.
"""

from __future__ import annotations

from _weakref import ReferenceType
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from sojourn.errors import Refused

from .dumper import Dumper
from .registry import constructor
from .words import python_made

DICT, SET, FROZEN, MODULE_DICT, LIST, TUPLES = range(6)  # what a persistent id announces

ATOMIC: frozenset[type] = frozenset(
    (str, int, float, bool, bytes, complex, type(None), type(...), type(NotImplemented), range)
)
_STABLE = ATOMIC if hash(None) == 0xFCA86420 else ATOMIC - {type(None)}  # hash(None) was an address up to 3.11
_HASHED_WHOLE = {object.__hash__} | {base.__hash__ for base in (str, int, float, bytes, complex)}
_HASHED_BY_PARTS = {tuple.__hash__, frozenset.__hash__}
_SMALLEST, _HEADER, _ENTRY = 8, set().__sizeof__(), 16


class Disorder(Refused):
    """A set could not be rebuilt to iterate as before."""

    code = "disorder"


def keys_ready(dumper: Dumper, keys: Iterable[Any]) -> bool:
    """Can these be hashed and compared as soon as they exist, before any state is filled in?"""
    types = set(map(type, keys))
    if types <= ATOMIC:
        return True
    nested: list[type] = []
    for cls in types - ATOMIC - dumper.ready_types:
        hashing = cls.__hash__
        if hashing in _HASHED_BY_PARTS:
            nested.append(cls)
        elif (hashing in _HASHED_WHOLE and (not python_made(cls) or _compares_plainly(cls))) or _is_ready(cls):
            dumper.ready_types.add(cls)
        else:
            return False
    if not nested:
        return True
    of_parts = frozenset(nested)
    return keys_ready(dumper, list(chain.from_iterable(_parts(key) for key in keys if type(key) in of_parts)))


def _parts(key: Any) -> Iterator[Any]:
    return tuple.__iter__(key) if isinstance(key, tuple) else frozenset.__iter__(key)


def _compares_plainly(cls: type) -> bool:
    equal = cls.__eq__
    return any(equal is base.__eq__ for base in (object, str, int, float, bytes, complex))


def _is_ready(cls: type) -> bool:
    """C types whose reducers put everything into the shell. A weak reference hashes what it refers to: not ready."""
    return not python_made(cls) and cls not in (ReferenceType,) and not isinstance(cls, ReferenceType)


def table_size(obj: Any) -> int:
    """How many places the hash table of a set has."""
    base = set if isinstance(obj, set) else frozenset
    return max(_SMALLEST, (base.__sizeof__(obj) - _HEADER) // _ENTRY)


# Announcing


def _announce_dict(dumper: Dumper, obj: dict[Any, Any]) -> Any:
    place = dumper.announced.get(id(obj))
    if place is not None:
        return place
    name = dumper.library.dicts.get(id(obj))
    if name is not None:
        return announce_module(dumper, dumper.announce(obj), name)
    if keys_ready(dumper, obj):
        return None
    dumper.later(fill_dict, obj, [part for item in obj.items() for part in item], 1)
    return (DICT, dumper.announce(obj), len(obj))


def announce_module(dumper: Dumper, place: int, name: str) -> Any:
    module = dumper.library.modules.get(name)
    if module is not None:
        dumper.later_module(name, module)
    return (MODULE_DICT, place, name, module is None)


def _announce_set(dumper: Dumper, obj: set[Any]) -> Any:
    place = dumper.announced.get(id(obj))
    if place is not None:
        return place
    elements = list(obj)
    ready = keys_ready(dumper, elements)
    if ready and ((len(elements) < 2 and table_size(obj) == _SMALLEST) or _same(obj, set, elements)):
        return None
    dumper.later(fill_set, obj, [elements, table_size(obj)], 1)
    return (SET, dumper.announce(obj))


def _announce_frozenset(dumper: Dumper, obj: frozenset[Any]) -> Any:
    place = dumper.announced.get(id(obj))
    if place is not None:
        return place
    elements = list(obj)
    if id(obj) not in dumper.completed and not keys_ready(dumper, elements):
        dumper.found_early.append(obj)
        return None
    if len(elements) < 2 or _same(obj, frozenset, elements):
        return None
    return (FROZEN, dumper.announce(obj), elements, table_size(obj))


def _same(obj: Any, kind: Any, elements: list[Any]) -> bool:
    trial = kind(elements)
    return table_size(trial) == table_size(obj) and all(map(_is, trial, elements))


def _is(one: Any, other: Any) -> bool:
    return one is other


Dumper.special[dict] = _announce_dict
Dumper.special[set] = _announce_set
Dumper.special[frozenset] = _announce_frozenset

# Rebuilding


@constructor
def fill_dict(obj: dict[Any, Any], content: list[Any]) -> None:
    parts = iter(content)
    obj.clear()
    obj.update(zip(parts, parts, strict=True))


@constructor
def fill_set(obj: set[Any], state: list[Any]) -> None:
    elements, size = state
    for build in histories(elements, size):
        obj.clear()
        build(obj)
        if _fits(obj, elements, size):
            return
    obj.clear()
    obj.update(elements)
    if not all(map(_is, obj, elements)):
        _accept_or_refuse(elements)


@constructor
def make_frozenset(elements: list[Any], size: int) -> frozenset[Any]:
    for build in (frozenset, lambda e: frozenset(set(e)), lambda e: frozenset(dict.fromkeys(e))):
        made = build(elements)
        if _fits(made, elements, size):
            return made
    for build in histories(elements, size):
        grown: set[Any] = set()
        build(grown)
        made = frozenset(grown)
        if all(map(_is, made, elements)):
            return made
    made = frozenset(elements)
    if not all(map(_is, made, elements)):
        _accept_or_refuse(elements)
    return made


def _fits(built: Any, elements: list[Any], size: int) -> bool:
    return table_size(built) == size and all(map(_is, built, elements))


def histories(elements: list[Any], size: int) -> Iterator[Callable[[set[Any]], None]]:
    """Ways in which a set with these elements can have come to a table of this size, likelier ones first."""
    orders = [elements, elements[::-1], *_rotations(elements)]
    for order in orders:
        yield lambda obj, order=order: obj.update(order)
    yield lambda obj: obj.update(set(elements))
    yield lambda obj: obj.update(dict.fromkeys(elements))
    for offset in (0, 1, size // 2, size // 4, 3):
        for order in orders:
            yield lambda obj, order=order, offset=offset: _grow_and_shrink(obj, order, size, offset)


def _rotations(elements: list[Any]) -> Iterator[list[Any]]:
    for turn in range(1, min(len(elements), 5)):
        yield elements[-turn:] + elements[:-turn]


def _grow_and_shrink(obj: set[Any], elements: list[Any], size: int, offset: int) -> None:
    """Grow the table with placeholders, drop these, then put the elements in.

    The placeholders' hashes are small integers that no element shares, so that what they leave in the table lies in
    one block, which `offset` moves out of the elements' way.
    """
    taken = {hash(element) & (size - 1) for element in elements}
    free = [place for place in (*range(offset, size), *range(offset)) if place not in taken]
    added: list[int] = []
    for place in free or range(offset, offset + size):
        if table_size(obj) >= size:
            break
        filler = place + (size << 20)
        obj.add(filler)
        added.append(filler)
    obj.difference_update(added)
    obj.update(elements)


def _accept_or_refuse(elements: list[Any]) -> None:
    if _stable(elements):
        raise Disorder(
            f"a set of {len(elements)} elements cannot be rebuilt to iterate as before: {elements[:6]!r}",
            advice="make the set anew, or iterate over sorted(...)",
        )


def _stable(elements: Iterable[Any]) -> bool:
    """Do all hashes come from values, so that the order could have been kept?"""
    return all(
        type(each) in _STABLE or (type(each) in (tuple, frozenset) and _stable(_parts(each))) for each in elements
    )


# pyright: basic
# (objects of any type, and modules without stubs)
"""Dicts and sets: keys that cannot be hashed yet, and sets that iterate in an order of their own.

Theory. The pickler writes dicts, sets and frozensets by itself, and mostly that is right. It is wrong when a key's hash
needs state that comes later: such a container is *announced* by a persistent id, as a shell, and filled at level 1. And
it is wrong when a set, rebuilt element by element, would iterate in another order ({5, 700} left over from a larger set
iterates 5, 700; rebuilt, 700, 5). Both sides have one hash seed, so the writer finds out by rebuilding the set; the
loader then arranges it as it was (`orders`).

An announced dict is as long as the real one from the start, full of placeholders: an iterator over it can be made and
moved on before it is filled.

Guarantee. A set whose elements' hashes do not come from addresses iterates as before, or `Disorder` is raised.

Stated limit: where hashes come from addresses (default hashes; None up to 3.11), so did the order.
"""

from __future__ import annotations

from _weakref import ReferenceType
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from sojourn.errors import Refused

from .dumper import Dumper
from .orders import SMALLEST, arrange, arranged, arrangement, gaps, is_natural, table_size
from .registry import constructor
from .stubs import hashed_as
from .words import move_finger, python_made, set_finger, set_hashes

DICT, SET, FROZEN, MODULE_DICT, LIST, TUPLES, ADDRESS, BYTES = range(8)  # what a persistent id announces

ATOMIC: frozenset[type] = frozenset(
    (str, int, float, bool, bytes, complex, type(None), type(...), type(NotImplemented), range)
)
_STABLE = (
    ATOMIC if hash(None) == 0xFCA86420 else ATOMIC - {type(None)}
)  # hash(None) was an address up to 3.11
_HASHED_WHOLE = {object.__hash__} | {base.__hash__ for base in (str, int, float, bytes, complex)}
_HASHED_BY_PARTS = {tuple.__hash__, frozenset.__hash__}


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
        elif (hashing in _HASHED_WHOLE and (not python_made(cls) or _compares_plainly(cls))) or _is_ready(
            cls
        ):
            dumper.ready_types.add(cls)
        else:
            return False
    if not nested:
        return True
    of_parts = frozenset(nested)
    return keys_ready(dumper, list(chain.from_iterable(_parts(key) for key in keys if type(key) in of_parts)))


def _parts(key: Any) -> Iterator[Any]:
    return tuple.__iter__(key) if issubclass(type(key), tuple) else frozenset.__iter__(key)


def _compares_plainly(cls: type) -> bool:
    equal = cls.__eq__
    return any(equal is base.__eq__ for base in (object, str, int, float, bytes, complex))


def _is_ready(cls: type) -> bool:
    """C types whose reducers put everything into the shell. A weak reference hashes what it refers to: not ready."""
    return not python_made(cls) and cls not in (ReferenceType,) and not isinstance(cls, ReferenceType)


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
    if not filled_late(dumper, obj):
        return None
    fill_set_later(dumper, obj, list(obj), 1)
    return (SET, dumper.announce(obj))


def fill_set_later(dumper: Dumper, obj: set[Any], elements: list[Any], level: int) -> None:
    state, finger = [elements, *arrangement(obj), gaps(obj)], set_finger(obj)
    if finger:
        dumper.later(fill_popped_set, obj, [state, finger], level)
    else:
        dumper.later(fill_set, obj, state, level)


def filled_late(dumper: Dumper, obj: set[Any]) -> bool:
    """Is this set, which is of no class of its own, announced or to be announced?"""
    if id(obj) in dumper.announced:
        return True
    elements = list(obj)
    if gaps(obj) or set_finger(obj) or not keys_ready(dumper, elements):
        return True
    return (len(elements) >= 2 or table_size(obj) != SMALLEST) and not is_natural(obj, set, elements)


def _announce_frozenset(dumper: Dumper, obj: frozenset[Any]) -> Any:
    place = dumper.announced.get(id(obj))
    if place is not None:
        return place
    elements = list(obj)
    if not keys_ready(dumper, elements):
        unready: list[Any] = []
        note_hashes(dumper, elements, set_hashes(obj, table_size(obj)), unready)
        return (FROZEN, dumper.announce(obj), elements, *arrangement(obj), unready)
    if len(elements) < 2 or is_natural(obj, frozenset, elements):
        return None
    return (FROZEN, dumper.announce(obj), elements, *arrangement(obj))


def _announce_bytearray(dumper: Dumper, obj: bytearray) -> Any:
    """A large one takes its memory along out of band: the pickler would copy it into the pickle."""
    place = dumper.announced.get(id(obj))
    if place is not None:
        return place
    memory = dumper.large(obj)
    return None if memory is None else (BYTES, dumper.announce(obj), memory)


def note_hashes(dumper: Dumper, keys: Iterable[Any], hashes: Iterable[int], unready: list[Any]) -> None:
    """Collect [object, hash, …] of what cannot be hashed yet; a tuple is hashed by its parts."""
    for key, hashed in zip(keys, hashes, strict=True):
        if issubclass(type(key), tuple) and type(key).__hash__ is tuple.__hash__:
            parts = [part for part in tuple.__iter__(key) if not keys_ready(dumper, [part])]
            note_hashes(dumper, parts, map(hash, parts), unready)
        elif python_made(type(key)) and not issubclass(type(key), frozenset) and not keys_ready(dumper, [key]):
            unready += (key, hashed)


Dumper.special[dict] = _announce_dict
Dumper.special[set] = _announce_set
Dumper.special[frozenset] = _announce_frozenset
Dumper.special[bytearray] = _announce_bytearray

# Rebuilding


@constructor
def fill_dict(obj: dict[Any, Any], content: list[Any]) -> None:
    parts = iter(content)
    obj.clear()
    obj.update(zip(parts, parts, strict=True))


@constructor
def fill_set(obj: set[Any], state: list[Any]) -> None:
    elements, size, places, discarded = state
    if not arrange(obj, elements, size, places, discarded):
        _accept_or_refuse(elements)


@constructor
def fill_popped_set(obj: set[Any], state: tuple[list[Any], int]) -> None:
    """The next `pop` takes what it would have taken."""
    content, finger = state
    fill_set(obj, content)
    move_finger(obj, finger)


@constructor
def make_frozenset(
    elements: list[Any], size: int, places: list[int] | None, unready: list[Any] | None = None
) -> frozenset[Any]:
    with hashed_as(unready or []):
        made, right = arranged(elements, size, places)
    if not right:
        _accept_or_refuse(elements)
    return made


def _accept_or_refuse(elements: list[Any]) -> None:
    if comes_from_values(elements):
        raise Disorder(
            f"a set of {len(elements)} elements cannot be rebuilt to iterate as before: {elements[:6]!r}",
            advice="make the set anew, or iterate over sorted(...)",
        )


def comes_from_values(elements: Iterable[Any]) -> bool:
    """Do all hashes come from values, so that the order could have been kept?"""
    return all(
        type(each) in _STABLE or (type(each) in (tuple, frozenset) and comes_from_values(_parts(each)))
        for each in elements
    )

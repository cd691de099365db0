# pyright: basic
# (objects of any type, and raw memory)
"""Iterators over dicts and sets, in place.

Theory. Each is a C struct: what it goes over, how large that was when it began, its place in the table, and how many
entries it expects to give. None of them has a `__setstate__`, and places differ: the table at the source may have gaps,
the one at the target not. So what travels is the number of entries before the place. The loader makes an iterator over
nothing where it is met (so that a dict may contain its own iterator), and sets its fields when everything else is
there, edits of the library included (`reach`), from a fresh iterator that has gone as many steps.

How large the container was, and how many entries are expected, travel as differences from what they would be had
nothing changed: so an iterator whose dict has grown meanwhile says so at its next step, as it would have.

A set whose elements' hashes come from addresses has another order at the target. Where the elements that were still to
come are not those that would come there, the iterator goes over these alone, in a set of its own: each element once,
none lost.

As in `fields`, only what was just made is written to.

Guarantee: the layout is compared with what iterators of every kind show, when this module is imported.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from operator import length_hint
from typing import Any

from sojourn.errors import InternalError

from .containers import comes_from_values
from .dumper import Dumper
from .fields import store
from .iterators import MAPPINGS, VIEWS, dict_view
from .registry import constructor, reduces

_WORD = ctypes.sizeof(ctypes.c_void_p)
_OWNER, _USED, _PLACE = 2, 3, 4  # in words
_LEFT = {True: 6, False: 5}  # of dicts, which keep a tuple for their items before it; of sets
_CHANGED = -1  # in the place of the size: it has complained of a change, and will not go on

_dict: dict[Any, Any] = {}
FORWARD: tuple[type, ...] = tuple(type(iter(view(_dict))) for view in (dict.keys, dict.values, dict.items))
BACKWARD: tuple[type, ...] = tuple(type(reversed(view(_dict))) for view in (dict.keys, dict.values, dict.items))
OVER_SET: type = type(iter(set()))
_KINDS = (*FORWARD, *BACKWARD, OVER_SET)
_OF_SETS = _KINDS.index(OVER_SET)

# Iterators that are still to be set: the iterator, what it goes over, steps made, the two differences, and the
# elements that are left where their order may be another one here.
State = tuple[Any, int, int | None, int, list[Any] | None]
_waiting: list[tuple[Any, State]] = []


def _field(iterator: Any, place: int) -> Any:
    return ctypes.c_ssize_t.from_address(id(iterator) + place * _WORD)


def _follow(address: int) -> Any:
    return ctypes.cast(address, ctypes.py_object).value


def _afresh(kind: int, owner: Any, steps: int = 0) -> Iterator[Any]:
    """An iterator of that kind that has made so many steps."""
    if kind == _OF_SETS:
        base: Any = set if isinstance(owner, set) else frozenset
        made: Iterator[Any] = base.__iter__(owner)
    else:
        view = dict_view(owner, kind % len(VIEWS))
        made = iter(view) if kind < len(VIEWS) else reversed(view)
    next(islice(made, steps, steps), None)
    return made


def _steps(iterator: Any, kind: int, owner: Any, left: int) -> int:
    """How many entries lie before its place."""
    sign = -1 if len(FORWARD) <= kind < _OF_SETS else 1
    place = sign * _field(iterator, _PLACE).value

    def after(steps: int) -> int:
        return sign * _field(_afresh(kind, owner, steps), _PLACE).value

    size = _size(owner)
    likely = size - left
    if 0 <= likely <= size and after(likely) == place:
        return likely
    return max(bisect_right(range(size + 1), place, key=after) - 1, 0)


def _size(owner: Any) -> int:
    """Its length, not asking a class of the program's."""
    return next(base for base in (*MAPPINGS, set, frozenset) if isinstance(owner, base)).__len__(owner)


def _reduce(iterator: Any, dumper: Dumper) -> Any:
    kind = _KINDS.index(type(iterator))
    address = _field(iterator, _OWNER).value
    if not address:
        return used_up, (kind,)
    owner = _follow(address)
    left = _field(iterator, _LEFT[kind != _OF_SETS]).value
    used = _field(iterator, _USED).value
    steps = _steps(iterator, kind, owner, left)
    rest = None
    if kind == _OF_SETS and steps and not comes_from_values(_afresh(kind, owner)):
        rest = list(_afresh(kind, owner, steps))
    size = _size(owner)
    grown = None if used == _CHANGED else used - size
    dumper.later(go_on, iterator, (owner, steps, grown, left - (size - steps), rest))
    return begun, (kind,)


reduces(*_KINDS)(_reduce)


@constructor
def begun(kind: int) -> Iterator[Any]:
    return _afresh(kind, set() if kind == _OF_SETS else {})


@constructor
def used_up(kind: int) -> Iterator[Any]:
    made = begun(kind)
    next(made, None)
    return made


@constructor
def go_on(iterator: Any, state: State) -> None:
    _waiting.append((iterator, state))


def forget() -> None:
    """Of an earlier load, which failed."""
    _waiting.clear()


def reach() -> None:
    """Sets every iterator that was loaded, now that everything is there."""
    while _waiting:
        _set(*_waiting.pop())


def _set(iterator: Any, state: State) -> None:
    owner, steps, grown, more, rest = state
    kind = _KINDS.index(type(iterator))
    if rest is not None and not _same(list(_afresh(kind, owner, steps)), rest):
        owner, steps = frozenset(rest), 0
    probe, size = _afresh(kind, owner, steps), _size(owner)
    store(id(iterator) + _OWNER * _WORD, owner)
    _field(iterator, _PLACE).value = _field(probe, _PLACE).value
    _field(iterator, _USED).value = _CHANGED if grown is None else size + grown
    _field(iterator, _LEFT[kind != _OF_SETS]).value = size - steps + more


def _same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _verify() -> None:
    """Iterators with gaps before and behind their places show their fields, and go on in copies."""
    wrong: list[str] = []
    gaps: dict[int, int] = dict.fromkeys(range(9), 0)
    elements = set(range(9))
    for gone in (1, 4, 7):
        del gaps[gone]
        elements.discard(gone)
    makers: list[Callable[[], Any]] = [lambda kind=kind: _afresh(kind, gaps) for kind in range(_OF_SETS)]
    for make in (*makers, lambda: iter(elements)):
        one, other = make(), make()
        next(islice(one, 3, 3), None)
        kind, owner = _KINDS.index(type(one)), _follow(_field(one, _OWNER).value)
        left = _field(one, _LEFT[kind != _OF_SETS]).value
        shown = (owner is gaps or owner is elements, _field(one, _USED).value, left, _steps(one, kind, owner, left))
        if shown != (True, 6, 3, 3):
            wrong.append(type(one).__name__)
            continue
        _set(other, (owner, 3, 0, 0, None))
        if length_hint(other) != 3 or list(other) != list(one):
            wrong.append(type(one).__name__)
    if wrong:
        raise InternalError(f"this interpreter's iterators are not laid out as expected: {', '.join(wrong)}")


_verify()

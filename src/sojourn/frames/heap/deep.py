# pyright: basic
# (objects of any type, and modules without stubs)
"""Containers nested too deep for the pickler's recursion: tried only after a dump has failed for it.

Here lists and dicts are announced and filled later, as instances are. A tuple cannot be a shell; a tuple of tuples is
announced with everything it nests, innermost first, and the loader builds one after the other.

What the dump itself makes (arguments, states, batches) has to be there at once and is written in place: it is marked as
`ours`, with what lies in it, as deep as reducers nest what they make. Should that be the program's, it costs as many
levels of recursion, no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from .containers import DICT, LIST, TUPLES, fill_dict
from .contents import fill_list
from .dumper import Dumper, Preset

_OURS = 5  # as deep as what a reducer gives is nested


def _announce_list(dumper: DeepDumper, obj: list[Any]) -> Any:
    place = dumper.announced.get(id(obj))
    if place is not None:
        return place
    if not obj or dumper.is_ours(obj):
        return None
    Dumper.later(dumper, fill_list, obj, dumper.only(list(obj)))
    return (LIST, dumper.announce(obj))


def _announce_dict(dumper: DeepDumper, obj: dict[Any, Any]) -> Any:
    announced = Dumper.special[dict](dumper, obj)
    if announced is not None or not obj or dumper.is_ours(obj):
        return announced
    Dumper.later(dumper, fill_dict, obj, dumper.only([part for item in obj.items() for part in item]))
    return (DICT, dumper.announce(obj), len(obj))


def _announce_frozenset(dumper: DeepDumper, obj: frozenset[Any]) -> Any:
    return dumper.ours(Dumper.special[frozenset](dumper, obj))


def _announce_tuple(dumper: DeepDumper, obj: tuple[Any, ...]) -> Any:
    place = dumper.announced.get(id(obj))
    if place is not None:
        return place
    if tuple not in set(map(type, obj)) or dumper.is_ours(obj):
        return None
    rows: list[Any] = []
    pending: list[tuple[tuple[Any, ...], int]] = [(obj, 0)]
    under_way = {id(obj)}
    while pending:
        here, index = pending.pop()
        while index < len(here):
            part = here[index]
            index += 1
            if dumper.is_nest(part) and id(part) not in dumper.announced and id(part) not in under_way:
                pending += ((here, index), (part, 0))
                under_way.add(id(part))
                break
        else:
            nested = [(i, dumper.announced[id(part)]) for i, part in enumerate(here) if dumper.is_nest(part)]
            places = dict(nested)
            rows.append(dumper.announce(here))
            rows.append(dumper.only([None if i in places else part for i, part in enumerate(here)]))
            rows.append(dumper.only([number for pair in nested for number in pair]))
    return (TUPLES, dumper.announced[id(obj)], dumper.only(rows))


class DeepDumper(Dumper):
    """The same dump with a stack depth that does not depend on the program's data."""

    def __init__(self, preset: Preset) -> None:
        super().__init__(preset)
        self._ours: dict[int, Any] = {}

    def persistent_id(self, obj: Any, special: Any = None) -> Any:
        handler = _SPECIAL.get(type(obj))
        if handler is not None:
            return handler(self, obj)
        return None

    def reducer_override(self, obj: Any) -> Any:
        reduced = super().reducer_override(obj)
        if type(reduced) is tuple:
            for part in reduced:
                self.ours(part)
        return reduced

    def later(self, fill: Any, obj: Any, state: Any, level: int = 0) -> None:
        super().later(fill, obj, self.ours(state), level)

    def only(self, made: list[Any]) -> list[Any]:
        """Mark a list of the program's own things, and none of these."""
        self._ours[id(made)] = made
        return made

    def ours(self, made: Any) -> Any:
        parts: Iterable[Any] = (made,)
        for _ in range(_OURS):
            found = {id(part): part for part in parts if type(part) in _SPECIAL and id(part) not in self._ours}
            self._ours.update(found)
            parts = chain.from_iterable(map(_within, found.values()))
        return made

    def is_ours(self, obj: Any) -> bool:
        return id(obj) in self._ours

    def is_nest(self, part: Any) -> bool:
        """A tuple to be announced with the one that it is in. (What is ours is written in place, once.)"""
        return type(part) is tuple and bool(part) and not self.is_ours(part)


def _within(made: Any) -> Iterable[Any]:
    if type(made) is dict:
        return made.values()
    return () if type(made) is bytearray else made


_SPECIAL: dict[type, Any] = {
    **Dumper.special,
    list: _announce_list,
    dict: _announce_dict,
    tuple: _announce_tuple,
    frozenset: _announce_frozenset,
}

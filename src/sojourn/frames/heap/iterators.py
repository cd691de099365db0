# pyright: basic
# (objects of any type, and modules without stubs)
"""Iterators over sequences and views of dicts: they go on where they were, over the same container.

A list has its position set last, and one of the library, which has its content only when all edits are carried out,
after that (`reach`). Iterators over dicts and sets are in `cursors`, those of `itertools` in `fields`.
"""

from __future__ import annotations

import _warnings
import builtins
import sys
from collections.abc import Iterator
from gc import get_referents, get_referrers
from itertools import islice
from types import (
    ClassMethodDescriptorType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    WrapperDescriptorType,
)
from typing import Any

from sojourn.frames.analyze import VERSION

from .contents import take_items
from .dumper import Dumper
from .registry import constructor, is_class, reduces
from .words import SHARED, python_made

MAPPINGS: tuple[Any, ...] = (dict, builtins.frozendict) if VERSION >= (3, 15) else (dict,)  # type: ignore[attr-defined]
_dict: dict[Any, Any] = {}
VIEWS = (type(_dict.keys()), type(_dict.values()), type(_dict.items()))
_DEQUE = ("_collections", "collections")  # where the types of its iterators say that they are, by version
_short: list[tuple[Any, int]] = []  # iterators, and where they have to be
_SEQUENCES = (
    iter([]), reversed([]), iter(()), iter(""), iter("\u0100"), iter(b""), iter(bytearray())
)  # fmt: skip


@constructor
def dict_iterator(owner: dict[Any, Any], kind: int, backward: bool, length: int, steps: int) -> Iterator[Any]:
    """Of images up to format 2; see `cursors`."""
    if len(owner) != length:
        raise RuntimeError("an iterator refers to a dict that contains it")
    view = dict_view(owner, kind)
    iterator: Iterator[Any] = reversed(view) if backward else iter(view)
    next(islice(iterator, steps, steps), None)
    if not length:
        next(iterator, None)
    return iterator


@reduces(*VIEWS)
def _reduce_view(view: Any, dumper: Dumper) -> Any:
    return dict_view, (_referent(view, MAPPINGS), VIEWS.index(type(view)))


@constructor
def dict_view(owner: dict[Any, Any], kind: int) -> Any:
    base: Any = dict if isinstance(owner, dict) else MAPPINGS[1]
    return (base.keys, base.values, base.items)[kind](owner)


def _referent(obj: Any, kind: Any) -> Any:
    for each in get_referents(obj):
        if issubclass(type(each), kind):
            return each
    return None


@constructor
def set_iterator(owner: Any, length: int, steps: int, rest: list[Any] | None) -> Iterator[Any]:
    """Of images up to format 2; see `cursors`."""
    if len(owner) != length and rest is not None:
        return iter(rest)
    iterator = iter(owner)
    next(islice(iterator, steps, steps), None)
    if not length:
        next(iterator, None)
    return iterator


@reduces(*(f"{module}._deque_{kind}" for module in _DEQUE for kind in ("iterator", "reverse_iterator")))
def _reduce_deque_iterator(iterator: Any, dumper: Dumper) -> Any:
    made, (owner, steps) = iterator.__reduce__()
    if not python_made(type(owner)):
        return made, (owner, steps)
    return deque_iterator, (made, owner, steps, list(made(owner, steps)))


@constructor
def deque_iterator(kind: Any, owner: Any, steps: int, rest: list[Any]) -> Iterator[Any]:
    iterator = kind(owner, steps)
    return iterator if rest and iterator.__length_hint__() == len(rest) else iter(rest)


@reduces(*map(type, _SEQUENCES))
def _reduce_sequence_iterator(iterator: Any, dumper: Dumper) -> Any:
    """A list may still grow while it is loaded, so the position is set when everything else is there."""
    made, arguments, *position = iterator.__reduce__()
    if position:
        dumper.later(set_position, iterator, position[0], 1)
    return (reverse if made is not iter else walk), arguments


@constructor
def walk(sequence: Any) -> Iterator[Any]:
    return iter(sequence)


@constructor
def reverse(sequence: Any) -> Iterator[Any]:
    return reversed(sequence)


@constructor
def set_position(iterator: Any, position: int) -> None:
    iterator.__setstate__(position)
    if iterator.__reduce__()[2:] != (position,):  # the list is not so long yet
        _short.append((iterator, position))


def forget() -> None:
    """Of an earlier load, which failed."""
    _short.clear()


def reach() -> None:
    """Sets the positions in lists that were still too short, now that everything is there."""
    while _short:
        iterator, position = _short.pop()
        iterator.__setstate__(position)


_DESCRIPTORS = (
    *(GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType, WrapperDescriptorType),
    ClassMethodDescriptorType,
)


@reduces(MappingProxyType)
def _reduce_proxy(proxy: Any, dumper: Dumper) -> Any:
    owner = get_referents(proxy)[0]
    if type(owner) is dict:
        for thing in owner.values():  # the proxy of a class's own dict?
            cls = thing.__objclass__ if type(thing) in _DESCRIPTORS else None  # (nothing of the program is asked)
            if is_class(cls) and get_referents(class_dict(cls))[0] is owner:
                return class_dict, (cls,)
        for cls in get_referrers(owner) if SHARED and "__module__" in owner else ():
            if is_class(cls) and get_referents(class_dict(cls))[0] is owner:
                return class_dict, (cls,)
    return MappingProxyType, (owner,)


@constructor
def class_dict(cls: type) -> Any:
    return type.__dict__["__dict__"].__get__(cls)


constructor(MappingProxyType)


@reduces("collections.OrderedDict", "collections.defaultdict")
def _reduce_dict_in_c(obj: Any, dumper: Dumper) -> Any:
    cls = type(obj)
    take_items(cls, obj, dumper)
    attributes = getattr(obj, "__dict__", None)
    if attributes:
        dumper.later(fill_attributes, obj, [part for item in attributes.items() for part in item])
    return cls, (obj.default_factory,) if hasattr(obj, "default_factory") else ()


@constructor
def fill_attributes(obj: Any, items: list[Any]) -> None:
    parts = iter(items)
    obj.__dict__.update(zip(parts, parts, strict=True))


def quietly(call: Any, *arguments: Any) -> Any:
    """Call something that warns; the program's filters, and their version, are as before when it returns."""
    module = sys.modules.get("warnings")
    filters = getattr(module, "filters", _warnings.filters)
    filters.insert(0, ("ignore", None, Warning, None, 0))
    try:
        return call(*arguments)
    finally:
        del filters[0]


def filters_mutated() -> None:
    """Have the interpreter count a change of the warnings' filters."""
    if VERSION < (3, 14):
        _warnings._filters_mutated()  # type: ignore[attr-defined]
        return
    _warnings._acquire_lock()  # type: ignore[attr-defined]
    try:
        _warnings._filters_mutated_lock_held()  # type: ignore[attr-defined]
    finally:
        _warnings._release_lock()  # type: ignore[attr-defined]

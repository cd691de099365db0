# pyright: basic
# (objects of any type, and modules without stubs)
"""What the built-in solid bases hold, and how to take it out and put it back without the subclass noticing.

Each `Content` reads with the base's own C function (`list.__getitem__`, never `obj[...]`), so that overridden methods
are not called. Immutable content goes into the shell; mutable content is filled later (`Dumper.later`).
"""

from __future__ import annotations

from _weakref import ReferenceType
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .containers import fill_set_later, keys_ready
from .registry import constructor
from .words import set_finger, solid_base

if TYPE_CHECKING:
    from .dumper import Dumper

_ALL = slice(None)


class Content:
    """`take` gives (constructor, args) and asks for later fills. Keyed by solid base (or its name) in `CONTENTS`."""

    __slots__ = ("take",)

    def __init__(self, take: Callable[[Any, type, Dumper], Any]) -> None:
        self.take = take


CONTENTS: dict[type | str, Content] = {}


def content_of(base: type | str) -> Callable[[Any], Any]:
    def enter(take: Any) -> Any:
        CONTENTS[base] = Content(take)
        return take

    return enter


def _whole(base: type, read: Callable[[Any], Any]) -> None:
    """An immutable base: the content is an argument of `base.__new__`."""

    def take(obj: Any, cls: type, dumper: Dumper) -> Any:
        return new_from, (base, cls, read(obj))

    CONTENTS[base] = Content(take)


@constructor
def new_from(base: Any, cls: type, *content: Any) -> Any:
    return base.__new__(cls, *content)


@constructor
def new_initialized(base: Any, cls: type, *arguments: Any) -> Any:
    """What calling `base` would give, but of a subclass, which is not asked."""
    made = base.__new__(cls, *arguments)
    base.__init__(made, *arguments)
    return made


_whole(int, int.__index__)
_whole(float, float.__pos__)
_whole(complex, complex.__pos__)
_whole(str, str.__str__)
_whole(bytes, lambda obj: bytes.__getitem__(obj, _ALL))
_whole(tuple, lambda obj: tuple.__getitem__(obj, _ALL))


@content_of(frozenset)
def _frozenset(obj: Any, cls: type, dumper: Dumper) -> Any:
    plain = frozenset.copy(obj)
    dumper.keep.append(plain)
    return new_from, (frozenset, cls, plain)


@content_of(list)
def _list(obj: Any, cls: type, dumper: Dumper) -> Any:
    content = list.__getitem__(obj, _ALL)
    if content:
        dumper.later(fill_list, obj, content)
    return new_from, (list, cls)


@content_of(bytearray)
def _bytearray(obj: Any, cls: type, dumper: Dumper) -> Any:
    return new_bytearray, (cls, bytes(bytearray.__getitem__(obj, _ALL)))


@constructor
def new_bytearray(cls: type, content: bytes) -> bytearray:
    made = bytearray.__new__(cls)
    bytearray.extend(made, content)
    return made


@content_of(dict)
def _dict(obj: Any, cls: type, dumper: Dumper) -> Any:
    take_items(dict, obj, dumper)
    return new_from, (dict, cls)


def take_items(base: Any, obj: Any, dumper: Dumper) -> None:
    """Have the items of a dict (of whatever class, read through `base`) filled in when its keys can be hashed."""
    keys = list(base.keys(obj))
    if keys:
        content = [part for item in base.items(obj) for part in item]
        level = 0 if keys_ready(dumper, keys) else 1
        dumper.later(fill_items if base is dict else fill_through, obj, [base, content], level)


@content_of(set)
def _set(obj: Any, cls: type, dumper: Dumper) -> Any:
    elements = list(set.__iter__(obj))
    if elements or set_finger(obj):
        fill_set_later(dumper, obj, elements, 0 if keys_ready(dumper, elements) else 1)
    return new_from, (set, cls)


@constructor
def fill_list(obj: Any, content: list[Any]) -> None:
    list.extend(obj, content)


@constructor
def fill_bytearray(obj: Any, content: bytes) -> None:
    bytearray.extend(obj, content)


@constructor
def fill_items(obj: Any, state: list[Any]) -> None:
    parts = iter(state[1])
    dict.clear(obj)
    dict.update(obj, zip(parts, parts, strict=True))


@constructor
def fill_through(obj: Any, state: list[Any]) -> None:
    """Through the base's own item assignment: an OrderedDict keeps its order in a second structure."""
    base, content = state
    parts = iter(content)
    base.clear(obj)
    for key, value in zip(parts, parts, strict=True):
        base.__setitem__(obj, key, value)


# Bases that extension modules make: known by name, see `registry`


@content_of("collections.OrderedDict")
def _ordered(obj: Any, cls: type, dumper: Dumper) -> Any:
    base = solid_base(cls)
    take_items(base, obj, dumper)
    return new_from, (base, cls)


@content_of("collections.defaultdict")
def _defaulting(obj: Any, cls: type, dumper: Dumper) -> Any:
    base: Any = solid_base(cls)
    take_items(base, obj, dumper)
    dumper.later(fill_init, obj, (base, base.default_factory.__get__(obj)))
    return new_from, (base, cls)


@content_of("collections.deque")
def _deque(obj: Any, cls: type, dumper: Dumper) -> Any:
    base: Any = solid_base(cls)
    dumper.later(fill_init, obj, (base, list(base.__iter__(obj)), base.maxlen.__get__(obj)))
    return new_from, (base, cls)


@constructor
def fill_init(obj: Any, state: tuple[Any, ...]) -> None:
    state[0].__init__(obj, *state[1:])


@content_of("_random.Random")
def _random(obj: Any, cls: type, dumper: Dumper) -> Any:
    base: Any = solid_base(cls)
    dumper.later(fill_random, obj, (base, base.getstate(obj)))
    return new_from, (base, cls)


@constructor
def fill_random(obj: Any, state: tuple[Any, Any]) -> None:
    state[0].setstate(obj, state[1])


@content_of(ReferenceType)
def _reference(obj: Any, cls: type, dumper: Dumper) -> Any:
    return new_reference, (cls, ReferenceType.__call__(obj), obj.__callback__)


@constructor
def new_reference(cls: Any, target: Any, callback: Any) -> Any:
    if target is None:
        target = Gone()  # a dead reference: to something that goes at once
        callback = None
    return ReferenceType.__new__(cls, target, callback)


class Gone:
    """Something to have referred to."""

    __slots__ = ("__weakref__",)


@content_of(ModuleType)
def _module(obj: Any, cls: type, dumper: Dumper) -> Any:
    return new_from, (ModuleType, cls)


@content_of(property)
def _property(obj: Any, cls: type, dumper: Dumper) -> Any:
    parts = tuple(getattr(property, name).__get__(obj) for name in ("fget", "fset", "fdel", "__doc__"))
    dumper.later(fill_init, obj, (property, *parts))
    return new_from, (property, cls)


@content_of(classmethod)
@content_of(staticmethod)
def _decorated(obj: Any, cls: type, dumper: Dumper) -> Any:
    base: Any = solid_base(cls)
    return new_decorated, (base, cls, obj.__func__)


@constructor
def new_decorated(base: Any, cls: type, function: Any) -> Any:
    made = base.__new__(cls)
    base.__init__(made, function)
    return made

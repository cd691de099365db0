# pyright: basic
# (objects of any type; types that older interpreters do not have)
"""Built-in types that only newer versions have: template strings (3.14), `frozendict` and `sentinel` (3.15).

A frozendict cannot be a shell, like a frozenset, so it is made in one go from its keys and values; keys that cannot be
hashed yet answer with the hash they had while it is made (`stubs`). Stated limit: their `__hash__` is called at the
source, and a frozendict that holds itself through nothing but lists and dicts is refused as too deep.
"""

from __future__ import annotations

import builtins
from typing import Any

from sojourn.frames.analyze import VERSION

from .classes import HIDDEN, KNOWN
from .containers import keys_ready, note_hashes
from .dumper import Dumper
from .registry import constructor, reduces
from .stubs import hashed_as

_frozendict: Any = getattr(builtins, "frozendict", None)
_sentinel: Any = getattr(builtins, "sentinel", None)


@constructor
def new_frozendict(parts: list[Any], unready: list[Any]) -> Any:
    items = iter(parts)
    with hashed_as(unready):
        return _frozendict(zip(items, items, strict=True))


def reduce_frozendict(obj: Any, dumper: Dumper) -> Any:
    unready: list[Any] = []
    if not keys_ready(dumper, obj):
        note_hashes(dumper, obj, map(hash, obj), unready)
    return new_frozendict, ([part for item in obj.items() for part in item], unready)


@constructor
def new_sentinel(name: str, shown: str, module: Any) -> Any:
    made = _sentinel(name, repr=shown)
    made.__module__ = module
    return made


def reduce_sentinel(obj: Any, dumper: Dumper) -> Any:
    if dumper.library.finds(obj, obj.__name__):
        return obj.__name__
    return new_sentinel, (obj.__name__, repr(obj), obj.__module__)


@constructor
def new_interpolation(*parts: Any) -> Any:
    return HIDDEN["interpolation"](*parts)


def reduce_interpolation(obj: Any, dumper: Dumper) -> Any:
    return new_interpolation, (obj.value, obj.expression, obj.conversion, obj.format_spec)


@constructor
def new_template(parts: list[Any]) -> Any:
    return HIDDEN["template"](*parts)


def reduce_template(obj: Any, dumper: Dumper) -> Any:
    return new_template, (list(obj),)


if VERSION >= (3, 14):
    # Written as code, since older versions could not read it, and the module that shows the types is not imported.
    _template = eval('t"{0}"')
    for _name, _type in (("template", type(_template)), ("interpolation", type(_template.interpolations[0]))):
        HIDDEN[_name] = _type
        KNOWN[_type] = _name
    reduces(HIDDEN["template"])(reduce_template)
    reduces(HIDDEN["interpolation"])(reduce_interpolation)
if VERSION >= (3, 15):
    reduces(_frozendict)(reduce_frozendict)
    reduces(_sentinel)(reduce_sentinel)

# pyright: basic
# (objects of any type; types that older interpreters do not have)
"""Built-in types that only newer versions have: template strings (3.14); `frozendict`, `sentinel`, lazy imports (3.15).

A frozendict cannot be a shell, like a frozenset, so it is made in one go from its keys and values; keys that cannot be
hashed yet answer with the hash they had while it is made (`stubs`). Stated limit: their `__hash__` is called at the
source, and a frozendict that holds itself through nothing but lists and dicts is refused as too deep.

A lazy import that has not been used is no module yet, and is not made one by a move: its statement is carried out anew.
Should the module not be found when it is used, the traceback names the statement's file, and line 1.
"""

from __future__ import annotations

import builtins
from gc import get_referents
from types import CodeType
from typing import Any

from sojourn.frames.analyze import VERSION

from .classes import HIDDEN, KNOWN
from .containers import keys_ready, note_hashes
from .contents import content_of
from .dumper import Dumper, Refuse
from .registry import constructor, reduces
from .stubs import hashed_as

_frozendict: Any = getattr(builtins, "frozendict", None)
_sentinel: Any = getattr(builtins, "sentinel", None)


@constructor
def new_frozendict(parts: list[Any], unready: list[Any]) -> Any:
    return new_frozendict_of(_frozendict, parts, unready)


@constructor
def new_frozendict_of(cls: type, parts: list[Any], unready: list[Any]) -> Any:
    items = iter(parts)
    with hashed_as(unready):
        return _frozendict.__new__(cls, zip(items, items, strict=True))


def reduce_frozendict(obj: Any, dumper: Dumper) -> Any:
    return new_frozendict, _items(obj, dumper)


def take_frozendict(obj: Any, cls: type, dumper: Dumper) -> Any:
    return new_frozendict_of, (cls, *_items(obj, dumper))


def _items(obj: Any, dumper: Dumper) -> tuple[list[Any], list[Any]]:
    """Keys and values, and [key, hash, …] of the keys that cannot be hashed yet."""
    keys, unready = list(_frozendict.keys(obj)), list[Any]()
    if not keys_ready(dumper, keys):
        note_hashes(dumper, keys, map(hash, keys), unready)
    return [part for item in _frozendict.items(obj) for part in item], unready


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


@constructor
def lazy_import(statement: str, name: str, file: str) -> Any:
    """What a lazy import statement binds its name to. No code of the program reads it: that would be its use."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(statement, file, "exec", dont_inherit=True), namespace)
    return dict.__getitem__(namespace, name)


def reduce_lazy_import(lazy: Any, dumper: Dumper) -> Any:
    origin, words, code = _parts_of(lazy)
    name = words[-1]
    if origin is None:  # `import a.b`, which binds a
        statement, name = f"lazy import {name}", name.partition(".")[0]
    else:
        _, theirs, _ = _parts_of(origin)
        module = theirs[0]
        if theirs[1:] or not module.endswith(f".{name}"):
            statement = f"lazy from {module} import {name}"
        else:
            statement = f"lazy import {module} as {name}"
    if not all(part.isidentifier() for word in (*words, *statement.split()[2:3]) for part in word.split(".")):
        raise Refuse(lazy, "a lazy import that no statement has made", "use it before a move")
    return lazy_import, (statement, name, getattr(code, "co_filename", "<lazy import>"))


def _parts_of(lazy: Any) -> tuple[Any, list[str], Any]:
    """Of what lazy import it is a part, if it is; its names, those of a `from` last; the code that it stands in."""
    held = get_referents(lazy)
    origin = next((each for each in held if type(each) is type(lazy)), None)
    words: list[str] = [each for each in held if type(each) is str]
    words += [word for each in held if type(each) is tuple for word in each]
    return origin, words, next((each for each in held if type(each) is CodeType), None)


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
    content_of(_frozendict)(take_frozendict)
    reduces(_sentinel)(reduce_sentinel)
    reduces("builtins.lazy_import")(reduce_lazy_import)

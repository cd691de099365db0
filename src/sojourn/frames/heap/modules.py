# pyright: basic
# (objects of any type, and modules without stubs)
"""Modules: those of the library are named, those of the program travel with code and state.

A module of the program is a shell in the loader's `sys.modules` from the first mention of it or of its dict (functions
refer to the dict). Its contents come later, key by key and in order, the keys interned as the compiler interns them.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .dumper import Dumper, Refuse
from .library import module_dict as _module_dict
from .registry import BY_TYPE, constructor, reduces
from .words import python_made


@reduces(ModuleType)
def _reduce_module(module: ModuleType, dumper: Dumper) -> Any:
    name = dumper.library.name_of_module(module)
    if name is not None and type(module) is ModuleType:
        theirs = name in dumper.library.library
        if not theirs:
            dumper.later_module(name, module)
        return module_named, (name, theirs)
    if name is not None and name in dumper.library.library:
        return module_named, (name, True)
    if type(module) is not ModuleType and not python_made(type(module)):
        raise Refuse(module, "a module of a type made in C")
    dumper.later(fill_loose, module, _items(module, frozenset()))
    return ModuleType, (str(_module_dict(module).get("__name__")),)


BY_TYPE[ModuleType].family = True  # type: ignore[attr-defined]

_OF_THE_PLACE = frozenset(("__builtins__",))


def _items(module: ModuleType, skipped: frozenset[str]) -> list[Any]:
    return [part for item in _module_dict(module).items() if item[0] not in skipped for part in item]


def _write_module(self: Dumper, name: str, module: ModuleType) -> None:
    cls = None if type(module) is ModuleType else type(module)
    self.later(fill_module, name, [cls, _items(module, _OF_THE_PLACE)])


Dumper.write_module = _write_module  # type: ignore[method-assign]


@constructor
def module_named(name: str, theirs: bool) -> ModuleType:
    """The module of that name; one of the program is made on first mention."""
    if theirs:
        __import__(name)
        return sys.modules[name]
    module = _made.get(name)
    if module is None:
        module = _made[name] = ModuleType(name)
        _module_dict(module)["__builtins__"] = __builtins__ if name != "__main__" else sys.modules["builtins"]
        sys.modules[name] = module
    return module


_made: dict[str, ModuleType] = {}


def forget_made() -> dict[str, ModuleType]:
    """Hand over the modules that a load has made."""
    made = dict(_made)
    _made.clear()
    return made


@constructor
def fill_module(name: str, state: list[Any]) -> None:
    cls, items = state
    module = module_named(name, False)
    if cls is not None:
        module.__class__ = cls
    _fill(module, items)


@constructor
def fill_loose(module: ModuleType, items: list[Any]) -> None:
    _fill(module, items)


def _fill(module: ModuleType, items: list[Any]) -> None:
    attributes = _module_dict(module)
    builtins = attributes.get("__builtins__")
    attributes.clear()
    parts = iter(items)
    for key, value in zip(parts, parts, strict=True):
        attributes[sys.intern(key) if type(key) is str else key] = value
    if builtins is not None:
        attributes["__builtins__"] = builtins


constructor(ModuleType)

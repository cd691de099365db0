"""Keeping out of the program's sight: after `hide`, `sys.modules` shows what plain `python` would have.

Whatever we imported stays alive through our own references and becomes a private copy; the program's own
import of the same library gives it a fresh one, which it may patch without reaching us.

One exception: `copyreg` stays. The C pickler keeps a reference to its tables, and a second copy of the
module would leave the program registering in tables that its pickler does not read. What our copies
registered there goes.

Our objects are kept from the garbage collector too (`freeze`): it would visit them, and copy their pages, in
every host.
"""
# pyright: basic
# (ctypes)

from __future__ import annotations

import _abc  # pyright: ignore[reportMissingImports]
import builtins
import copyreg
import ctypes
import gc
import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

_REAL = (sys, builtins)
STAY = frozenset({"copyreg"})


def hide(modules: Mapping[str, dict[str, Any]], importers: set[str]) -> None:
    """Brings the interpreter back to where it was: these modules, with these attributes, and these path importers."""
    ours = [module for name, module in sys.modules.items() if name.partition(".")[0] == "sojourn"]
    for name in [name for name in sys.modules if name not in modules and name not in STAY]:
        del sys.modules[name]
    for name, attributes in modules.items():
        # Importing a library leaves its marks on others (importlib's does). `typing.io` is no module, but a class.
        if name not in ("sys", "__main__") and issubclass(type(sys.modules[name]), ModuleType):
            now = sys.modules[name].__dict__
            if type(now) is not dict:  # a class that stands for a module, as typing.io does
                continue
            for key in [key for key in now if key not in attributes]:
                del now[key]
            now.update(attributes)
    for path in [path for path in sys.path_importer_cache if path not in importers]:
        del sys.path_importer_cache[path]
    registered = copyreg.dispatch_table
    for kind in [kind for kind, function in registered.items() if function.__module__ != copyreg.__name__]:
        del registered[kind]
    hold_library(ours)


def forget_registrations(registered: Mapping[Any, list[type | None]]) -> None:
    """Takes our copies' classes out of the abstract classes that the program shares with us.

    Else there would be two `collections.deque` registered there, ours and the program's.
    """
    for abstract in registered:
        _abc._reset_registry(abstract)
        _abc._reset_caches(abstract)
    # The wider class first: it does not take what is in a narrower one already.
    for abstract, classes in sorted(registered.items(), key=lambda item: len(item[0].__mro__)):
        for each in classes:
            if each is not None:
                _abc._abc_register(abstract, each)


def hold_library(ours: Iterable[ModuleType]) -> None:
    """Gives our modules copies of the library's modules that the program shares with us (`os`, `time`, `_signal`).

    A program, or a library like freezegun, may replace what is in the real ones. `sys` and `builtins` stay the real
    ones: their attributes are what we are there to read and to set.
    """
    copies: dict[int, ModuleType] = {}
    for module in ours:
        for name, value in list(module.__dict__.items()):
            if (
                issubclass(type(value), ModuleType)
                and value not in _REAL
                and sys.modules.get(value.__name__) is value
            ):
                copy = copies.get(id(value))
                if copy is None:
                    copy = copies[id(value)] = ModuleType(value.__name__)
                    copy.__dict__.update(value.__dict__)
                setattr(module, name, copy)


def freeze() -> None:
    """Takes everything out of the collector's sight, except the modules that the program sees.
     At the end of the program it is the collector that finds what hangs on their dictionaries (`__main__`'s above
    all) and runs its finalizers. Untracked and tracked again they are of the youngest generation.
    """
    gc.collect()
    gc.freeze()
    for module in sys.modules.values():
        for thing in (module, module.__dict__):
            if gc.is_tracked(thing):
                ctypes.pythonapi.PyObject_GC_UnTrack(ctypes.py_object(thing))
                ctypes.pythonapi.PyObject_GC_Track(ctypes.py_object(thing))

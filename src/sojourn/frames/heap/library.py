# pyright: basic
# (objects of any type, and modules without stubs)
"""Whose is it? What belongs to the library is named, what belongs to the program is carried.

Concepts. *Library*: every module that the environment gives (built in, frozen, standard library, site-packages). The
rest is the program's: `__main__`, its own modules and packages, modules made at run time. A class or function of the
library goes by module and qualified name if looking these up gives the same object; everything else goes by value.

`Library` is made anew for each dump, because a program may import, and patch `sys.modules`, at any time.

Guarantee: looking things up calls no program code (module-level `__getattr__` and lazy modules are passed by).
"""

from __future__ import annotations

import sys
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from .registry import is_class, is_module
from .words import python_made

module_dict: Any = vars(ModuleType)["__dict__"].__get__
_type_dict = type.__dict__["__dict__"].__get__
_builtin_names = frozenset(sys.builtin_module_names)
_BUILT_IN = ("built-in", "frozen")
_OURS = __name__.partition(".")[0]


def library_folders() -> tuple[str, ...]:
    """Where this interpreter's library lies: its standard library and what is installed for it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found: list[str] = []
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix):
        for folder in (
            f"{prefix}/{sys.platlibdir}/{version}/",
            f"{prefix}/lib/{version}/",
            f"{prefix}/lib/python3/",
        ):
            if folder not in found:
                found.append(folder)
    found += [
        path.rstrip("/") + "/" for path in sys.path if path.endswith(("site-packages", "dist-packages"))
    ]
    return tuple(found)


def is_library(name: str, module: Any, folders: tuple[str, ...]) -> bool:
    """Does this module belong to the environment, not to the program?"""
    if name == "__main__" or not is_module(module):
        return name != "__main__"
    if name.partition(".")[0] == _OURS:
        return True
    attributes = module_dict(module)
    file = attributes.get("__file__")
    if issubclass(type(file), str):
        return file.startswith(folders)
    if name in _builtin_names or getattr(attributes.get("__spec__"), "origin", None) in _BUILT_IN:
        return True
    path = attributes.get("__path__")
    if path is not None:  # a namespace package: where are its parts?
        parts = getattr(path, "_path", path)
        return all(issubclass(type(part), str) and part.startswith(folders) for part in parts)
    parent, _, _ = name.partition(".")  # made at run time: by a package of the library, or by the program?
    if parent != name and parent in sys.modules:
        return is_library(parent, sys.modules[parent], folders)
    return attributes.get("__spec__") is not None


class Library:
    """What the dump needs to know of modules. `pristine` are names that a baseline vouches for as library."""

    def __init__(self, pristine: frozenset[str] = frozenset()) -> None:
        self.folders = library_folders()
        self.pristine = pristine
        self.modules: dict[str, ModuleType] = {}  # of the program
        self.library: dict[str, ModuleType] = {}
        self.dicts: dict[int, str] = {}  # id of a module's dict -> its name, program and library
        for name, module in list(sys.modules.items()):
            if not is_module(module) or not issubclass(type(name), str):
                continue
            theirs = name in pristine or is_library(name, module, self.folders)
            (self.library if theirs else self.modules)[name] = module
            self.dicts.setdefault(id(module_dict(module)), name)
        self.names = {id(module): name for name, module in reversed(sys.modules.items())}
        copyreg = sys.modules.get("copyreg")
        self.reductions: dict[type, Any] = getattr(copyreg, "dispatch_table", {})

    def name_of_module(self, module: ModuleType) -> str | None:
        """The name under which `sys.modules` has it."""
        return self.names.get(id(module))

    def find(self, module: str | None, qualname: str) -> Any:
        """What a module of the library has under a qualified name; None if there is nothing."""
        found: Any = self.library.get(module) if isinstance(module, str) else None
        for part in qualname.split("."):
            if is_module(found):
                found = module_dict(found).get(part)
            elif issubclass(type(found), type):
                found = _type_dict(found).get(part)
                if issubclass(type(found), staticmethod | classmethod):
                    found = found.__func__
            else:
                return None
        return found

    def place_of(self, obj: Any) -> tuple[str, str] | None:
        """Module and name under which the library shows something that is called otherwise (`_thread.LockType`)."""
        for module, each in self.library.items():
            for name, value in module_dict(each).items():
                if value is obj:
                    return module, name
        return None

    def finds(self, obj: Any, qualname: str) -> bool:
        """Would `__reduce__`'s answer "it is called so" be right?"""
        module = getattr(obj, "__module__", None)
        return self.find(module, qualname) is obj or any(
            module_dict(each).get(qualname) is obj for each in self.library.values()
        )

    def named(self, obj: Any) -> tuple[str, str] | None:
        """Module and qualified name of a class or function of the library, if they lead back to it."""
        if is_class(obj):
            module, qualname = type_module(obj), type.__dict__["__qualname__"].__get__(obj)
        elif issubclass(type(obj), FunctionType | BuiltinFunctionType):
            module, qualname = obj.__module__, obj.__qualname__
        else:
            return None
        if issubclass(type(module), str) and self.find(module, qualname) is obj:
            return module, qualname
        return None


def type_module(cls: type) -> Any:
    """`cls.__module__`, not asking a metaclass."""
    return type.__dict__["__module__"].__get__(cls)


def is_enum_member(obj: Any) -> str | None:
    """The name of an enum member, if it is one that its class knows by this name."""
    cls = type(obj)
    if not python_made(cls):
        return None
    members = _type_dict(cls).get("_member_map_")
    if type(members) is not dict:
        return None
    for name, member in members.items():
        if member is obj:
            return name
    return None

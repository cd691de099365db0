# pyright: basic
# (frames and hooks of the interpreter have few static types)
"""Attributes that came down to Python: properties, descriptors, `__getattr__` and its kin, and modules' `__getattr__`.

Theory. Reading an attribute asks `__getattribute__`, a descriptor's `__get__` or a property's function; if what it
asks raises AttributeError and the class has `__getattr__`, that is asked next (`course.Access`). Writing and deleting
ask one function and drop what it gives. `getattr`, `hasattr` and `setattr` are the same behind a call.

Guarantee: as for `operators`: the inner frame must be the very function that this access comes down to.
"""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import Any

from .analyze import VERSION, Instruction
from .layout import GONE, NULL
from .lookup import find, is_a
from .sites import Continuation, Site, code_behind

_READS = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"})
# Instructions, and how many operands they take.
ATTRIBUTES = {"LOAD_ATTR": 1, "LOAD_METHOD": 1, "LOAD_SUPER_ATTR": 3, "STORE_ATTR": 2, "DELETE_ATTR": 1}
_HOOKS = {
    "get": frozenset({"__getattribute__", "__getattr__"}),
    "set": frozenset({"__setattr__"}),
    "delete": frozenset({"__delattr__"}),
}


def through_attribute(site: Site) -> Continuation:
    instruction = site.instruction
    name = site.facts.code.co_names[_name_index(instruction)]
    reads = instruction.name in _READS
    what = "get" if reads else "set" if instruction.name == "STORE_ATTR" else "delete"
    continuation = Continuation(len(site.kinds) - ATTRIBUTES[instruction.name])
    owner = _owner(site)
    if instruction.name == "LOAD_SUPER_ATTR":
        found = any(_is_asked(site, owner, vars(base).get(name), what) for base in type.mro(type(owner)))
    else:
        found = comes_down(site, owner, name, what)
        if found and reads:
            continuation.course = fallback(site, owner, name, [])
    if not found:
        raise site.pin(f"held by {instruction.name}", site.inner_view.function)
    if not reads:
        continuation.after = "drop"
    elif _loads_method(instruction):
        # The pair for a call: [NULL, callable] up to 3.12, [callable, NULL] from then on.
        if VERSION < (3, 13):
            continuation.pre = [NULL]
        else:
            continuation.after = "null"
    return continuation


def _owner(site: Site) -> Any:
    """The object whose attribute it is, or Pin: if it is not alive the inner frame is no access, but a finalizer."""
    site.live.expect(*map(site.argument, range(3)))
    owner = site.operand(len(site.kinds) - 1)
    if owner is GONE:
        raise site.pin(f"held by {site.instruction.name}", site.inner_view.function)
    return owner


def _name_index(instruction: Instruction) -> int:
    match instruction.name:
        case "LOAD_ATTR" if VERSION >= (3, 12):
            return instruction.arg >> 1
        case "LOAD_SUPER_ATTR":
            return instruction.arg >> 2
        case _:
            return instruction.arg


def _loads_method(instruction: Instruction) -> bool:
    if instruction.name == "LOAD_METHOD":
        return True
    return instruction.name != "STORE_ATTR" and VERSION >= (3, 12) and bool(instruction.arg & 1)


def comes_down(site: Site, owner: Any, name: str, what: str) -> bool:
    """Is the inner frame what reading, writing or deleting this attribute of `owner` comes down to?"""
    kind = type(owner)
    if site.inner_code.co_name in _HOOKS[what] and site.inner_self is owner:
        return code_behind(find(kind, site.inner_code.co_name)) is site.inner_code
    if what == "get" and is_a(owner, ModuleType):
        hook = vars(owner).get("__getattr__")
        if hook is not None and code_behind(hook) is site.inner_code:
            return True
    if _is_asked(site, owner, find(kind, name), what):
        return True
    return what == "get" and is_a(owner, type) and _is_asked(site, owner, find(owner, name), what)


def _is_asked(site: Site, owner: Any, found: Any, what: str) -> bool:
    """Is the inner frame the function of this property, or this descriptor's method, working for `owner`?"""
    if is_a(found, property):
        function = {"get": found.fget, "set": found.fset, "delete": found.fdel}[what]
        return site.inner_self is owner and code_behind(function) is site.inner_code
    if found is None or found is not site.inner_self or site.inner_code.co_name != f"__{what}__":
        return False
    instance = site.argument(1)
    return instance is owner or (instance is None and site.argument(2) is owner)


def fallback(site: Site, owner: Any, name: str, default: list[Any], *, tells: bool = False) -> list[Any] | None:
    """The course of a reading access, if AttributeError may have one."""
    ask = find(type(owner), "__getattr__")
    if ask is not None and site.inner_code is code_behind(ask):
        ask = None  # it is what is asked
    if ask is not None and type(ask) is not FunctionType:
        raise site.pin("held by the __getattr__ of", type(owner))
    if ask is None and not default and not tells:
        return None
    return ["access", owner, name, ask, default, tells]


# ---- the same behind a call ------------------------------------------------------------------------------------------


# Found by address, see `calls`. Those of `object` ask no `__getattr__`.
ACCESSES: dict[int, str] = {
    id(builtin): what
    for builtin, what in (
        (getattr, "get"),
        (hasattr, "get"),
        (setattr, "set"),
        (delattr, "delete"),
        (object.__getattribute__, "get"),
        (object.__setattr__, "set"),
        (object.__delattr__, "delete"),
    )
}


def through_builtin(site: Site, callable: Any, arguments: tuple[Any, ...]) -> list[Any] | None:
    """The course of one of these, called with these arguments."""
    what = ACCESSES[id(callable)]
    owner, name = arguments[:2]
    if type(name) is not str or not comes_down(site, owner, name, what):
        raise site.pin("held by", callable)
    if callable is hasattr:
        return fallback(site, owner, name, [False], tells=True)
    return fallback(site, owner, name, list(arguments[2:])) if callable is getattr else None

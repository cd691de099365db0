# pyright: basic
# (classes of any type)
"""What a class has and is called, without asking the class, its metaclass or an instance: no code of theirs runs."""

from __future__ import annotations

from typing import Any

_mro = type.__dict__["__mro__"].__get__
_names = type.__dict__["__dict__"].__get__
_module = type.__dict__["__module__"].__get__
_qualname = type.__dict__["__qualname__"].__get__


def find(kind: type, name: str) -> Any:
    """An attribute of a class, unbound, without calling any code."""
    return next((_names(base)[name] for base in _mro(kind) if name in _names(base)), None)


def is_a(value: Any, kind: type) -> bool:
    """`isinstance`, without asking the object or its class."""
    return any(base is kind for base in _mro(type(value)))


def type_name(kind: type) -> str:
    """ "module.qualname" of a class, without asking its metaclass."""
    return ".".join(filter(None, names_of(kind)))


def names_of(kind: type) -> list[str]:
    """Module and qualified name. The module may be anything; the class of Cython's functions has a descriptor there."""
    module = _module(kind)
    return [module if isinstance(module, str) else "", _qualname(kind)]

# pyright: basic
# (objects of any type, and modules without stubs)
"""Classes of the program, by value; classes of the library, by name.

Theory. A class is made by `type.__new__(metaclass, name, bases, namespace)` with the least possible namespace, so that
neither the metaclass's `__new__` and `__init__` nor `__set_name__` run again; its attributes are set later with
`type.__setattr__`. The one hook that `type.__new__` always calls, `__init_subclass__`, is shadowed on the first base
while the class is made (the method resolution order begins with it).

Enums, dataclasses, named tuples and abstract classes need nothing special: what their machinery made lies in the class
dict. The C half of an abstract class is made anew, and its registry is filled when everything is complete.
"""

from __future__ import annotations

import _abc  # pyright: ignore[reportMissingImports]
import sys
import types
from collections.abc import Callable
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

from .dumper import Dumper, Refuse
from .functions import library_attribute
from .library import type_module
from .registry import BY_TYPE, constructor, name_of, reduces
from .words import is_own, python_made

_names = type.__dict__["__dict__"].__get__
_mro = type.__dict__["__mro__"].__get__
_bases = type.__dict__["__bases__"].__get__
_qualname = type.__dict__["__qualname__"]
_flags = type.__dict__["__flags__"].__get__
_IMMUTABLE = 1 << 8
_set = type.__setattr__
_SINGLE = (type(None), type(...), type(NotImplemented))
_SETTABLE = frozenset(
    ("__doc__", "__module__", "__annotations__", "__abstractmethods__", "__type_params__", "__annotate__")
)


@reduces(type)
def _reduce_class(cls: Any, dumper: Dumper) -> Any:
    if any(cls is each for each in _SINGLE) or dumper.library.named(cls):
        return NotImplemented
    if not python_made(cls):
        known = KNOWN.get(cls)
        if known is not None:
            return type_of, (known,)
        place = dumper.library.place_of(cls)
        if place is not None:
            return library_attribute, place
        if name_of(cls) in SAMPLES:
            return type_of_sample, (name_of(cls),)
        raise Refuse(cls, "a type made in C that no module of the library has under its name")
    if type(cls) is not type and (not python_made(type(cls)) or name_of(type(cls)).startswith("_ctypes.")):
        return _by_c_metaclass(cls)
    names = _names(cls)
    slots: list[str] | None = [] if "__slots__" in names else None
    early: dict[str, Any] = {"__module__": names.get("__module__")}
    items: list[Any] = []
    shadowed = _shadowed(type(cls))
    abstract = False
    for name, thing in names.items():
        kind = type(thing)
        if kind is MemberDescriptorType and thing.__objclass__ is cls:
            (slots := slots if slots is not None else []).append(name)
        elif kind is GetSetDescriptorType and is_own(thing, cls):
            if slots is not None:
                slots.append(name)
        elif name == "_abc_impl":
            abstract = True
        elif name in shadowed and name not in _SETTABLE:
            early[name] = thing
        else:
            items += (name, thing)
    if slots is not None:
        early["__slots__"] = slots
    dumper.later(fill_class, cls, (_qualname.__get__(cls), items))
    if abstract:
        registered = [reference() for reference in _abc._get_dump(cls)[0]]
        registered = [each for each in registered if each is not None]
        if registered:
            dumper.later(fill_registry, cls, registered, 1)
    return make_class, (type(cls), type.__dict__["__name__"].__get__(cls), _bases(cls), early, abstract)


def _by_c_metaclass(cls: Any) -> Any:
    """Those of ctypes: what is pointed to, and arrays, say what they are made of; others are laid out in C."""
    kind = name_of(type(cls))
    if kind == "_ctypes.PyCPointerType" and hasattr(cls, "_type_"):
        return pointer_type, (cls._type_, type_module(cls))
    if kind == "_ctypes.PyCArrayType" and cls.__name__ == f"{cls._type_.__name__}_Array_{cls._length_}":
        return array_type, (cls._type_, cls._length_, type_module(cls))
    raise Refuse(
        cls,
        f"a class whose layout is in C, made by {kind}",
        "put it into a module of the environment (a package that the target has, too), or use struct",
    )


@constructor
def pointer_type(target: Any, module: Any) -> Any:
    return _of_module(__import__("ctypes").POINTER(target), module)


@constructor
def array_type(element: Any, length: int, module: Any) -> Any:
    return _of_module(element * length, module)


def _of_module(cls: Any, module: Any) -> Any:
    if type_module(cls) == __name__:  # it has just been made, here
        cls.__module__ = module
    return cls


BY_TYPE[type].family = True  # type: ignore[attr-defined]


def _shadowed(metaclass: type) -> frozenset[str]:
    """Names whose assignment on a class of this metaclass would go to a descriptor instead of the class dict."""
    return frozenset(
        name
        for base in _mro(metaclass)
        for name, thing in _names(base).items()
        if hasattr(type(thing), "__set__")
    )


@constructor
def make_class(
    metaclass: Any, name: str, bases: tuple[type, ...], early: dict[str, Any], abstract: bool
) -> Any:
    first = bases[0] if bases and not _flags(bases[0]) & _IMMUTABLE else None
    hidden = _names(first).get("__init_subclass__", _ABSENT) if first is not None else _ABSENT
    if first is not None:
        _set(first, "__init_subclass__", classmethod(_quiet))
    try:
        made = type.__new__(metaclass, name, bases, early)
    finally:
        if first is not None:
            if hidden is _ABSENT:
                type.__delattr__(first, "__init_subclass__")
            else:
                _set(first, "__init_subclass__", hidden)
    if abstract:
        _abc._abc_init(made)
        made.__abstractmethods__ = frozenset()  # what is abstract is filled in later, and instances are made before
    return made


_ABSENT = object()


def _quiet(cls: type) -> None:
    """Stands in for `__init_subclass__`, which has run already, where the class was first made."""


@constructor
def fill_class(cls: Any, state: tuple[str, list[Any]]) -> None:
    qualname, items = state
    _qualname.__set__(cls, qualname)
    parts = iter(items)
    for name, thing in zip(parts, parts, strict=True):
        _set(cls, name, thing)


@constructor
def fill_registry(cls: Any, registered: list[type]) -> None:
    for each in registered:
        _abc._abc_register(cls, each)


# Types made in C that no module shows under their own name

# Of extension modules: what makes one. (From 3.14 on a `with` keeps the type's `__exit__` at hand, and so the type.)
SAMPLES: dict[str, Callable[[], Any]] = {"decimal.ContextManager": lambda: __import__("_decimal").localcontext()}


@constructor
def type_of_sample(name: str) -> type:
    return type(SAMPLES[name]())


# Of the interpreter


def _hidden_types() -> dict[str, type]:
    empty: dict[Any, Any] = {}
    samples: dict[str, Any] = {
        "function": _hidden_types, "builtin": len, "method": {}.__class__.mro, "generator": (0 for _ in ()),
        "code": _hidden_types.__code__, "cell": _cell(), "module": _abc, "traceback": None,
        "mappingproxy": type.__dict__, "method-wrapper": object().__str__, "wrapper": object.__str__,
        "method descriptor": str.join, "class method descriptor": dict.__dict__["fromkeys"],
        "getset": type.__dict__["__dict__"], "member": FunctionSample.__dict__["slot"],
        "bound": FunctionSample().bound, "list iterator": iter([]), "list reversed": reversed([]),
        "tuple iterator": iter(()), "str iterator": iter(""), "wide str iterator": iter("\u0100"),
        "range iterator": iter(range(0)), "long range iterator": iter(range(1 << 70)),
        "set iterator": iter(set()), "bytes iterator": iter(b""),
        "bytearray iterator": iter(bytearray()), "keys": empty.keys(), "values": empty.values(), "items": empty.items(),
        "keys iterator": iter(empty), "values iterator": iter(empty.values()), "items iterator": iter(empty.items()),
        "reversed keys": reversed(empty), "reversed values": reversed(empty.values()),
        "reversed items": reversed(empty.items()), "callable iterator": iter(int, 0), "alias": list[int],
        "union": int | str, "sequence iterator": iter(FunctionSample()),
        "asyncgen hooks": sys.get_asyncgen_hooks(), **_asynchronous(),
    }  # fmt: skip
    public = {f"types.{name}": getattr(types, name) for name in types.__all__}
    found = {name: type(sample) for name, sample in samples.items()}
    return found | {
        name: cls for name, cls in public.items() if isinstance(cls, type) and cls not in found.values()
    }


def _asynchronous() -> dict[str, Any]:
    """What asynchronous generators and coroutines give; asyncio keeps the types that it has met."""

    async def generator() -> Any:
        yield

    async def coroutine() -> None:
        return

    steps: Any = generator()
    asend, athrow, waiting = steps.asend(None), steps.athrow(GeneratorExit()), coroutine()
    wrapper = waiting.__await__()
    for each in (asend, athrow, waiting):
        each.close()
    return {"asend": asend, "athrow": athrow, "coroutine wrapper": wrapper}


class FunctionSample:
    """Gives samples of types that have no other source."""

    __slots__ = ("slot",)

    def bound(self) -> None: ...

    def __getitem__(self, index: int) -> int:
        raise IndexError


def _cell() -> Any:
    local = None
    return (lambda: local).__closure__[0]  # type: ignore[index]


HIDDEN = _hidden_types()
KNOWN = {cls: name for name, cls in reversed(HIDDEN.items()) if cls not in _SINGLE}


@constructor
def type_of(name: str) -> type:
    return HIDDEN[name]


__all__ = ["type_module"]

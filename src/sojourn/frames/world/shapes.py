# pyright: basic
# (objects of any type, and modules without stubs)
"""What a module-level object looks like from outside: its kind, its name, and its edges.

Concepts. The pristine world is a graph. A *leaf* is a plain value (numbers, strings, code; tuples of leaves). Anything
else is an *object* with an identity. An object's *edges* lead from keys (attribute names, positions, dict keys) to
leaves and objects; `edges(kind, obj)` reads them. Kinds in `FIXED` cannot be changed (a tuple, a property, a bound
method), so they are compared when they are met; the others are *containers*, whose edges a program may change.

Keys must mean the same in two processes: a dict key that is a class or function is named by module and qualified name,
anything else that has no value of its own by its place among such keys.

Guarantee: no code of the program is called, and nothing is changed. Attributes are read through the descriptors of
`object` and `type`, dict and list contents through the base types.
"""

from __future__ import annotations

import _abc  # pyright: ignore[reportMissingImports]
from _weakref import ReferenceType
from collections.abc import Iterator
from gc import get_referents
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

from sojourn.frames.assemble import original_of
from sojourn.frames.heap.instances import Plan, plan_of
from sojourn.frames.heap.registry import is_class, is_module, name_of
from sojourn.frames.heap.tensors import generator_state
from sojourn.frames.heap.threads import times_held
from sojourn.frames.heap.words import is_own, python_made

type_dict = type.__dict__["__dict__"].__get__
module_dict: Any = vars(ModuleType)["__dict__"].__get__
_qualname = type.__dict__["__qualname__"].__get__
_module = type.__dict__["__module__"].__get__
_bases = type.__dict__["__bases__"].__get__
_flags = type.__dict__["__flags__"].__get__
_IMMUTABLE = 1 << 8

LEAVES = frozenset((int, float, complex, str, bytes, bool, type(None), type(...)))
FIXED = frozenset(
    ("tuple", "property", "method", "wrapped", "weakref", "proxy", "partial", "text", "builtin")
)
ABSENT: Any = type("Absent", (), {"__slots__": (), "__repr__": lambda self: "<absent>"})()
_NO_LEAF: Any = type("NoLeaf", (), {"__slots__": ()})()
_plans: dict[type, Plan] = {}
_SKIPPED_CLASS_KEYS = frozenset(("__dict__", "__weakref__", "__module__", "__qualname__", "__doc__"))


def leaf(value: Any) -> Any:
    """The value itself, in a form that compares and travels; `_NO_LEAF` (see `is_leaf`) if it is an object."""
    cls = type(value)
    if cls in LEAVES:
        return value
    if cls is tuple:
        parts = tuple(map(leaf, value))
        return _NO_LEAF if _NO_LEAF in parts else parts
    if cls is frozenset:
        if all(type(each) in LEAVES for each in value):
            return value
        return _NO_LEAF
    if cls is CodeType:
        code = original_of(value)
        file = "/".join(code.co_filename.rsplit("/", 2)[-2:])
        return ("code", code.co_qualname, code.co_firstlineno, file, len(code.co_code))
    if value is NotImplemented:
        return ("NotImplemented",)
    return _NO_LEAF


def is_leaf(token: Any) -> bool:
    return token is not _NO_LEAF


def is_text(key: Any, value: Any) -> bool:
    """A string that may be compared by identity (a sentinel), since the compiler does not intern it."""
    return type(value) is str and 0 < len(value) < 40 and not value.isidentifier() and key[:2] != "__"


def kind_of(value: Any) -> str:
    cls = type(value)
    known = _KINDS.get(cls)
    if known is not None:
        return known
    if is_class(value):
        return "class" if not _flags(value) & _IMMUTABLE else "type"
    if python_made(cls) or cls is object:
        plan = plan_of(cls, _plans)
        if plan.solid is object:
            return "instance"
        return _BASES.get(plan.solid) or _NAMED.get(name_of(plan.solid)) or "opaque"
    return _NAMED.get(name_of(cls)) or "opaque"


_KINDS: dict[type, str] = {
    ModuleType: "module", FunctionType: "function", CellType: "cell", dict: "dict", list: "list", set: "set",
    tuple: "tuple", frozenset: "tuple", property: "property", classmethod: "wrapped", staticmethod: "wrapped",
    MethodType: "method", MappingProxyType: "proxy", ReferenceType: "weakref", BuiltinFunctionType: "builtin",
    str: "text", bytearray: "bytearray",
}  # fmt: skip
_BASES: dict[type, str] = {dict: "dict", list: "list", set: "set", ModuleType: "module", property: "property",
                           classmethod: "wrapped", staticmethod: "wrapped", ReferenceType: "weakref",
                           int: "instance", str: "instance", float: "instance", tuple: "instance",
                           BaseException: "instance", frozenset: "instance"}  # fmt: skip
_NAMED = {
    "collections.OrderedDict": "dict", "collections.defaultdict": "dict", "collections.deque": "list",
    "functools.partial": "partial", "_random.Random": "random", "numpy.random.mtrand.RandomState": "numpy",
    "torch._C.Generator": "torch",
    "functools._lru_cache_wrapper": "cache", "_thread.lock": "lock", "_thread.RLock": "lock",
}  # fmt: skip


def label(value: Any) -> tuple[Any, ...]:
    """What must agree for two objects to be the same one in two worlds."""
    if is_class(value):
        return ("class", _text(_module(value)), _qualname(value))
    if is_module(value):
        return ("module", _text(module_dict(value).get("__name__")))
    if issubclass(type(value), FunctionType):
        code = value.__code__
        return ("function", _text(value.__module__), value.__qualname__, code.co_name, code.co_argcount)
    if issubclass(type(value), BuiltinFunctionType):
        return ("builtin", _text(value.__module__), value.__qualname__)
    if type(value) is str:
        return ("text", value)
    return (name_of(type(value)),)


def _text(value: Any) -> Any:
    return value if type(value) in LEAVES else None


def key_tokens(keys: Any) -> Iterator[Any]:
    """A key in the walk's terms for each key of a dict (or element of a set)."""
    others = 0
    for key in keys:
        if type(key) in LEAVES:
            yield key
            continue
        token = leaf(key)
        if is_leaf(token):
            yield token
        elif issubclass(type(key), type | FunctionType | BuiltinFunctionType | ModuleType):
            yield ("#", *label(key))
        elif issubclass(type(key), ReferenceType):
            target = ReferenceType.__call__(key)
            yield ("&", *label(target))
        else:
            yield ("@", others)
            others += 1


# Edges, by kind


def edges(kind: str, obj: Any) -> dict[Any, Any]:
    """Key -> value. Keys that are no plain attribute names are tuples that begin with ':' and a word."""
    return _READERS[kind](obj)


def _attributes(obj: Any) -> dict[Any, Any]:
    plan = plan_of(type(obj), _plans)
    found: dict[Any, Any] = {}
    if plan.attributes is not None:
        found.update(plan.attributes(obj))
    for (owner, name), slot in plan.slots:
        value = _slot(slot, obj)
        if value is not ABSENT:
            found[":slot", _text(_module(owner)), _qualname(owner), name] = value
    found[":class",] = type(obj)
    return found


def _slot(slot: Any, obj: Any) -> Any:
    try:
        return slot.__get__(obj)
    except AttributeError:
        return ABSENT


def _module_edges(obj: Any) -> dict[Any, Any]:
    return dict(module_dict(obj))


def _class_edges(cls: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for name, value in type_dict(cls).items():
        if name in _SKIPPED_CLASS_KEYS:
            continue
        kind = type(value)
        if kind in (GetSetDescriptorType, MemberDescriptorType) and is_own(value, cls):
            continue
        if name == "_abc_impl":
            for reference in _abc._get_dump(cls)[0]:
                target = reference()
                if target is not None:
                    found[":abc", *label(target)] = target
            continue
        found[name] = value
    found[":bases",] = _bases(cls)
    found[":class",] = type(cls)
    return found


def _type_edges(cls: Any) -> dict[Any, Any]:
    return {}


def _function_edges(function: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = {
        "__code__": original_of(function.__code__),
        "__defaults__": function.__defaults__,
        "__kwdefaults__": function.__kwdefaults__,
    }
    for index, cell in enumerate(function.__closure__ or ()):
        found[":cell", index] = cell
    for name, value in (function_dict(function) or {}).items():
        found[":attribute", name] = value
    if "__name__" not in function.__globals__ or "__spec__" not in function.__globals__:
        found[":globals",] = function.__globals__
    return found


def function_dict(function: Any) -> dict[str, Any] | None:
    """The attributes of a function, if it has any; asking for `__dict__` would make one for each that has not."""
    known = (function.__globals__, function.__builtins__, function.__kwdefaults__)
    for each in get_referents(function):
        if type(each) is dict and not any(each is other for other in known):
            return function.__dict__
    return None


def _cell_edges(cell: Any) -> dict[Any, Any]:
    try:
        return {"cell_contents": cell.cell_contents}
    except ValueError:
        return {}


def _dict_edges(obj: Any) -> dict[Any, Any]:
    found = dict(
        zip(((":item", token) for token in key_tokens(dict.__iter__(obj))), _values(obj), strict=True)
    )
    for index, key in enumerate(each for each in dict.__iter__(obj) if not is_leaf(leaf(each))):
        found[":key", index] = key
    if type(obj) is not dict:
        found.update(_own_attributes(obj))
    return found


def _values(obj: Any) -> Iterator[Any]:
    return iter(dict.values(obj))


def _own_attributes(obj: Any) -> dict[Any, Any]:
    if python_made(type(obj)):
        return {k if type(k) is tuple else (":attribute", k): v for k, v in _attributes(obj).items()}
    factory = getattr(obj, "default_factory", ABSENT)
    return {} if factory is ABSENT else {(":factory",): factory}


def _list_edges(obj: Any) -> dict[Any, Any]:
    contents = list.__iter__(obj) if isinstance(obj, list) else type(obj).__iter__(obj)
    found = {(":at", index): value for index, value in enumerate(contents)}
    if type(obj) is not list:
        found.update(_own_attributes(obj))
    return found


def _set_edges(obj: Any) -> dict[Any, Any]:
    elements = list(set.__iter__(obj))
    found: dict[Any, Any] = {}
    for token, element in zip(key_tokens(elements), elements, strict=True):
        if type(token) is tuple and token and token[0] == "@":
            found[":others",] = found.get((":others",), 0) + 1
        else:
            found[":element", token] = element
    if type(obj) is not set:
        found.update(_own_attributes(obj))
    return found


def _tuple_edges(obj: Any) -> dict[Any, Any]:
    if isinstance(obj, frozenset):
        return {(":element", token): each for token, each in zip(key_tokens(obj), obj, strict=True)}
    return {(":at", index): value for index, value in enumerate(tuple.__iter__(obj))}


def _property_edges(obj: Any) -> dict[Any, Any]:
    return {name: getattr(property, name).__get__(obj) for name in ("fget", "fset", "fdel")}


def _wrapped_edges(obj: Any) -> dict[Any, Any]:
    return {"__func__": obj.__func__}


def _method_edges(obj: Any) -> dict[Any, Any]:
    return {"__func__": obj.__func__, "__self__": obj.__self__}


def _weakref_edges(obj: Any) -> dict[Any, Any]:
    return {(":to",): ReferenceType.__call__(obj)}


def _proxy_edges(obj: Any) -> dict[Any, Any]:
    return {(":of",): get_referents(obj)[0]}


def _partial_edges(obj: Any) -> dict[Any, Any]:
    return {"func": obj.func, "args": obj.args, "keywords": obj.keywords}


def _builtin_edges(obj: Any) -> dict[Any, Any]:
    owner = obj.__self__
    return {} if owner is None or is_module(owner) else {"__self__": owner}


def _random_edges(obj: Any) -> dict[Any, Any]:
    base: Any = plan_of(type(obj), _plans).solid
    return {**_attributes(obj), (":state",): base.getstate(obj)}


def _numpy_edges(obj: Any) -> dict[Any, Any]:
    kind, keys, *rest = obj.get_state()
    return {(":state",): (kind, keys.tobytes(), *rest)}


def _torch_edges(obj: Any) -> dict[Any, Any]:
    return {(":state",): generator_state(obj)} if obj.device.type == "cpu" else {}


def _cache_edges(obj: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = {(":attribute", name): value for name, value in obj.__dict__.items()}
    found[":wrapped",] = obj.__wrapped__
    info = type(obj).cache_info(obj)
    found[":contents",] = (info.misses, info.currsize)  # no new contents without a miss
    return found


def _bytearray_edges(obj: Any) -> dict[Any, Any]:
    return {(":state",): bytes(obj)}


def _lock_edges(obj: Any) -> dict[Any, Any]:
    return {(":state",): times_held(obj)}


def _nothing(obj: Any) -> dict[Any, Any]:
    return {(":class",): type(obj)}


_READERS: dict[str, Any] = {
    "module": _module_edges, "class": _class_edges, "type": _type_edges, "function": _function_edges,
    "cell": _cell_edges, "dict": _dict_edges, "list": _list_edges, "set": _set_edges, "instance": _attributes,
    "tuple": _tuple_edges, "property": _property_edges, "wrapped": _wrapped_edges, "method": _method_edges,
    "weakref": _weakref_edges, "proxy": _proxy_edges, "partial": _partial_edges, "builtin": _builtin_edges,
    "random": _random_edges, "numpy": _numpy_edges, "torch": _torch_edges, "cache": _cache_edges,
    "bytearray": _bytearray_edges, "lock": _lock_edges, "text": lambda obj: {}, "opaque": _nothing,
}  # fmt: skip


def watched(kind: str, obj: Any) -> list[Any]:
    """Objects whose referents, as the garbage collector sees them, change whenever an edge of `obj` does."""
    if kind == "module":
        return [module_dict(obj)]
    if kind == "class":
        return [get_referents(type_dict(obj))[0], obj]
    if kind == "function":
        attributes = function_dict(obj)
        return [obj] if attributes is None else [obj, attributes]
    if kind in ("dict", "list", "set", "instance"):
        cls = type(obj)
        if python_made(cls):
            plan = plan_of(cls, _plans)
            return [obj] if plan.attributes is None else [obj, plan.attributes(obj)]
        return [obj]
    return [obj]


UNWATCHED = frozenset(("random", "numpy", "torch", "bytearray", "cache", "lock"))  # their state is not made of objects

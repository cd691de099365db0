# pyright: basic
# (objects of any type, and modules without stubs)
"""Functions, code, cells, bound methods and descriptors.

Code travels as marshal bytes. A code object that lies in the constants of another one that travels too is written as
"constant i of that one", so that a module's frame and its functions do not carry their code twice and keep sharing it.
Cells and functions are shells first: closures are circular as a rule.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Callable, Iterator
from types import (
    BuiltinFunctionType,
    CellType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from sojourn.frames.assemble import original_of

from .dumper import Dumper, Refuse
from .orders import arranged, arrangement, table_size
from .registry import BY_TYPE, constructor, is_class, is_module, reduces
from .words import SHARED

_names = type.__dict__["__dict__"].__get__
_mro = type.__dict__["__mro__"].__get__
_LATE_ANNOTATIONS = sys.version_info >= (3, 14)  # made by a function, which travels in the annotations' place
_TYPE_PARAMS = sys.version_info >= (3, 12)


@reduces(CodeType)
def _reduce_code(code: CodeType, dumper: Dumper) -> Any:
    original = original_of(code)
    if original is not code:
        return same, (original,)
    holder = dumper.nested_code.get(id(code))
    if holder is not None:
        return nested_code, holder
    note_nested(code, dumper)
    data = marshal.dumps(code)
    sets = disturbed(code)
    return (code_with_sets, (data, sets)) if sets else (marshal.loads, (data,))


def note_nested(code: CodeType, dumper: Dumper) -> None:
    """From now on the code objects in this one's constants are written as parts of it."""
    for index, constant in enumerate(code.co_consts):
        if type(constant) is CodeType and id(constant) not in dumper.nested_code:
            dumper.nested_code[id(constant)] = (code, index)
            note_nested(constant, dumper)


_Set = tuple[list[int], list[Any], int, "list[int] | None"]  # way to it, elements, size and places (see `orders`)


def _constant_sets(code: CodeType, way: tuple[int, ...] = ()) -> Iterator[tuple[list[int], frozenset[Any]]]:
    """Constants that `x in {…}` has made."""
    for index, constant in enumerate(code.co_consts):
        if type(constant) is CodeType:
            yield from _constant_sets(constant, (*way, index))
        elif type(constant) is frozenset:
            yield [*way, index], constant


def disturbed(code: CodeType) -> list[_Set]:
    """Those that do not iterate as they did when marshal, which sorts them, has written and read them."""
    sets = list(_constant_sets(code))
    if not sets:
        return []
    again = [made for _, made in _constant_sets(marshal.loads(marshal.dumps(code)))]
    return [
        (way, elements, *arrangement(constant))
        for (way, constant), made in zip(sets, again, strict=True)
        if (elements := list(constant)) != list(made) or table_size(constant) != table_size(made)
    ]


@constructor
def code_with_sets(data: bytes, sets: list[_Set]) -> CodeType:
    code = marshal.loads(data)
    for each in sets:
        code = with_set(code, *each)
    return code


def with_set(
    code: CodeType, way: list[int], elements: list[Any], size: int, places: list[int] | None
) -> CodeType:
    """Strings are interned first: the interpreter makes constants anew, in an order of its own, that have others."""
    elements = [sys.intern(each) if type(each) is str else each for each in elements]
    return _with_constant(code, way, arranged(elements, size, places)[0])


def _with_constant(code: CodeType, way: list[int], value: Any) -> CodeType:
    constants = list(code.co_consts)
    index, *rest = way
    constants[index] = _with_constant(constants[index], rest, value) if rest else value
    return code.replace(co_consts=tuple(constants))


@constructor
def same(thing: Any) -> Any:
    return thing


@constructor
def nested_code(holder: CodeType, index: int) -> CodeType:
    return holder.co_consts[index]


constructor(marshal.loads)


@reduces(CellType)
def _reduce_cell(cell: CellType, dumper: Dumper) -> Any:
    try:
        content = cell.cell_contents
    except ValueError:
        return CellType, ()
    dumper.later(fill_cell, cell, content)
    return CellType, ()


@constructor
def fill_cell(cell: CellType, content: Any) -> None:
    cell.cell_contents = content


constructor(CellType)


@reduces(FunctionType)
def _reduce_function(function: FunctionType, dumper: Dumper) -> Any:
    if dumper.library.named(function):
        return NotImplemented  # the pickler writes module and qualified name
    code = original_of(function.__code__)
    dumper.later(
        fill_function,
        function,
        (
            function.__defaults__,
            function.__kwdefaults__,
            [part for item in function.__dict__.items() for part in item],
            function.__qualname__,
            function.__module__,
            function.__doc__,
            function.__annotate__ if _LATE_ANNOTATIONS else function.__annotations__ or None,  # type: ignore
            function.__type_params__ if _TYPE_PARAMS else (),  # type: ignore[attr-defined]
        ),
    )
    return make_function, (code, function.__globals__, function.__name__, function.__closure__)


@constructor
def make_function(
    code: CodeType, namespace: dict[str, Any], name: str, closure: tuple[CellType, ...] | None
) -> FunctionType:
    if closure is None and code.co_freevars:  # caught between MAKE_FUNCTION and SET_FUNCTION_ATTRIBUTE
        closure = tuple(CellType() for _ in code.co_freevars)
    return FunctionType(code, namespace, name, None, closure)


@constructor
def fill_function(function: Any, state: tuple[Any, ...]) -> None:
    defaults, kwdefaults, attributes, qualname, module, doc, annotations, params = state
    function.__defaults__ = defaults
    function.__kwdefaults__ = kwdefaults
    function.__qualname__ = qualname
    function.__module__ = module
    function.__doc__ = doc
    if attributes:
        parts = iter(attributes)
        function.__dict__.update((sys.intern(k), v) for k, v in zip(parts, parts, strict=True))
    if annotations is not None:
        if _LATE_ANNOTATIONS:
            function.__annotate__ = annotations
        else:
            function.__annotations__ = annotations
    if params:
        function.__type_params__ = params


@reduces(MethodType)
def _reduce_method(method: MethodType, dumper: Dumper) -> Any:
    return MethodType, (method.__func__, method.__self__)


constructor(MethodType)


@reduces(BuiltinFunctionType)
def _reduce_builtin(function: BuiltinFunctionType, dumper: Dumper) -> Any:
    owner = function.__self__
    if owner is None or is_module(owner):
        if dumper.library.named(function) or dumper.library.finds(function, function.__name__):
            return NotImplemented
        if is_module(owner):
            return module_attribute, (owner, function.__name__)
        raise Refuse(function, "a C function that no module of the library has under its name")
    if is_class(owner):
        for base in _mro(owner):  # a class method or __new__
            thing = _names(base).get(function.__name__)
            if thing is function:
                return class_attribute, (base, function.__name__)
            if type(thing) is ClassMethodDescriptorType and thing.__get__(None, owner) == function:
                return bind, (base, function.__name__, None, owner)
    for base in _mro(type(owner)):
        thing = _names(base).get(function.__name__)
        if type(thing) is MethodDescriptorType and thing.__get__(owner) == function:
            if base is type(owner):
                return bind_own, (owner, function.__name__)
            return bind, (base, function.__name__, owner)
    reduce = UNNAMED.get(function.__name__)
    reduced = reduce(function, dumper) if reduce is not None else None
    if reduced is None:
        raise Refuse(function, "a C method that its object's type does not have under its name")
    return reduced


# C methods that their object's type does not have: by name, what reduces them (or gives None).
UNNAMED: dict[str, Callable[[Any, Dumper], Any]] = {}


@reduces(MethodWrapperType)
def _reduce_wrapper(wrapper: Any, dumper: Dumper) -> Any:
    owner = wrapper.__self__
    for base in (*_mro(type(owner)), *(_mro(owner) if is_class(owner) else ())):
        thing = _names(base).get(wrapper.__name__)
        if type(thing) is WrapperDescriptorType and thing.__get__(owner) == wrapper:
            return bind, (base, wrapper.__name__, owner)
    raise Refuse(wrapper, "a slot wrapper that its object's type does not have under its name")


@reduces(
    MethodDescriptorType,
    WrapperDescriptorType,
    ClassMethodDescriptorType,
    GetSetDescriptorType,
    MemberDescriptorType,
)
def _reduce_descriptor(descriptor: Any, dumper: Dumper) -> Any:
    name = descriptor.__name__
    if SHARED.get(name) is descriptor:
        return shared_descriptor, (name,)
    return class_attribute, (descriptor.__objclass__, name)


@constructor
def shared_descriptor(name: str) -> Any:
    return SHARED[name]


@constructor
def class_attribute(cls: type, name: str) -> Any:
    return _names(cls)[name]


@constructor
def module_attribute(module: ModuleType, name: str) -> Any:
    return module.__dict__[name]


@constructor
def library_attribute(module: str, qualname: str) -> Any:
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


@constructor
def bind(cls: type, name: str, owner: Any, *more: Any) -> Any:
    return _names(cls)[name].__get__(owner, *more)


@constructor
def bind_own(owner: Any, name: str) -> Any:
    return _names(type(owner))[name].__get__(owner)


@reduces(property)
def _reduce_property(prop: Any, dumper: Dumper) -> Any:
    return type(prop), (prop.fget, prop.fset, prop.fdel, prop.__doc__)


@reduces(classmethod, staticmethod)
def _reduce_decorated(method: Any, dumper: Dumper) -> Any:
    dumper.later(fill_decorated, method, [part for item in method.__dict__.items() for part in item])
    return type(method), (method.__func__,)


@constructor
def fill_decorated(method: Any, items: list[Any]) -> None:
    parts = iter(items)
    method.__dict__.clear()
    method.__dict__.update(zip(parts, parts, strict=True))


@reduces(super)
def _reduce_super(proxy: Any, dumper: Dumper) -> Any:
    read = super.__dict__
    return super, (read["__thisclass__"].__get__(proxy), read["__self__"].__get__(proxy))


constructor(super)
__all__ = ["BY_TYPE", "note_nested"]

"""The registry: which reducer takes which type, and the private table of what a pickle of ours may call.

Concepts. A *reducer* takes an object and the `Dumper` and gives what `__reduce__` would give, with one difference:
the callable is one of our *constructors*. A constructor makes a shell; a *fill* completes it later (`Dumper.later`).
Constructors and fills stand in `TABLE` by name. A pickle refers to them by their place in the table that its image
begins with (`table`), never by module and attribute: our modules are hidden from the program, and the program may patch
anything that can be looked up.

Reducers are found by type where the type is a built-in, else by "module.qualname": extension modules make new types
whenever they are imported again, so that the program's `functools.partial` need not be the one that we import.

A name, once it has been in an image, means the same for ever: what takes other arguments or leaves another state gets a
new name, and the old one stays as long as images of that format are read.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from sojourn.errors import InternalError

if TYPE_CHECKING:
    from .dumper import Dumper

Reducer = Callable[[Any, "Dumper"], Any]
F = TypeVar("F")

TABLE: dict[str, Any] = {}  # name -> constructor or fill
BY_TYPE: dict[type, Reducer] = {}
BY_NAME: dict[str, Reducer] = {}
ADVICE: dict[str, tuple[str, str]] = {}  # "module.qualname" -> (why it cannot travel, what to do)
NEWER = "a newer Sojourn wrote it: thaw it with that one, or a later one"  # the way out from an image


def constructor(thing: F) -> F:
    """Enter a constructor or a fill into the table, by its qualified name (a decorator)."""
    name: str = getattr(thing, "__qualname__", "")
    if TABLE.setdefault(name, thing) is not thing:
        raise InternalError(f"two constructors are called {name}")
    return thing


def reduces(*keys: type | str) -> Callable[[Reducer], Reducer]:
    """Register a reducer for built-in types or for "module.qualname" names (a decorator)."""

    def enter(reduce: Reducer) -> Reducer:
        register(*keys, reduce=reduce)
        return reduce

    return enter


def register(*keys: type | str, reduce: Reducer, constructors: tuple[Any, ...] = ()) -> None:
    """What `reduces` and `constructor` do, for other rooms (files and streams come from `resources`)."""
    for key in keys:
        if isinstance(key, str):
            BY_NAME[key] = reduce
        else:
            BY_TYPE[key] = reduce
    for thing in constructors:
        constructor(thing)


def refuses(why: str, advice: str, *names: str) -> None:
    """Declare types that cannot travel, with the reason and the way out that the refusal will give."""
    for name in names:
        ADVICE[name] = (why, advice)


def is_class(obj: object) -> TypeGuard[type[Any]]:
    """Is it a class? Asks its type, as `isinstance` would not: that believes a weak proxy, and runs `__class__`."""
    return issubclass(type(obj), type)


def name_of(cls: type) -> str:
    """ "module.qualname" of a type, without asking its metaclass."""
    module = type.__dict__["__module__"].__get__(cls)
    return f"{module}.{type.__dict__['__qualname__'].__get__(cls)}"


def is_module(obj: Any) -> TypeGuard[ModuleType]:
    """Is it a module indeed? (`isinstance` believes what a `__class__` says; those of cffi's libraries say module.)"""
    return issubclass(type(obj), ModuleType)

# pyright: basic
# (objects of any type, and modules without stubs)
"""Objects that C modules of the standard library make, and that have no reduction that fits a moved program.

Most C types of the standard library say themselves how they are rebuilt (deques, regular expressions, decimals, dates,
partial objects, StringIO…); only those stand here that do not, or that would say too little.
"""

from __future__ import annotations

from _weakref import CallableProxyType, ProxyType, ReferenceType, proxy
from gc import get_referents
from types import FunctionType, GenericAlias
from typing import Any

from sojourn.frames.caches import counts, set_counts
from sojourn.frames.course import giving_code

from .contents import Gone, new_reference
from .dumper import Dumper, Refuse
from .functions import library_attribute
from .iterators import fill_attributes
from .registry import constructor, is_class, reduces, refuses
from .words import link_result, managed_contexts, proxied

# Regular expressions


@reduces("re.Match")
def _reduce_match(match: Any, dumper: Dumper) -> Any:
    return match_again, (match.re, match.string, match.pos, match.endpos, match.span())


@constructor
def match_again(pattern: Any, string: Any, start: int, end: int, span: tuple[int, int]) -> Any:
    """The match once more. How it was found (match, fullmatch, search, finditer) is not kept in it."""
    tries = [(way, start, end) for way in (pattern.match, pattern.fullmatch, pattern.search)]
    tries += [(pattern.match, span[0], end), (pattern.fullmatch, *span), (pattern.search, *span)]
    for way, first, last in tries:
        found = way(string, first, last)
        if found is not None and found.span() == span:
            return found
    raise ValueError(f"a match of {pattern.pattern!r} cannot be found again")


# Weak references


@reduces(ReferenceType)
def _reduce_reference(reference: Any, dumper: Dumper) -> Any:
    return new_reference, (ReferenceType, reference(), reference.__callback__)


@reduces(ProxyType, CallableProxyType)
def _reduce_proxy(weak: Any, dumper: Dumper) -> Any:
    held = get_referents(weak)
    made = make_callable_proxy if type(weak) is CallableProxyType else make_proxy
    return made, (proxied(weak), held[0] if held else None)


@constructor
def make_proxy(target: Any, callback: Any) -> Any:
    return proxy(Gone() if target is None else target, callback)


@constructor
def make_callable_proxy(target: Any, callback: Any) -> Any:
    """Its kind is decided when it is made, and the target's class may have yet to get its `__call__`."""
    target, cls = (Callable(), Callable) if target is None else (target, type(target))
    if callable(target):
        return proxy(target, callback)
    type.__setattr__(cls, "__call__", Callable.__call__)
    try:
        return proxy(target, callback)
    finally:
        type.__delattr__(cls, "__call__")


class Callable(Gone):
    """Something to have stood for."""

    __slots__ = ()

    def __call__(self) -> None: ...


# Caches


@reduces("functools._lru_cache_wrapper")
def _reduce_lru(wrapper: Any, dumper: Dumper) -> Any:
    if dumper.library.find(wrapper.__module__, wrapper.__qualname__) is wrapper:
        return library_attribute, (wrapper.__module__, wrapper.__qualname__)
    settings = wrapper.cache_parameters()
    size, typed = settings["maxsize"], settings["typed"]
    made = (type(wrapper), wrapper.__wrapped__, size, typed, _info_type(wrapper))
    attributes = [part for item in wrapper.__dict__.items() for part in item]
    dumper.later(fill_attributes, wrapper, attributes)
    state = lru_state(wrapper)
    if state[2]:
        dumper.later(fill_lru, wrapper, state, 1)
    dumper.later(fill_counts, wrapper, counts(wrapper), 2)
    return make_lru, made


def _info_type(wrapper: Any) -> Any:
    return next(
        (each for each in get_referents(wrapper) if is_class(each) and issubclass(each, tuple)), None
    )


def _lru_cache_dict(wrapper: Any) -> dict[Any, Any] | None:
    own = wrapper.__dict__
    return next((each for each in get_referents(wrapper) if type(each) is dict and each is not own), None)


def _lru_mark(wrapper: Any) -> Any:
    """The object that separates positional from keyword arguments in a key. Each process has its own.

    The last of its type: keys and results, which may be bare objects too, are visited before it.
    """
    return next((each for each in reversed(get_referents(wrapper)) if type(each) is object), None)


def lru_state(wrapper: Any) -> tuple[bool, bool, list[Any]]:
    """What `fill_lru` takes: is it unbounded, does it tell types apart, its contents."""
    settings = wrapper.cache_parameters()
    return settings["maxsize"] is None, settings["typed"], _lru_contents(wrapper, settings["maxsize"])


def can_refill(wrapper: Any) -> bool:
    """Can `refill_lru` give a cache of the library what another one holds?"""
    settings = wrapper.__dict__.get("cache_parameters")
    if settings is None:
        return False
    return settings()["maxsize"] is None or type(wrapper.__wrapped__) is FunctionType


def refill_lru(wrapper: Any, state: tuple[bool, bool, list[Any]]) -> None:
    """Exchange the contents. It is left empty if a key has no hash any more (a weak reference, its object gone)."""
    clear = type(wrapper).cache_clear
    clear(wrapper)
    try:
        fill_lru(wrapper, state)
    except Exception:
        clear(wrapper)


def _lru_contents(wrapper: Any, size: int | None) -> list[Any]:
    """[place of the mark or -1, key without it, result, …], oldest first (if bounded: least recently used first)."""
    cache = _lru_cache_dict(wrapper)
    if not cache:
        return []
    entries = list(cache.items())
    if size is not None:
        links = {id(key): (key, link) for key, link in entries}
        kind, seen = type(entries[0][1]), get_referents(wrapper)  # in the list's order: key, result, type of the link
        keys = [id(seen[at - 2]) for at, each in enumerate(seen) if each is kind]
        ordered = [links.pop(key) for key in keys if key in links]
        entries = [(key, link_result(link, key)) for key, link in (*ordered, *links.values())]
    mark = _lru_mark(wrapper)
    flat: list[Any] = []
    for key, result in entries:
        place = next((i for i, part in enumerate(key) if part is mark), -1) if type(key) is tuple else -1
        flat += (place, key if place < 0 else key[:place] + key[place + 1 :], result)
    return flat


@constructor
def make_lru(cls: Any, function: Any, size: int | None, typed: bool, info: Any) -> Any:
    return cls(function, size, typed, info)


@constructor
def fill_lru(wrapper: Any, state: tuple[bool, bool, list[Any]]) -> None:
    unbounded, typed, contents = state
    parts = iter(contents)
    entries = list(zip(parts, parts, parts, strict=True))
    if unbounded:
        cache, mark = _lru_cache_dict(wrapper), _lru_mark(wrapper)
        assert cache is not None
        for place, key, result in entries:
            cache[key if place < 0 else (*key[:place], mark, *key[place:])] = result
        return
    function = wrapper.__wrapped__
    if type(function) is not FunctionType:
        return  # a bounded cache over something made in C: it fills itself again
    code, results = function.__code__, contents[2::3]
    results.reverse()
    function.__code__ = giving_code(results.pop, code)
    try:
        for place, key, _ in entries:
            arguments, keywords = _call_of(place, key, typed)
            wrapper(*arguments, **keywords)
    finally:
        function.__code__ = code


@constructor
def fill_counts(wrapper: Any, held: tuple[int, int]) -> None:
    """Filling it has counted, too."""
    set_counts(wrapper, *held)


def _call_of(place: int, key: Any, typed: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call that a key stands for: positional arguments, then names with values, then types (if typed)."""
    if type(key) is not tuple:
        return (key,), {}
    if place < 0:
        return key[: len(key) // 2 if typed else len(key)], {}
    pairs = key[place:]
    if typed:
        pairs = pairs[: 2 * (len(pairs) - place) // 3]
    return key[:place], dict(zip(pairs[::2], pairs[1::2], strict=True))


# Decimal


@reduces("decimal.ContextManager")
def _reduce_local_context(manager: Any, dumper: Dumper) -> Any:
    return make_local_context, managed_contexts(manager, _decimal().Context)


@constructor
def make_local_context(new: Any, saved: Any) -> Any:
    """A context manager that sets a copy of `new`, and `saved` again. Which one is set does not change here."""
    decimal = _decimal()
    current = decimal.getcontext()
    decimal.setcontext(saved)
    try:
        return decimal.localcontext(new)
    finally:
        decimal.setcontext(current)


def _decimal() -> Any:
    return __import__("_decimal")


# Typing


@reduces("typing.TypeVar", "typing.ParamSpec", "typing.TypeVarTuple")
def _reduce_type_variable(variable: Any, dumper: Dumper) -> Any:
    module = getattr(variable, "__module__", None)
    if dumper.library.find(module, variable.__name__) is variable:
        return library_attribute, (module, variable.__name__)
    keywords: dict[str, Any] = {}
    if type(variable).__name__ == "TypeVar":
        keywords = {"bound": variable.__bound__, "covariant": variable.__covariant__,
                    "contravariant": variable.__contravariant__}  # fmt: skip
        if getattr(variable, "__infer_variance__", False):
            keywords["infer_variance"] = True
    constraints = getattr(variable, "__constraints__", ())
    return make_type_variable, (type(variable), variable.__name__, constraints, keywords, module)


@constructor
def make_type_variable(
    cls: Any, name: str, constraints: tuple[Any, ...], keywords: dict[str, Any], module: Any
) -> Any:
    made = cls(name, *constraints, **keywords)
    try:
        made.__module__ = module
    except AttributeError:
        pass
    return made


constructor(GenericAlias)

# What cannot travel, and what to do

refuses("a connection belongs to this machine", "close it before a move, and connect again",
        "_ssl._SSLSocket")  # fmt: skip
refuses("a child process stays where it is", "wait for it before a move", "multiprocessing.process.BaseProcess")
refuses("it holds addresses of this process", "keep plain values instead",
        "_ctypes._Pointer", "_ctypes.CFuncPtr", "ctypes.CDLL", "_ctypes.PyCFuncPtr")  # fmt: skip
refuses("the kernel keeps its state", "make it anew where it is used",
        "select.poll", "select.kqueue")  # fmt: skip

# Files in memory


@reduces("_io.BytesIO", "_io.StringIO")
def _reduce_memory_file(file: Any, dumper: Dumper) -> Any:
    if not file.closed:
        return file.__reduce_ex__(4)
    dumper.later(fill_attributes, file, [part for item in file.__dict__.items() for part in item])
    return closed_file, (type(file),)


@reduces("mmap.mmap")
def _reduce_map(file: Any, dumper: Dumper) -> Any:
    if not file.closed:
        raise Refuse(file, "it is a view of this node's memory and files", "close it before the move")
    return closed_file, (type(file), -1, 1)


@constructor
def closed_file(cls: Any, *arguments: Any) -> Any:
    made = cls(*arguments)
    made.close()
    return made

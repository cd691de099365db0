# pyright: basic
# (objects of any type, and raw memory)
"""The iterators of `itertools` and of the built-ins, field by field.

Theory. Each is a C struct of a few fields behind the object's head: owned references (some NULL), counts, and arrays of
counts. We read them; the target makes a fresh iterator over nothing, and its fields are set. So one that has begun goes
on with the same type, in the same place, however far in it is, and no code of the program runs while it is built.

This is the one place where the engine writes to an object's memory. What it writes to are objects that it has just made
and nobody else has seen; an owned reference is counted before it is stored.

Guarantee: the rows are compared with the sizes of the types, and iterators of every kind are taken apart, put together
and run to their end, when this module is imported.

Rejected: `__reduce__` and `__setstate__` (gone from 3.14 on for `itertools`; `iter()` of an object whose class is not
complete yet, and which may have an `__iter__` that does something; a group by key that forgot its key); making them
anew and going forward (calls the program's functions; takes as long as they had run); wrapping the rest in a `chain`
(another type, one more layer with each move).
"""

from __future__ import annotations

import builtins
import ctypes
import itertools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sojourn.errors import InternalError
from sojourn.frames.analyze import VERSION

from .contents import content_of
from .dumper import Dumper
from .registry import constructor, name_of, reduces
from .words import solid_base, word

_WORD = ctypes.sizeof(ctypes.c_void_p)
_ITEMS = tuple.__basicsize__  # where a tuple's first item is
_LINK = 57  # values in one link of a tee

Field = tuple[str, int]  # "O" a reference, "n" a word, "i" an int; and the place in words


def _field(obj: Any, place: int) -> int:
    return ctypes.c_ssize_t.from_address(id(obj) + place * _WORD).value


def _int(obj: Any, place: int) -> Any:
    return ctypes.c_int.from_address(id(obj) + place * _WORD)


def _follow(address: int) -> Any:
    return ctypes.cast(address, ctypes.py_object).value


def _length(obj: Any, place: int) -> int:
    """The length of a tuple that a field holds."""
    return len(_follow(_field(obj, place)))


def _over(*arguments: Any) -> Callable[[Any], Any]:
    return lambda cls: cls(*arguments)


@dataclass(frozen=True, slots=True)
class Row:
    """One type: how many words an instance has, how to make one over nothing, and what its fields are."""

    words: int
    empty: Callable[..., Any]  # of the type, or what makes one of it, and the sizes
    fields: tuple[Field, ...]
    arrays: tuple[int, ...] = ()  # places of pointers to arrays of words, as long as `sizes` says
    sizes: Callable[[Any], tuple[int, ...]] | None = None  # what `empty` has to know, the arrays' lengths first


class _Sequence:
    """What is gone over by its indices."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> str:
        return "abcd"[index]


_HIDDEN: dict[str, Any] = {"callable_iterator": type(iter(int, 1)), "iterator": type(iter(_Sequence()))}
_TWO = (("O", 2), ("O", 3))
_THREE = (*_TWO, ("O", 4))
_OLDER = VERSION < (3, 12)  # before types knew their module
_FIRST_PASS = VERSION < (3, 14)  # a cycle has a flag for it
_CHOICE = Row(
    7, lambda cls, count, pool: cls(range(pool), count), (("O", 2), ("O", 4), ("i", 6)), (3,),
    lambda obj: (_field(obj, 5), _length(obj, 2)),
)  # fmt: skip
ROWS: dict[str, Row] = {
    "accumulate": Row(6 if _OLDER else 7, _over(()), (*_THREE, ("O", 5))),
    "batched": Row(
        4 if VERSION < (3, 13) else 5, _over((), 1), (("O", 2), ("n", 3), *([("i", 4)] if VERSION >= (3, 13) else []))
    ),
    "chain": Row(4, _over(), _TWO),
    "combinations": _CHOICE,
    "combinations_with_replacement": _CHOICE,
    "compress": Row(4, _over((), ()), _TWO),
    "count": Row(5, _over(), (("n", 2), ("O", 3), ("O", 4))),
    "cycle": Row(6, _over(()), (*_TWO, ("n", 4), ("i", 5))) if _FIRST_PASS else Row(5, _over(()), (*_TWO, ("n", 4))),
    "dropwhile": Row(5, _over(None, ()), (*_TWO, ("n", 4))),
    "filterfalse": Row(4, _over(None, ()), _TWO),
    "groupby": Row(8 if _OLDER else 9, _over(()), (*_THREE, ("O", 5), ("O", 6))),
    "islice": Row(7, _over((), 0), (("O", 2), ("n", 3), ("n", 4), ("n", 5), ("n", 6))),
    "pairwise": Row(4 if VERSION < (3, 13) else 5, _over(()), _TWO),
    "permutations": Row(
        8, lambda cls, pool, count: cls(range(pool), count), (("O", 2), ("O", 5), ("i", 7)), (3, 4),
        lambda obj: (_length(obj, 2), _field(obj, 6)),
    ),
    "product": Row(
        6, lambda cls, count: cls(*[()] * count), (("O", 2), ("O", 4), ("i", 5)), (3,), lambda obj: (_length(obj, 2),)
    ),
    "repeat": Row(4, _over(None), (("O", 2), ("n", 3))),
    "starmap": Row(4, _over(None, ()), _TWO),
    "takewhile": Row(5, _over(None, ()), (*_TWO, ("n", 4))),
    "_tee": Row(5 if _OLDER else 6, _over(()), (("O", 2), ("i", 3))),
    # Those of the built-ins. A zip and an enumeration keep a tuple for their results, which is theirs.
    "callable_iterator": Row(4, lambda _: iter(int, 1), _TWO),
    "enumerate": Row(7, _over(()), (("n", 2), ("O", 3), ("O", 5))),
    "filter": Row(4, _over(None, ()), _TWO),
    "iterator": Row(4, lambda _: iter(_Sequence()), (("n", 2), ("O", 3))),
    "map": Row(4, _over(None, ()), _TWO) if _FIRST_PASS else Row(5, _over(None, ()), (*_TWO, ("i", 4))),
    "reversed": Row(4, _over(()), (("n", 2), ("O", 3))),
    "zip": Row(6, lambda cls, count: cls(*[()] * count), (("O", 3), ("i", 5)), (), lambda obj: (_field(obj, 2),)),
}  # fmt: skip
_GROUPBY_CURRENT = 7  # of a groupby: the address of the group in use, not counted
_DATA_READ, _DATA_NEXT, _DATA_VALUES = 3, 4, 5  # of a tee's link
_LONGEST_ACTIVE, _LONGEST_ITERATORS, _LONGEST_FILL = 3, 4, 6

State = list[Any]  # a mask of the references that are not NULL; those; the numbers; the arrays


def read(obj: Any, row: Row) -> State:
    places = [place for kind, place in row.fields if kind == "O"]
    mask = sum(1 << index for index, place in enumerate(places) if _field(obj, place))
    held = [_follow(_field(obj, place)) for place in places if _field(obj, place)]
    numbers = [
        _field(obj, place) if kind == "n" else _int(obj, place).value for kind, place in row.fields if kind != "O"
    ]
    arrays: list[list[int]] = []
    for place, length in zip(row.arrays, _sizes(obj, row), strict=False):
        data = ctypes.string_at(_field(obj, place), length * _WORD)
        arrays.append(list(struct.unpack(f"{length}n", data)))
    return [mask, held, numbers, arrays]


def store(address: int, value: Any, *, empty: bool = False) -> None:
    """Have an owned reference there instead of the one there is; NULL if `empty`."""
    slot = ctypes.c_size_t.from_address(address)
    former = slot.value
    if not empty:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))
    slot.value = 0 if empty else id(value)
    if former:
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(_follow(former)))


def _row_of(obj: Any) -> Row:
    return ROWS[solid_base(type(obj)).__name__]


@constructor
def empty_iterator(cls: Any, *sizes: int) -> Any:
    return ROWS[cls.__name__].empty(cls, *sizes)


@constructor
def empty_subclass_iterator(base: Any, cls: Any, *sizes: int) -> Any:
    return ROWS[base.__name__].empty(partial(base.__new__, cls), *sizes)


@constructor
def fill_iterator(obj: Any, state: State) -> None:
    row = _row_of(obj)
    mask, held, numbers, arrays = state
    values, counts = iter(held), iter(numbers)
    for index, place in enumerate(place for kind, place in row.fields if kind == "O"):
        there = mask >> index & 1
        store(id(obj) + place * _WORD, next(values) if there else None, empty=not there)
    for kind, place in row.fields:
        if kind == "n":
            ctypes.c_ssize_t.from_address(id(obj) + place * _WORD).value = next(counts)
        elif kind == "i":
            _int(obj, place).value = next(counts)
    for place, array in zip(row.arrays, arrays, strict=True):
        ctypes.memmove(_field(obj, place), struct.pack(f"{len(array)}n", *array), len(array) * _WORD)


def _sizes(obj: Any, row: Row) -> tuple[int, ...]:
    return row.sizes(obj) if row.sizes is not None else ()


def reduce_iterator(obj: Any, dumper: Dumper) -> Any:
    row = _row_of(obj)
    dumper.later(fill_iterator, obj, read(obj, row))
    return empty_iterator, (type(obj), *_sizes(obj, row))


def _content(obj: Any, cls: type, dumper: Dumper) -> Any:
    """Of an instance of a subclass, whose `__new__` is not to be called again."""
    row = _row_of(obj)
    dumper.later(fill_iterator, obj, read(obj, row))
    return empty_subclass_iterator, (solid_base(cls), cls, *_sizes(obj, row))


# Those whose fields are not all of these kinds


@constructor
def empty_group(cls: Any, groupby: Any) -> Any:
    return cls(groupby(()), None)


@constructor
def fill_group(group: Any, state: list[Any]) -> None:
    parent, key, current = state
    store(id(group) + 2 * _WORD, parent)
    store(id(group) + 3 * _WORD, key)
    if current:
        ctypes.c_size_t.from_address(id(parent) + _GROUPBY_CURRENT * _WORD).value = id(group)


def reduce_group(group: Any, dumper: Dumper) -> Any:
    parent, key = (_follow(_field(group, place)) for place in (2, 3))
    current = word(id(parent) + _GROUPBY_CURRENT * _WORD) == id(group)
    dumper.later(fill_group, group, [parent, key, current])
    groupby = next(base for base in type(parent).__mro__ if name_of(base) == "itertools.groupby")
    return empty_group, (type(group), groupby)


@constructor
def empty_data(cls: Any, count: int) -> Any:
    return cls(iter(()), [None] * count, None)


@constructor
def fill_data(data: Any, state: list[Any]) -> None:
    source, following, values = state
    store(id(data) + 2 * _WORD, source)
    if following is not None:
        store(id(data) + _DATA_NEXT * _WORD, following)
    for index, value in enumerate(values):
        store(id(data) + (_DATA_VALUES + index) * _WORD, value)


def reduce_data(data: Any, dumper: Dumper) -> Any:
    count = _int(data, _DATA_READ).value
    following = _field(data, _DATA_NEXT)
    values = [_follow(_field(data, _DATA_VALUES + index)) for index in range(count)]
    state = [_follow(_field(data, 2)), _follow(following) if following else None, values]
    dumper.later(fill_data, data, state)
    return empty_data, (type(data), count)


@constructor
def empty_longest(cls: Any, count: int) -> Any:
    return cls(*[()] * count)


@constructor
def fill_longest(obj: Any, state: list[Any]) -> None:
    active, mask, iterators, fill = state
    ctypes.c_ssize_t.from_address(id(obj) + _LONGEST_ACTIVE * _WORD).value = active
    store(id(obj) + _LONGEST_FILL * _WORD, fill)
    items = _field(obj, _LONGEST_ITERATORS) + _ITEMS
    left = iter(iterators)
    for index in range(_field(obj, 2)):
        there = mask >> index & 1
        store(items + index * _WORD, next(left) if there else None, empty=not there)


def reduce_longest(obj: Any, dumper: Dumper) -> Any:
    count = _field(obj, 2)
    items = _field(obj, _LONGEST_ITERATORS) + _ITEMS
    found = [word(items + index * _WORD) for index in range(count)]
    mask = sum(1 << index for index, address in enumerate(found) if address)
    iterators = [_follow(address) for address in found if address]
    fill = _follow(_field(obj, _LONGEST_FILL))
    dumper.later(fill_longest, obj, [_field(obj, _LONGEST_ACTIVE), mask, iterators, fill])
    return empty_longest, (type(obj), count)


OTHERS: dict[str, tuple[int, Callable[[Any, Dumper], Any]]] = {
    "_grouper": (4, reduce_group),
    "_tee_dataobject": (5 + _LINK, reduce_data),
    "zip_longest": (7, reduce_longest),
}


def _samples() -> list[tuple[Callable[[], Any], int]]:
    """Iterators, and how many steps they are to go."""
    i = itertools
    found: list[tuple[Callable[[], Any], int]] = [
        (lambda: i.accumulate([1, 2, 3], max, initial=0), 2), (lambda: i.chain("ab", "cd"), 1),
        (lambda: i.combinations("abcd", 2), 3), (lambda: i.combinations_with_replacement("abc", 2), 4),
        (lambda: i.compress("abcd", [1, 0, 1, 1]), 1), (lambda: i.islice(i.count(5), 1, 6, 2), 2),
        (lambda: i.islice(i.cycle("abc"), 9), 2), (lambda: i.islice(i.cycle("abc"), 9), 5),
        (lambda: i.dropwhile(bool, [1, 0, 1]), 1), (lambda: i.filterfalse(None, [0, 1, 0, 0]), 1),
        (lambda: i.pairwise("abcd"), 1), (lambda: i.permutations("abcd", 2), 5), (lambda: i.permutations("ab", 3), 0),
        (lambda: i.product("ab", "cd", repeat=2), 7), (lambda: i.repeat("x", 3), 1),
        (lambda: i.starmap(max, [(1, 2), (4, 3)]), 1), (lambda: i.takewhile(bool, [1, 1, 0, 1]), 1),
        (lambda: i.tee("abcd")[1], 1), (lambda: i.groupby("aab"), 0),
        (lambda: iter(iter("abcd").__next__, "d"), 1), (lambda: enumerate("abcd"), 2),
        (lambda: enumerate("ab", 1 << 80), 1),
        (lambda: filter(None, [0, 1, 2]), 1), (lambda: iter(_Sequence()), 2), (lambda: map(max, "abc", "bab"), 1),
        (lambda: reversed(_Sequence()), 1), (lambda: zip("abc", "def", strict=True), 1),
    ]  # fmt: skip
    if not _OLDER:
        found.append((lambda: getattr(i, "batched")("abcde", 2), 1))  # noqa: B009 (older ones have none)
    return found


def type_called(name: str) -> Any:
    return _HIDDEN.get(name) or getattr(itertools, name, None) or getattr(builtins, name)


def _wrong() -> set[str]:
    """The types that are not as the rows say."""
    sizes = {name: row.words for name, row in ROWS.items()} | {name: words for name, (words, _) in OTHERS.items()}
    wrong = {name for name, words in sizes.items() if type_called(name).__basicsize__ != words * _WORD}
    for make, steps in _samples():
        original = make()
        name = type(original).__name__
        if name in wrong:
            continue
        for _ in range(steps):
            next(original)
        copy = ROWS[name].empty(type(original), *_sizes(original, ROWS[name]))
        fill_iterator(copy, read(original, ROWS[name]))
        if name != "groupby" and list(copy) != list(itertools.islice(make(), steps, None)):
            wrong.add(name)
    return wrong


if _OLDER:
    del ROWS["batched"]
if _wrong():
    raise InternalError(f"this interpreter's iterators are not laid out as expected: {', '.join(sorted(_wrong()))}")
for _name in ROWS:
    _full = name_of(type_called(_name))
    reduces(_full)(reduce_iterator)
    content_of(_full)(_content)
for _name, (_, _reduce) in OTHERS.items():
    reduces(f"itertools.{_name}")(_reduce)

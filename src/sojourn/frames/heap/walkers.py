# pyright: basic
# (objects of any type, and raw memory)
"""Iterators of the library's extension modules, in place: over ordered dicts, records of `struct`, trees of elements.

Theory. None of them says where it is, or takes it back; each is a C struct of few fields. An ordered dict counts its
changes, and its iterator compares: what travels is the key that comes next, and by how much the counts differ, so that
one whose dict has changed meanwhile complains at its next step, as it would have. An iterator over records is made anew
and led forward. One over a tree keeps the elements above its place, with an index in each.

Those whose source may not be whole when they are met are set last of all (`reach`), as in `cursors`. As in `fields`,
only what was just made is written to. Guarantee: places of fields are compared with what samples show, before use.
"""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from collections.abc import Iterator
from gc import get_referents
from itertools import islice
from operator import length_hint
from typing import Any

from .dumper import Dumper, Refuse
from .fields import store
from .registry import constructor, reduces
from .words import word

_WORD = ctypes.sizeof(ctypes.c_void_p)
_HIDDEN = "this interpreter does not show where it is"
_waiting: list[tuple[Any, Any, tuple[Any, ...]]] = []


def _at(obj: Any, place: int) -> Any:
    return ctypes.c_ssize_t.from_address(id(obj) + place * _WORD)


def _held(obj: Any, place: int) -> Any:
    """The object that a field refers to; None if none."""
    address = word(id(obj) + place * _WORD)
    return ctypes.cast(address, ctypes.py_object).value if address else None


def forget() -> None:
    """Of an earlier load, which failed."""
    _waiting.clear()


def reach() -> None:
    """Sets those that were loaded, now that everything is there."""
    while _waiting:
        fill, iterator, state = _waiting.pop()
        fill(iterator, *state)


# Over an ordered dict. The fields: kind, dict, size, count of changes, the next key, a tuple for items

_KIND, _OWNER, _SIZE, _CHANGES, _NEXT = 2, 3, 4, 5, 6
_BACKWARD = 1
_VIEWS = (OrderedDict.keys, OrderedDict.values, OrderedDict.items)
_KEYS, _VALUES = 2, 4  # bits of the kind; both for items


def _over(owner: Any, kind: int) -> Iterator[Any]:
    view: Any = _VIEWS[{_KEYS: 0, _VALUES: 1}.get(kind & (_KEYS | _VALUES), 2)](owner)
    return reversed(view) if kind & _BACKWARD else iter(view)


def _kind(iterator: Any) -> int:
    return ctypes.c_int.from_address(id(iterator) + _KIND * _WORD).value


@reduces(type(iter(OrderedDict())))
def _reduce_ordered(iterator: Any, dumper: Dumper) -> Any:
    if not _ordered_shown():
        raise Refuse(iterator, _HIDDEN, "iterate over a list of it")
    kind, owner = _kind(iterator), _held(iterator, _OWNER)
    if owner is not None:
        probe = _over(owner, kind)
        more, changes = (_at(iterator, place).value - _at(probe, place).value for place in (_SIZE, _CHANGES))
        ended = not word(id(iterator) + _NEXT * _WORD)
        dumper.later(go_on_in_order, iterator, (owner, more, changes, ended, _held(iterator, _NEXT)))
    return ordered_iterator, (kind,)


@constructor
def ordered_iterator(kind: int) -> Any:
    made = _over(OrderedDict(), kind)
    next(made, None)
    return made


@constructor
def go_on_in_order(iterator: Any, state: tuple[Any, int, int, bool, Any]) -> None:
    _waiting.append((_set_ordered, iterator, state))


def _set_ordered(iterator: Any, owner: Any, more: int, changes: int, ended: bool, key: Any) -> None:
    probe = _over(owner, _kind(iterator))
    _at(iterator, _SIZE).value = _at(probe, _SIZE).value + more
    _at(iterator, _CHANGES).value = _at(probe, _CHANGES).value + changes
    store(id(iterator) + _OWNER * _WORD, owner)
    store(id(iterator) + _NEXT * _WORD, key, empty=ended)


def _ordered_shown() -> bool:
    key = object()
    owner = OrderedDict([(1, 1), (2, 2), (key, 3)])
    for kind in (_KEYS, _VALUES, _KEYS | _VALUES, _KEYS | _BACKWARD):
        one = _over(owner, kind)
        if not kind & _BACKWARD:
            next(islice(one, 2, 2), None)
        if _kind(one) != kind or (_held(one, _OWNER), _at(one, _SIZE).value) != (owner, 3):
            return False
        if word(id(one) + _NEXT * _WORD) != id(key):
            return False
    return True


# Over records


@reduces("_struct.unpack_iterator")
def _reduce_records(iterator: Any, dumper: Dumper) -> Any:
    held = [each for each in get_referents(iterator) if each is not type(iterator)]
    if held:
        layout = next(each for each in held if type(each).__name__ == "Struct")
        held.remove(layout)
        dumper.later(go_on_in_records, iterator, (layout, held[0], length_hint(iterator)))
    return records_iterator, ()


@constructor
def records_iterator() -> Any:
    made = __import__("_struct").iter_unpack("B", b"")
    next(made, None)
    return made


@constructor
def go_on_in_records(iterator: Any, state: tuple[Any, Any, int]) -> None:
    _waiting.append((_set_records, iterator, state))


def _set_records(iterator: Any, layout: Any, source: Any, left: int) -> None:
    """Makes another one, and exchanges what is in them."""
    other = layout.iter_unpack(source)
    steps = length_hint(other) - left
    next(islice(other, steps, steps), None)
    size = type(iterator).__basicsize__ - 2 * _WORD
    one, two = (id(each) + 2 * _WORD for each in (iterator, other))
    kept = ctypes.string_at(one, size)
    ctypes.memmove(one, two, size)
    ctypes.memmove(two, kept, size)


# Over a tree of elements. The fields: the stack, its length and room, the root if it is still to come, the tag that is
# looked for, and whether texts are wanted. In the stack: an element, and the index of the child that comes next.

_STACK, _LENGTH, _ROOM, _ROOT, _TAG, _TEXTS = 2, 3, 4, 5, 6, 7
_PLACE = 2 * _WORD


@reduces("_elementtree._element_iterator")
def _reduce_elements(iterator: Any, dumper: Dumper) -> Any:
    if not _elements_shown():
        raise Refuse(iterator, _HIDDEN, "iterate over a list of it")
    stack = []
    for level in range(_at(iterator, _LENGTH).value):
        place = word(id(iterator) + _STACK * _WORD) + level * _PLACE
        stack.append((ctypes.cast(word(place), ctypes.py_object).value, word(place + _WORD)))
    root, tag = _held(iterator, _ROOT), _held(iterator, _TAG)
    texts = ctypes.c_int.from_address(id(iterator) + _TEXTS * _WORD).value
    dumper.later(go_on_in_elements, iterator, (stack, root, tag, texts))
    return elements_iterator, ()


@constructor
def elements_iterator() -> Any:
    return __import__("_elementtree").Element("made").iter()


@constructor
def go_on_in_elements(iterator: Any, state: tuple[list[tuple[Any, int]], Any, Any, int]) -> None:
    stack, root, tag, texts = state
    if len(stack) > _at(iterator, _ROOM).value:
        ctypes.pythonapi.PyMem_Realloc.restype = ctypes.c_void_p
        address = ctypes.c_void_p(word(id(iterator) + _STACK * _WORD))
        _at(iterator, _STACK).value = ctypes.pythonapi.PyMem_Realloc(address, ctypes.c_size_t(len(stack) * _PLACE))
        _at(iterator, _ROOM).value = len(stack)
    for level, (element, child) in enumerate(stack):
        place = word(id(iterator) + _STACK * _WORD) + level * _PLACE
        ctypes.c_size_t.from_address(place).value = 0
        store(place, element)
        ctypes.c_size_t.from_address(place + _WORD).value = child
    _at(iterator, _LENGTH).value = len(stack)
    store(id(iterator) + _ROOT * _WORD, root, empty=root is None)
    store(id(iterator) + _TAG * _WORD, tag)
    ctypes.c_int.from_address(id(iterator) + _TEXTS * _WORD).value = texts


def _elements_shown() -> bool:
    make: Any = __import__("_elementtree").Element
    root, child, leaf, tag = make("root"), make("child"), make("leaf"), "le" + "af"[:2]
    root.extend([make("first"), child])
    child.append(leaf)
    over = root.iter(tag)
    fresh = (_held(over, _ROOT), _at(over, _LENGTH).value)
    next(over)
    place = word(id(over) + _STACK * _WORD)
    above = [word(place + index * _WORD) for index in range(6)]
    texts = [ctypes.c_int.from_address(id(each) + _TEXTS * _WORD).value for each in (over, root.itertext())]
    return (
        fresh == (root, 0)
        and (_at(over, _LENGTH).value, above) == (3, [id(root), 2, id(child), 1, id(leaf), 0])
        and (_at(over, _ROOM).value >= 3 and _held(over, _TAG) is tag and texts == [0, 1])
        and _held(over, _ROOT) is None
    )

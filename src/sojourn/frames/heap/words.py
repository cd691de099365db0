# pyright: basic
# (raw memory has no static types)
"""The few words of memory that the heap reads: what kind of class made an object, and two fields without an accessor.

Theory. `python_made(cls)` asks whether a class was made by a class statement, whose instances hold nothing but a
`__dict__`, slots, and what their solid base holds. Such a class has CPython's `subtype_dealloc` as its deallocator,
and adds no more to its base's size than its slots (and a word each for `__dict__` and `__weakref__`) account for: a
type made by an extension module that inherits the deallocator, but has fields of its own, fails the second test.

Guarantee: every offset is checked against known objects when this module is imported; nothing is written.
"""

from __future__ import annotations

import ctypes
from _weakref import proxy
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

from sojourn.errors import InternalError

_WORD = ctypes.sizeof(ctypes.c_void_p)
_DEALLOC = 6 * _WORD  # PyTypeObject: refcount, type, size, name, basicsize, itemsize, dealloc
_VIEW_BUFFER = (
    7 * _WORD
)  # PyMemoryViewObject: refcount, type, size, managed buffer, hash, flags, exports, view.buf
_LINK_KEY, _LINK_RESULT = 5 * _WORD, 6 * _WORD  # lru_list_elem: refcount, type, prev, next, hash, key, result
_MANAGED = (2 * _WORD, 3 * _WORD)  # PyDecContextManagerObject: refcount, type, local, global
_REFERENT = 2 * _WORD  # PyWeakReference: refcount, type, object
# PySetObject: refcount, type, fill, used, mask, table (of key and hash), hash, finger
_SET_FILL, _SET_TABLE, _SET_FINGER = 2 * _WORD, 5 * _WORD, 7 * _WORD
_DUMMY = (1 << 8 * _WORD) - 1  # the hash of a place whose element was discarded
# ScannerObject: refcount, type, pattern, then SRE_STATE: ptr, beginning, start, end, string, a Py_buffer of ten words,
# pos, endpos, four ints of which the last says whether the next match must not be empty at the same place.
_SCAN_BEGINNING, _SCAN_START, _SCAN_STRING, _SCAN_BOUNDS, _SCAN_ADVANCE = (
    4 * _WORD, 5 * _WORD, 7 * _WORD, (18 * _WORD, 19 * _WORD), 20 * _WORD + 12
)  # fmt: skip
_HEAP_TYPE = 1 << 9


def word(address: int) -> int:
    return ctypes.c_size_t.from_address(address).value


class _Sample:
    pass


class _Slotted(list):
    __slots__ = ("a",)


# From 3.15 on all classes share the two descriptors for `__dict__` and `__weakref__`, which say they are of `object`.
SHARED: dict[str, object] = {
    name: thing
    for name, thing in vars(_Sample).items()
    if type(thing) is GetSetDescriptorType and thing.__objclass__ is not _Sample
}
_SUBTYPE_DEALLOC = word(id(_Sample) + _DEALLOC)
_seen: dict[type, bool] = {}


def python_made(cls: type) -> bool:
    """Was this class made by a class statement (or `type(...)`), so that its instances can be read bare?"""
    known = _seen.get(cls)
    if known is None:
        known = _compute(cls)
        if len(_seen) < 10_000:
            _seen[cls] = known
    return known


def _compute(cls: type) -> bool:
    flags = type.__dict__["__flags__"].__get__(cls)
    if not flags & _HEAP_TYPE or word(id(cls) + _DEALLOC) != _SUBTYPE_DEALLOC:
        return False
    base = type.__dict__["__base__"].__get__(cls)
    size = type.__dict__["__basicsize__"].__get__
    names = type.__dict__["__dict__"].__get__(cls)
    own = sum(
        1 for thing in names.values() if type(thing) is MemberDescriptorType and thing.__objclass__ is cls
    )
    return size(cls) - size(base) <= _WORD * (own + ("__dict__" in names) + ("__weakref__" in names))


def is_own(descriptor: GetSetDescriptorType | MemberDescriptorType, cls: type) -> bool:
    """Did making the class `cls` put this descriptor into its dict?"""
    return descriptor.__objclass__ is cls or SHARED.get(descriptor.__name__) is descriptor


def solid_base(cls: type) -> type:
    """The nearest base that was made in C: what it holds is the content of an instance, beside attributes."""
    while python_made(cls):
        cls = type.__dict__["__base__"].__get__(cls)
    return cls


def view_address(view: memoryview) -> int:
    return word(id(view) + _VIEW_BUFFER)


def link_result(link: object, key: object) -> object:
    """The result that a link of a bounded `lru_cache` holds (there is no other way to it)."""
    if word(id(link) + _LINK_KEY) != id(key):
        raise InternalError("a link of an lru_cache is not laid out as expected")
    return ctypes.cast(word(id(link) + _LINK_RESULT), ctypes.py_object).value


def proxied(weak: object) -> object:
    """What a weak proxy stands for, None if it is gone. (Whatever is asked of the proxy is asked of that.)"""
    address = word(id(weak) + _REFERENT)
    if address == id(None) or not word(address) & 0xFFFFFFFF:
        return None
    return ctypes.cast(address, ctypes.py_object).value


def managed_contexts(manager: object, kind: type) -> tuple[object, object]:
    """The context that a `decimal.localcontext()` sets, and the one that it sets again (3.11 shows neither)."""
    addresses = [word(id(manager) + offset) for offset in _MANAGED]
    for address in addresses:
        if not address or word(address + _WORD) not in (id(cls) for cls in (kind, *kind.__subclasses__())):
            raise InternalError("a decimal.ContextManager is not laid out as expected")
    new, saved = (ctypes.cast(address, ctypes.py_object).value for address in addresses)
    return new, saved


def scanner_string(scanner: object) -> tuple[object, int, int]:
    """What a scanner of regular expressions scans, from where and to where."""
    string = ctypes.cast(word(id(scanner) + _SCAN_STRING), ctypes.py_object).value
    first, last = (word(id(scanner) + offset) for offset in _SCAN_BOUNDS)
    return string, first, last


def scanner_place(scanner: object) -> tuple[int, bool]:
    """Where it stands: bytes from the beginning, or -1 at the end; and whether it must advance."""
    start = word(id(scanner) + _SCAN_START)
    advance = ctypes.c_int.from_address(id(scanner) + _SCAN_ADVANCE).value
    return (start - word(id(scanner) + _SCAN_BEGINNING) if start else -1), bool(advance)


def set_places(obj: object, size: int) -> list[int]:
    """The places of a set's elements in its hash table, ascending: the order of iteration."""
    table = memoryview(ctypes.string_at(word(id(obj) + _SET_TABLE), size * 2 * _WORD)).cast("N")  # type: ignore[call-overload]
    return [
        at
        for at, (key, hashed) in enumerate(zip(table[::2], table[1::2], strict=True))
        if key and hashed != _DUMMY
    ]


def set_gaps(obj: object, size: int) -> list[int]:
    """The places in a set's hash table whose elements were discarded, ascending."""
    table = memoryview(ctypes.string_at(word(id(obj) + _SET_TABLE), size * 2 * _WORD)).cast("N")  # type: ignore[call-overload]
    return [at for at, hashed in enumerate(table[1::2]) if hashed == _DUMMY]


def set_fill(obj: object) -> int:
    """How many places of a set's hash table are taken, by elements or by what was discarded."""
    return word(id(obj) + _SET_FILL)


def set_finger(obj: object) -> int:
    """Where the next `pop` of a set begins to look."""
    return word(id(obj) + _SET_FINGER)


def move_finger(obj: object, place: int) -> None:
    ctypes.c_size_t.from_address(id(obj) + _SET_FINGER).value = place


def set_hashes(obj: object, size: int) -> list[int]:
    """The hashes of a set's elements, in order of iteration."""
    table = memoryview(ctypes.string_at(word(id(obj) + _SET_TABLE), size * 2 * _WORD)).cast("n")  # type: ignore[call-overload]
    return [hashed for key, hashed in zip(table[::2], table[1::2], strict=True) if key and hashed != -1]


def scanner_shown(pattern: Any) -> bool:
    """Are scanners of this pattern laid out as expected?"""
    text: Any = b"abcd" if type(pattern.pattern) is bytes else "abcd"
    probe = pattern.scanner(text, 1, 3)
    where = [word(id(probe) + offset) for offset in (_SCAN_STRING, *_SCAN_BOUNDS)]
    return where == [id(text), 1, 3] and scanner_place(probe) == (1, False)


def _verify() -> None:
    data = bytearray(16)
    numbers = {3, 6, 9}
    numbers.discard(6)
    popped = {4}
    popped.pop()
    whole, part = memoryview(data), memoryview(data)[5:]
    right = (
        word(id(_Slotted) + _DEALLOC) == _SUBTYPE_DEALLOC != word(id(list) + _DEALLOC)
        and python_made(_Slotted)
        and not python_made(list)
        and view_address(part) - view_address(whole) == 5
        and set_places(numbers, 8) == [1, 3]
        and set_gaps(numbers, 8) == [6]
        and set_fill(numbers) == 3
        and (set_finger(numbers), set_finger(popped)) == (0, 5)
        and set_hashes(numbers, 8) == [9, 3]
        and proxied(proxy(_Sample)) is _Sample
    )
    if not right:
        raise InternalError("this interpreter's types or views are not laid out as expected")


_verify()

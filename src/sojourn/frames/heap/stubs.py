# pyright: basic
# (objects of any type)
"""Hashing an object before its state is there.

Theory. A frozenset cannot be a shell, and what it holds may need state to be hashed; that state may in turn lead to the
frozenset (a global one does: its elements' class, its functions, their globals). But the hashes are known: the table of
the set at the source has them, and the hash seed is the same. So while the frozenset is made its elements belong to a
subclass that answers with the recorded hash and compares by identity, which for members of one set is equality.

Stated limit: for objects inside tuples inside a frozenset, `__hash__` is called at the source.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .classes import make_class

_set_class = object.__dict__["__class__"].__set__
_hashes: dict[int, int] = {}
_made: list[type] = []


@contextmanager
def hashed_as(pairs: list[Any]) -> Iterator[None]:
    """While this lasts, each object of [object, hash, …] has that hash."""
    stubs: dict[type, type] = {}
    changed: list[tuple[Any, type]] = []
    try:
        for obj, value in zip(pairs[::2], pairs[1::2], strict=True):
            if id(obj) in _hashes:
                continue  # a tuple may hold it twice
            cls = type(obj)
            stub = stubs.get(cls)
            if stub is None:
                stub = stubs[cls] = _stub(cls)
            _hashes[id(obj)] = value
            _set_class(obj, stub)
            changed.append((obj, cls))
        yield
    finally:
        for obj, cls in changed:
            _set_class(obj, cls)
        _hashes.clear()


def _stub(cls: type) -> type:
    names = {"__slots__": (), "__hash__": _hash, "__eq__": _same}
    stub = make_class(type(cls), cls.__name__, (cls,), names, False)
    _made.append(stub)
    return stub


def _hash(self: object) -> int:
    return _hashes[id(self)]


def _same(self: object, other: object) -> bool:
    return self is other


def sweep() -> None:
    """Have the subclasses gone before the program could see them (`__subclasses__`)."""
    if _made:
        _made.clear()
        gc.collect(0)

# pyright: basic
# (raw memory)
"""What a `functools.lru_cache` says of its hits and misses, set: there is no other way to it than its two fields.

Guarantee: both are found by what a sample says of itself, when this module is imported.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

from sojourn.errors import InternalError

_WORD = ctypes.sizeof(ctypes.c_void_p)
_HITS, _MISSES = 9, 7  # of the sample


def _field(wrapper: Any, place: int) -> Any:
    return ctypes.c_ssize_t.from_address(id(wrapper) + place)


def _places() -> tuple[int, int]:
    sample: Any = lru_cache(None)(abs)
    for number in (*range(_MISSES), *range(5), *range(_HITS - 5)):
        sample(number)
    fields = range(2 * _WORD, type(sample).__basicsize__, _WORD)
    found = [[at for at in fields if _field(sample, at).value == count] for count in (_HITS, _MISSES)]
    if sample.cache_info()[:2] != (_HITS, _MISSES) or [len(each) for each in found] != [1, 1]:
        raise InternalError("this interpreter's caches are not laid out as expected")
    return found[0][0], found[1][0]


_PLACES = _places()


def counts(wrapper: Any) -> tuple[int, int]:
    """Hits and misses."""
    return type(wrapper).cache_info(wrapper)[:2]


def set_counts(wrapper: Any, hits: int, misses: int) -> None:
    """Of a cache that was just made, or that is asked once more for what it has counted already."""
    for place, count in zip(_PLACES, (hits, misses), strict=True):
        _field(wrapper, place).value = count

"""A bounded cache forgets what it would have forgotten, whatever its results are."""

import functools


@functools.lru_cache(maxsize=3)
def half(number):
    return number // 2


def make():
    for number in (8, 2, 4):
        assert half(number) * 2 == number
    return [half]


def check(made):
    assert made == [half]
    assert (half(6), half(10)) == (3, 5)  # in the places of 8 and 2; 4 is younger, though it is the result for 8, too
    hits = half.cache_info().hits
    assert half(4) == 2 and half.cache_info().hits == hits + 1
    assert half(2) == 1 and half.cache_info().hits == hits + 1

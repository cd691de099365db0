"""Iterators over the lines and positions of code go on where they were."""

from itertools import islice


def some(n):
    total = 0
    for each in range(n):
        total += each * (
            n - each
        )
    return [total, {"a": total}]  # fmt: skip


def begun(iterator, count):
    return [iterator, list(islice(iterator, count))]


def make():
    code = some.__code__
    return [begun(kind(code), count) for count in (0, 1, 4, 10_000) for kind in KINDS]


KINDS = [type(some.__code__).co_lines, type(some.__code__).co_positions]


def check(made):
    code = some.__code__
    for index, (iterator, before) in enumerate(made):
        assert before + list(iterator) == list(KINDS[index % 2](code)), index
        assert next(iterator, None) is None

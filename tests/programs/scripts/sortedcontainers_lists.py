"""Sorted lists, dicts and sets grow and shrink, with sortedcontainers."""

import random

import pyperf
import sortedcontainers


def work():
    rng = random.Random(3)
    numbers, table, kept = (
        sortedcontainers.SortedList(),
        sortedcontainers.SortedDict(),
        sortedcontainers.SortedSet(),
    )
    for n in range(900):
        value = rng.randrange(500)
        numbers.add(value)
        table.setdefault(value, []).append(n)
        kept.add(value) if n % 3 else kept.discard(value)
        if n % 5 == 4:
            numbers.pop(rng.randrange(len(numbers)))
    return list(numbers[:10]), numbers.bisect(250), table.peekitem(3), len(kept), list(kept.irange(10, 40))


pyperf.Runner().bench_func("sortedcontainers_lists", work)

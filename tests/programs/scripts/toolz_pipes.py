"""Words are counted through lazy pipes, with toolz."""

import pyperf
import toolz
from toolz import curried


def work():
    words = ("the quick brown fox jumps over the lazy dog again and again " * 60).split()
    count = toolz.pipe(
        words,
        curried.map(str.upper),
        curried.filter(lambda word: len(word) > 2),
        curried.partition_all(7),
        curried.mapcat(lambda part: sorted(part)),
        curried.groupby(len),
        curried.valmap(toolz.frequencies),
    )
    return count, toolz.merge_with(sum, {"a": 1}, {"a": 2, "b": 3}), list(toolz.sliding_window(3, range(6)))


pyperf.Runner().bench_func("toolz_pipes", work)

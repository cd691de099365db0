"""Iterators of iterators, with more-itertools."""

import more_itertools as mi
import pyperf


def work():
    return (
        list(mi.chunked(mi.interleave_longest(range(50), "abcdef" * 6), 7))[-2:],
        [list(part) for part in mi.split_when(range(60), lambda a, b: b % 7 == 0)][-2:],
        sum(1 for _ in mi.set_partitions(range(6))),
        list(mi.windowed(mi.seekable(range(30)), 4, step=9)),
        mi.run_length.encode("aaabbbccd").__class__.__name__,
        list(mi.sort_together([range(9, 0, -1), range(9)])),
        len(list(mi.distinct_permutations("aabbcc"))),
    )


pyperf.Runner().bench_func("more_itertools_walks", work)

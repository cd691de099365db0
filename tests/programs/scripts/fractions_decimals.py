"""Exact arithmetic, with fractions, decimal, statistics and heapq."""

import decimal
import fractions
import heapq

import pyperf


def work():
    total = sum(fractions.Fraction(1, n) for n in range(1, 120))
    with decimal.localcontext() as context:
        context.prec = 40
        root, terms = decimal.Decimal(2), []
        for _ in range(30):
            root = (root + 2 / root) / 2
            terms.append(root)
    heap = [(n * 37 % 101, n) for n in range(200)]
    heapq.heapify(heap)
    return (
        total,
        root,
        [heapq.heappop(heap) for _ in range(5)],
        list(heapq.merge(range(0, 20, 3), range(0, 20, 5))),
    )


pyperf.Runner().bench_func("fractions_decimals", work)

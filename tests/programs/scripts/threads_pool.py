"""A pool of kernel-level threads, with concurrent.futures."""

from concurrent.futures import ThreadPoolExecutor

import pyperf


def square(n):
    return sum(n * each for each in range(2000))


def work():
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(square, range(12)))


pyperf.Runner().bench_func("threads_pool", work)

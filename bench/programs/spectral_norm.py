"""Power iteration on an infinite matrix: generators, zip, sums."""

import math
import time


def entry(i, j):
    return 1.0 / ((i + j) * (i + j + 1) // 2 + i + 1)


def times(vector):
    return [sum(entry(i, j) * x for j, x in enumerate(vector)) for i in range(len(vector))]


def transposed(vector):
    return [sum(entry(j, i) * x for j, x in enumerate(vector)) for i in range(len(vector))]


def main(n=240):
    u = [1.0] * n
    for _ in range(10):
        v = transposed(times(u))
        u = transposed(times(v))
    return round(math.sqrt(sum(a * b for a, b in zip(u, v, strict=True)) / sum(b * b for b in v)), 6)


if __name__ == "__main__":
    began = time.process_time()
    result = main()
    print(time.process_time() - began, result)

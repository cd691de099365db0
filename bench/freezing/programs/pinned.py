"""A C function holds the program, and calls Python. BATCHES is told how long each batch of these calls takes."""

import itertools
import os
import time

PER_BATCH = 20_000
out = int(os.environ["BATCHES"])
calls, began, used = 0, time.monotonic_ns(), time.process_time_ns()


def call(number: int) -> int:
    global calls, began, used
    calls += 1
    if calls % PER_BATCH == 0:
        now, by_now = time.monotonic_ns(), time.process_time_ns()
        os.write(out, b"%d %d %d\n" % (began, now, by_now - used))
        began, used = time.monotonic_ns(), time.process_time_ns()
    return number * 7919 % 65_537


sum(map(call, itertools.count()))

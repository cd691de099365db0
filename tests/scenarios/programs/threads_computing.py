"""Threads that compute, hand each other what they have made, and are replaced when they are done."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

totals: dict[str, int] = {}
books = threading.RLock()


def collatz(start: int) -> int:
    steps = 0
    while start != 1:
        start = start // 2 if start % 2 == 0 else 3 * start + 1
        steps += 1
    return steps


def squares(until: int):  # type: ignore[no-untyped-def]
    for number in range(until):
        yield sum(digit * digit for digit in map(int, str(number)))


def compute(name: str, first: int) -> None:
    total = 0
    for start in range(first, first + 9000):
        try:
            total += collatz(start)
            if start % 1000 == 0:
                raise ValueError(start)
        except ValueError as error:
            total += int(str(error))
    with books:
        totals[name] = total


def digits(name: str) -> None:
    total = 0
    for number in squares(90_000):
        total += number
    with books:
        totals[name] = total


def ordered(name: str) -> None:
    total = 0
    for start in range(2, 400):
        total += sorted(range(start), key=lambda number: number * 7919 % start)[0]
    with books:
        totals[name] = total


workers = [threading.Thread(target=compute, args=(f"compute {n}", 2 + 9000 * n)) for n in range(3)]
workers += [threading.Thread(target=digits, args=("digits",)), threading.Thread(target=ordered, args=("ordered",))]
for worker in workers:
    worker.start()

with ThreadPoolExecutor(max_workers=2, thread_name_prefix="pool") as pool:
    futures = {pool.submit(collatz, start): start for start in range(10_000, 10_040)}
    late = pool.submit(time.sleep, 1.2)
    done = sorted((futures[future], future.result()) for future in as_completed(futures))
    late.add_done_callback(lambda future: print("late", future.done()))
print(done[:3], len(done))

for step in range(25):
    time.sleep(0.1)
    print("step", step, flush=True)
for worker in workers:
    worker.join()
print(sorted(totals.items()))
print(threading.active_count())

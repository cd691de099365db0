"""`crowd.py WAITING COMPUTING`: as many threads, and a main thread that waits."""

import sys
import threading


def compute() -> None:
    begin.wait()
    number = 0
    while True:
        number = max(number, len("abc") + number % 3)


waiting, computing = map(int, sys.argv[1:])
begin, never = threading.Event(), threading.Event()
for function, count in ((never.wait, waiting), (compute, computing)):
    for _ in range(count):
        threading.Thread(target=function, daemon=True).start()
begin.set()
while True:
    never.wait(0.5)

"""Locks that are held while the program moves: the library's, which it finds at the target, and its own."""

import _thread
import logging
import tempfile


def work(lock):
    for step in range(40):
        with lock:
            for _ in range(220_000):
                pass
            if step % 4:
                continue
            print(lock.acquire(blocking=False) and lock.release(), lock.__class__.__name__)
    print(lock.acquire(blocking=False), lock.release())


for lock in (logging._lock, tempfile._once_lock, _thread.RLock(), _thread.allocate_lock()):
    work(lock)

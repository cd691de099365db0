"""Locks that are held over several moves: the library's, which are found at the target, and the program's own."""

import _thread
import logging
import tempfile

own = _thread.allocate_lock()
again = _thread.RLock()

with logging._lock, tempfile._once_lock, own, again, again:
    for _ in range(70_000_000):
        pass
    print(own.locked(), tempfile._once_lock.locked())
print(own.locked(), tempfile._once_lock.locked(), again._is_owned(), logging._lock._is_owned())

# pyright: basic
# (raw memory has no static types)
"""A program whose main thread has ended, while the interpreter waits for the others.

Then `threading._shutdown` is the outermost frame, called by the interpreter's own end. It is captured like any other,
and what comes behind it (functions of `atexit`, the end itself) comes at the target too. Only the exit status is in C
by then. It is 0, unless the main thread has ended by an exception: one that was printed is kept by `sys`, and for
`sys.exit()` the interpreter ends inside of `Py_Exit`, whose return address is on the C stack.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from sojourn.frames.cstack import words_above
from sojourn.frames.record import Stack

_LONGEST = 256  # bytes of that small function
_begin = ctypes.cast(ctypes.pythonapi.Py_Exit, ctypes.c_void_p).value or 0


def objections(stack: Stack) -> list[str]:
    """Why the end that is under way cannot go on elsewhere; nothing if it can, or the program has not ended."""
    module = sys.modules.get("threading")
    shutdown: Any = None if module is None else vars(module).get("_shutdown")
    if shutdown is None or not stack.records or stack.records[0].code is not getattr(shutdown, "__code__", None):
        return []
    if hasattr(sys, "last_value") or any(_begin <= word < _begin + _LONGEST for word in words_above() or ()):
        return [
            "the main thread has ended with an exit status of its own, which is kept in C, and other threads still "
            "run. Join them before the program exits"
        ]
    return []

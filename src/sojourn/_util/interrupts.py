"""An exception raised in another thread, between two of its instructions (CPython's `PyThreadState_SetAsyncExc`)."""

from __future__ import annotations

import _thread
import ctypes
import sys
import time

_set = ctypes.pythonapi["PyThreadState_SetAsyncExc"]  # one of our own: the attribute is everybody's
_set.argtypes = [ctypes.c_ulong, ctypes.py_object]
_set.restype = ctypes.c_int


def raise_in(thread: int, kind: type[BaseException]) -> None:
    """Raise in the thread with this identity, instead of what may be waiting to be raised there."""
    _set(thread, kind)


def settle() -> None:
    """Nothing is left to be raised in this thread, and the interpreter knows it.

    What has been raised in a thread that ended first, or was taken back, leaves a flag up in CPython up to 3.12: every
    thread looks for work at each turn of each loop from then on, and on 3.11 a traced function looks for ever at its
    first instruction. The flag only goes down when something is raised, so something is.

    On 3.11 a thread that has not begun yet goes by the identity of the one that starts it: it would be raised there, so
    that one is waited for.
    """
    while sys.version_info < (3, 12) and _is_starting_one():
        time.sleep(_PAUSE)
    try:
        raise_in(_thread.get_ident(), _Settled)
        while True:
            pass
    except _Settled:
        pass


class _Settled(BaseException):
    """Raised and caught by `settle`."""


_PAUSE = 0.0001  # seconds
_SPAN = 96  # words of a thread's state that are searched
_word = ctypes.c_size_t.from_address
# By prototypes of our own: the functions that `ctypes.pythonapi` keeps are the program's, too.
_state = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThreadState_Get", ctypes.pythonapi))
_interpreter = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyInterpreterState_Get", ctypes.pythonapi))
_first = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(("PyInterpreterState_ThreadHead", ctypes.pythonapi))
_next = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(("PyThreadState_Next", ctypes.pythonapi))


def _is_starting_one() -> bool:
    """Is there a state of a thread besides this one's that has its identity?"""
    own, wanted = _state(), (_thread.get_ident(), _thread.get_native_id())
    place = next(at for at in range(0, _SPAN * 8, 8) if (_word(own + at).value, _word(own + at + 8).value) == wanted)
    found, state = 0, _first(_interpreter())
    while state:
        found += _word(state + place).value == wanted[0]
        state = _next(state)
    return found > 1

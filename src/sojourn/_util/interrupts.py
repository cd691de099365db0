"""An exception raised in another thread, between two of its instructions (CPython's `PyThreadState_SetAsyncExc`)."""

from __future__ import annotations

import _thread
import ctypes

_set = ctypes.pythonapi["PyThreadState_SetAsyncExc"]  # one of our own: the attribute is everybody's
_set.argtypes = [ctypes.c_ulong, ctypes.py_object]
_set.restype = ctypes.c_int
_TURNS = 1000  # one is enough, unless this thread has just started another, which is taken for this one


def raise_in(thread: int, kind: type[BaseException]) -> None:
    """Raise in the thread with this identity, instead of what may be waiting to be raised there."""
    _set(thread, kind)


def settle() -> None:
    """Nothing is left to be raised in this thread, and the interpreter knows it.

    What has been raised in a thread that ended first, or was taken back, leaves a flag up in CPython up to 3.12: every
    thread looks for work at each turn of each loop from then on, and on 3.11 a traced function looks for ever at its
    first instruction. The flag only goes down when something is raised, so something is.
    """
    try:
        raise_in(_thread.get_ident(), _Settled)
        for _ in range(_TURNS):
            pass
    except _Settled:
        pass


class _Settled(BaseException):
    """Raised and caught by `settle`."""

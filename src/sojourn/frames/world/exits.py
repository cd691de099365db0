# pyright: basic
# (raw memory, and modules without stubs)
"""The functions that `atexit` has been given: the one state of an interpreter that no Python object leads to.

Theory. The interpreter's state holds, side by side, a pointer to an array of callbacks, their number and the array's
length; a callback is function, arguments, keywords. Where that is differs between versions, so it is looked for once:
a marker is registered, and the words of the interpreter's state are searched for a count that fits and a pointer whose
last callback is the marker. Memory is read through `/proc/self/mem`, where a wrong pointer is an error and no crash.

From 3.14 on it is a list, newest first, which nothing shows either, but which the collector knows: it is looked for
once, by a marker, and kept.

Guarantee: nothing is written; where the place is not found, `callbacks` says so by returning None, and a program that
has registered anything is refused by name.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import struct
from typing import Any

from sojourn.frames.analyze import VERSION
from sojourn.frames.memory import Memory

_WORD = 8
_PAGE = 4096
_LIMIT = 1 << 20
_interpreter = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyInterpreterState_Get", ctypes.pythonapi))


def _marker() -> None:
    """Registered for a moment, to be found."""


def _calibrate() -> int | None:
    """The offset of the array's pointer in the interpreter's state."""
    atexit.register(_marker)
    count = atexit._ncallbacks()
    try:
        memory = Memory()
    except OSError:
        atexit.unregister(_marker)
        return None
    try:
        base = _interpreter() or 0
        state = b""
        while len(state) < _LIMIT and (page := memory.read(base + len(state), _PAGE)):
            state += page
        wanted = struct.pack("<i", count)
        at = state.find(wanted)
        while at >= 0:
            if at % _WORD == 0 and at >= _WORD:
                (array,) = struct.unpack_from("<Q", state, at - _WORD)
                last = memory.words(array + (count - 1) * _WORD, 1)
                if last and memory.words(last[0], 1) == (id(_marker),):
                    return at - _WORD
            at = state.find(wanted, at + 1)
        return None
    finally:
        memory.close()
        atexit.unregister(_marker)
        if count == 1:
            atexit._clear()  # what is unregistered still counts, and a program may look


def _listed() -> list[Any] | None:
    """3.14 and later: the interpreter's own list."""
    atexit.register(_marker)
    try:
        for each in gc.get_objects():
            if type(each) is list and each and type(each[0]) is tuple and each[0] and each[0][0] is _marker:
                return each
        return None
    finally:
        atexit.unregister(_marker)


_list = _listed() if VERSION >= (3, 14) else None
_offset = _calibrate() if VERSION < (3, 14) else None
PRISTINE = atexit._ncallbacks()  # what the interpreter counts before any program has run


def callbacks() -> list[tuple[Any, tuple[Any, ...], dict[str, Any]]] | None:
    """(function, arguments, keywords) in order of registration; None where they cannot be read."""
    count = atexit._ncallbacks()
    if not count:
        return []
    if _list is not None:
        return [(function, arguments, keywords or {}) for function, arguments, keywords in reversed(_list)]
    if _offset is None:
        return None
    memory = Memory()
    try:
        (array,) = memory.words(_interpreter() + _offset, 1)
        found: list[Any] = []
        for entry in memory.words(array, count):
            if not entry:
                continue  # unregistered
            function, arguments, keywords = memory.words(entry, 3)
            found.append((_object(function), _object(arguments), _object(keywords) if keywords else {}))
        return found
    finally:
        memory.close()


def _object(address: int) -> Any:
    return ctypes.cast(address, ctypes.py_object).value


def replace(wanted: list[tuple[Any, tuple[Any, ...], dict[str, Any]]]) -> None:
    """Make these the callbacks of this process."""
    atexit._clear()
    for function, arguments, keywords in wanted:
        atexit.register(function, *arguments, **keywords)

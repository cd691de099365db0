# pyright: basic
# (raw memory has no static types)
"""Which context is current, and which one is outside of it: what `contextvars` keeps and does not show.

A context that runs (`Context.run`) points at the one outside of it. The outermost one, in which a thread began, is no
object that a program can hold; what travels of it are its values, and what belongs to the others travels with them.

Guarantee: only reads; the places are found, and compared with what is known, in contexts of our own.
"""

from __future__ import annotations

import ctypes
from _contextvars import Context, ContextVar
from collections.abc import Iterable
from gc import get_referents
from typing import Any

from sojourn.errors import UsageError

_WORD = 8
_PREVIOUS = 2 * _WORD  # behind the head of the object
_SPAN = 64  # words of the thread's state that are searched; the context is in the first forty
_word = ctypes.c_size_t.from_address
_thread_state = ctypes.pythonapi["PyThreadState_Get"]
_thread_state.restype = ctypes.c_void_p
_ENTERING = ("in context", "task step")  # kinds of courses that run something in a context
_places: list[int] = []  # offset in the thread's state of the current context


def current() -> Context | None:
    """The context in which the caller runs; None if nothing has been set outside of all others yet."""
    if not _places:
        _places.append(_find())
    return _at(_thread_state() + _places[0])


def of_thread(state: int) -> Context | None:
    """The same for the thread whose state is at this address."""
    current()
    return _at(state + _places[0])


def outermost(context: Context | None, courses: Iterable[list[Any] | None]) -> Context | None:
    """The context outside of all that run, given the one that runs, and what is left to be done by each frame,
    innermost first.
    """
    for course in courses:
        if course is not None and course[0] in _ENTERING and course[1] is context:
            context = _at(id(context) + _PREVIOUS)  # it runs, so that it points at the one outside
    return context


def of_token(token: Any) -> Context:
    """The context in which a token was made, and may be used."""
    return next(each for each in get_referents(token) if type(each) is Context)


def _at(place: int) -> Context | None:
    address = _word(place).value
    found = ctypes.cast(address, ctypes.py_object).value if address else None
    return found if type(found) is Context else None


def _find() -> int:
    """The one place in the thread's state that holds, in each of two nested contexts, that context."""
    scratch = ContextVar("scratch")

    def places() -> tuple[Context, set[int]]:
        context = of_token(scratch.set(None))
        state = _thread_state()
        return context, {n for n in range(_SPAN) if _word(state + n * _WORD).value == id(context)}

    def nested() -> tuple[set[int], bool]:
        context, found = places()
        inner, again = Context().run(lambda: _nested(places))
        return found & again, inner == id(context)

    found, linked = Context().run(nested)
    if len(found) != 1 or not linked:
        raise UsageError("this interpreter keeps contexts where they were not expected")
    return found.pop() * _WORD


def _nested(places: Any) -> tuple[int, set[int]]:
    context, found = places()
    return _word(id(context) + _PREVIOUS).value, found

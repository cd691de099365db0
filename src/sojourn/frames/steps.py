# pyright: basic
# (awaitables of the interpreter have no static types)
"""Steps of asynchronous generators: the awaitables that `asend()`, `__anext__()`, `athrow()` and `aclose()` give.

Theory. A step refers to its generator and to what it is to send or throw, and has a state: new, under way, over. Only
a generator that waits in an `await`, or that runs, has a step under way; to rebuild such a generator means to prime it,
and that is done by a step, too (`resume.generator_fill`). So a step of `asend()` that was under way *is* the one of the
priming. One of `athrow()` or `aclose()` cannot be had like that: its first step would throw. It is made new, and then
marked in memory as under way, which is all that a first step leaves behind besides the generator's mark of being
closed. Where these marks are stands in a table, which is checked before it is used.

Guarantee: no code of the program runs. What is written to has just been made.
"""

from __future__ import annotations

import ctypes
import sys
from gc import get_referents
from typing import Any

from sojourn.errors import UsageError

from .analyze import VERSION
from .probes import HEAD, store

NEW, UNDER_WAY, OVER = 0, 1, 2
_WORD = ctypes.sizeof(ctypes.c_void_p)
_state = ctypes.c_int.from_address
_mark = ctypes.c_ubyte.from_address
_address = ctypes.c_size_t.from_address
# After the head come the generator and what is to be sent or thrown (one word, or three), and then the state.
_ASEND_STATE, _ATHROW_STATE = 32, 48 if VERSION >= (3, 15) else 32
_CLOSED = 65 if VERSION >= (3, 12) else 73  # a byte of the generator
_THROWN = range(HEAD + _WORD, _ATHROW_STATE, _WORD)  # where a step keeps what it is to throw

_WRAPPERS = frozenset({"coroutine_wrapper", "async_generator_asend", "async_generator_athrow"})

# By id of the async generator: the step under way that priming has made (and the generator, so that the id is good).
_primed: dict[int, tuple[Any, Any]] = {}


def under_way(generator: Any, step: Any) -> None:
    """Priming this generator has begun this step."""
    _primed[id(generator)] = (generator, step)


def forget() -> None:
    """Loading is over: a step that nobody has come for was dropped before, and so is its generator, perhaps."""
    _primed.clear()


def awaits(generator: Any, awaited: Any) -> bool:
    """Does a step of `awaited` come down to one of `generator`? Awaitables made in C are wrappers around one."""
    if awaited is generator:
        return True
    kind = type(awaited).__name__
    if kind == "anext_awaitable":
        return any(awaits(generator, step) for step in get_referents(awaited)[:1])
    return kind in _WRAPPERS and any(each is generator for each in get_referents(awaited))


def _verify() -> None:
    """Refuse an interpreter that keeps the marks elsewhere, before any is read or written."""
    global _verified
    if not _verified and _marks() != [(NEW, NEW, 0), (OVER, OVER, 1)]:
        raise UsageError("this interpreter keeps the state of asynchronous generators' steps where it was not expected")
    _verified = True


_verified = False


def _marks() -> list[tuple[int, int, int]]:
    """States of a step that sends and of one that closes, and whether the generator is closed: before and after."""

    async def produce() -> Any:
        yield

    seen: list[tuple[int, int, int]] = []
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)  # no event loop is to hear of it
    try:
        generator: Any = produce()
        steps = generator.asend(None), generator.aclose()
        for rest in (steps, ()):
            states = _state(id(steps[0]) + _ASEND_STATE).value, _state(id(steps[1]) + _ATHROW_STATE).value
            seen.append((*states, _mark(id(generator) + _CLOSED).value))
            for step in rest:
                try:
                    step.send(None)
                except StopIteration:
                    pass
    finally:
        sys.set_asyncgen_hooks(*hooks)
    return seen


# ---- asend -----------------------------------------------------------------------------------------------------------


def asend_parts(step: Any, generator: Any) -> tuple[Any, int, Any]:
    """What `asend_restore` needs for the awaitable that `asend()` or `__anext__()` of `generator` gave."""
    _verify()
    state = _state(id(step) + _ASEND_STATE).value
    sent = get_referents(step)[1:] if state == NEW else []  # behind the generator: what has yet to be sent
    return generator, state, sent[0] if sent else None


def asend_restore(generator: Any, state: int, sent: Any) -> Any:
    """The awaitable again; None for one that is over, and is only dropped."""
    if state == NEW:
        return generator.asend(sent)
    return _primed.pop(id(generator))[1] if state == UNDER_WAY else None


# ---- athrow, aclose --------------------------------------------------------------------------------------------------


def athrow_parts(step: Any, runs: bool) -> tuple[int, list[Any]]:
    """State of what `athrow()` or `aclose()` gave, and what it is to throw: nothing means that it closes.

    `runs`: it drives its generator just now. (Up to 3.12 one that was thrown into before its first step does not know.)
    """
    _verify()
    addresses = [_address(id(step) + place).value for place in _THROWN]
    thrown = [ctypes.cast(each, ctypes.py_object).value if each else None for each in addresses]
    return UNDER_WAY if runs else _state(id(step) + _ATHROW_STATE).value, thrown


def athrow_restore(generator: Any, state: int, thrown: list[Any]) -> Any:
    _verify()
    step = generator.aclose()
    for place, value in zip(_THROWN, thrown, strict=True):
        store(step, place, value)
    if state == UNDER_WAY:
        _primed.pop(id(generator), None)
    _state(id(step) + _ATHROW_STATE).value = state
    return step


def is_closed(generator: Any) -> bool:
    """Has somebody begun to close it? Nothing is thrown into it any more then, even if it goes on."""
    _verify()
    return bool(_mark(id(generator) + _CLOSED).value)


def close(generator: Any) -> None:
    _verify()
    _mark(id(generator) + _CLOSED).value = 1

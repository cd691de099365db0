# pyright: basic
# (objects of any type, and a module without stubs)
"""Futures and tasks of asyncio that are made in C, and what they put on a loop.

A future's state is asked for as C shows it and given back by C's own methods, called on what has no callbacks yet and
so tells nobody; callbacks come after that. The few fields that have no method are written (`frames.tasks`).

A task is an object like any other here: its coroutine is a coroutine that is suspended or runs, and what it waits for
is a future. A task whose step is under way is taken up by a course (`course.Stepping`).

Guarantee: no code of the program runs, neither here nor there; a task is where it was, whoever has cancelled it how
often.
"""

from __future__ import annotations

import sys
from typing import Any

from sojourn.errors import UsageError
from sojourn.frames import tasks
from sojourn.frames.analyze import VERSION
from sojourn.frames.probes import Words, places_of, store

from .contents import content_of
from .dumper import Dumper, Refuse
from .extensions import contents
from .functions import UNNAMED
from .registry import constructor, reduces
from .words import solid_base

_TELLS_WAITERS = VERSION >= (3, 14)
_IN_LIST = VERSION >= (3, 14)  # tasks that are not done stand in a list of C's; before, in a set of the library


def _words(obj: Any) -> Words:
    try:
        return tasks.words()
    except UsageError as failure:
        raise Refuse(obj, str(failure), "run the program with another interpreter") from None


@content_of("_asyncio.Future")
def _future(obj: Any, cls: type, dumper: Dumper) -> Any:
    _words(obj)
    dumper.later(fill_future, obj, _state_of(obj))
    return new_future, (solid_base(cls), cls)


@content_of("_asyncio.Task")
def _task(obj: Any, cls: type, dumper: Dumper) -> Any:
    found, show = _words(obj), tasks.shown
    settings = [tasks.must_cancel(obj), show(obj, "_log_destroy_pending"), found.count(obj)]
    held = [tasks.coroutine_of(obj), found.read(obj, "context"), found.read(obj, "waiter")]
    name = solid_base(cls).get_name(obj)
    dumper.later(fill_task, obj, [_state_of(obj), held, name, settings])
    return new_future, (solid_base(cls), cls)


_HELD = ("coroutine", "context", "waiter")


@reduces("_asyncio.Future")
def _reduce_future(obj: Any, dumper: Dumper) -> Any:
    return _future(obj, type(obj), dumper)


@reduces("_asyncio.Task")
def _reduce_task(obj: Any, dumper: Dumper) -> Any:
    return _task(obj, type(obj), dumper)


def _state_of(obj: Any) -> list[Any]:
    found, show = tasks.words(), tasks.shown
    loop = found.read(obj, "loop")
    if loop is None:  # made, but its `__init__` has not run: C shows nothing of it
        return [None, None, False, None, None, [], [None] * len(_KEPT), [False, False], None, [], _own(obj)]
    state = show(obj, "_state")
    callbacks = [part for pair in show(obj, "_callbacks") or () for part in pair] if state == "PENDING" else []
    value = show(obj, "_result") if show(obj, "_exception") is None else show(obj, "_exception")
    failed = show(obj, "_exception") is not None
    message = show(obj, "_cancel_message")
    kept = [found.read(obj, name) for name in _KEPT]
    flags = [show(obj, "_log_traceback"), show(obj, "_asyncio_future_blocking")]
    waiters = list(show(obj, "_asyncio_awaited_by") or ()) if _TELLS_WAITERS else []
    debug = show(obj, "_source_traceback")
    return [loop, state, failed, value, message, callbacks, kept, flags, _placed(obj, debug), waiters, _own(obj)]


def _own(obj: Any) -> list[Any]:
    """What the program has set on it."""
    return [part for item in tasks.attributes(obj).items() for part in item]


_KEPT = ("cancelled", "traceback")


def _placed(obj: Any, value: Any) -> Any:
    """In debug mode, where a future was made; with the offset of the field that says so."""
    return None if value is None else [places_of(obj, value)[0], value]


@constructor
def new_future(base: Any, cls: type) -> Any:
    return base.__new__(cls)


@constructor
def fill_future(obj: Any, state: list[Any]) -> None:
    loop, now, failed, value, message, callbacks, kept, (logs, blocking), debug, waiters, own = state
    found, base = tasks.words(), tasks.module().Future
    tasks.attributes(obj).update((sys.intern(k), v) for k, v in zip(own[::2], own[1::2], strict=True))
    if now is None:
        return
    found.write(obj, "loop", loop)
    if now == "CANCELLED":
        base.cancel(obj)
    elif now == "FINISHED":
        (base.set_exception if failed else base.set_result)(obj, value)
    for callback, context in zip(callbacks[::2], callbacks[1::2], strict=True):
        base.add_done_callback(obj, callback, context=context)
    base._cancel_message.__set__(obj, message)
    for name, thing in zip(_KEPT, kept, strict=True):
        found.write(obj, name, thing)
    if not logs:
        base._log_traceback.__set__(obj, False)
    base._asyncio_future_blocking.__set__(obj, blocking)
    if debug is not None:
        store(obj, *debug)
    for waiter in waiters:
        tasks.module().future_add_to_awaited_by(obj, waiter)


@constructor
def fill_task(obj: Any, state: list[Any]) -> None:
    future, held, name, (must, logs, count) = state
    fill_future(obj, future)
    tasks.words().mark(obj)
    found, asyncio = tasks.words(), tasks.module()
    for field, value in zip(_HELD, held, strict=True):
        found.write(obj, field, value)
    asyncio.Task.set_name(obj, name)
    found.set_must(obj, must)
    found.set_count(obj, count)
    asyncio.Task._log_destroy_pending.__set__(obj, logs)
    if _IN_LIST and future[1] == "PENDING":
        asyncio._register_task(obj)


# What they put on a loop, and what waits for them


@reduces("builtins.TaskStepMethWrapper", "_asyncio.TaskStepMethWrapper")
def _reduce_step(step: Any, dumper: Dumper) -> Any:
    return task_step, tuple(contents(step))


@constructor
def task_step(task: Any, error: Any = None) -> Any:
    return tasks.words().step(task, error)


def _reduce_wakeup(function: Any, dumper: Dumper) -> Any:
    return (task_wakeup, (function.__self__,)) if tasks.is_wakeup(function) else None


@constructor
def task_wakeup(task: Any) -> Any:
    return tasks.words().wakeup(task)


UNNAMED["task_wakeup"] = _reduce_wakeup


@reduces("_asyncio.FutureIter")
def _reduce_iterator(iterator: Any, dumper: Dumper) -> Any:
    return future_iterator, tuple(contents(iterator))


@constructor
def future_iterator(future: Any = None) -> Any:
    return tasks.words().iterator(future)

"""Waiting in a plain function: `threads.wait(x)` is there what `await x` is in a coroutine.

It takes whatever can be awaited here: `lock.acquire()`, `channel.get()`, `thread.join()`, a coroutine of your own. The
kernel-level thread that calls it waits, and nothing else does. It may be a thread that was made by `spawn`, the
program's main thread, or any other.
"""

from __future__ import annotations

import _thread
import time
from collections.abc import Awaitable
from contextvars import copy_context
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sojourn.errors import UsageError
from sojourn.threads.lwp import Lwp
from sojourn.threads.parking import park, rest
from sojourn.threads.states import Step
from sojourn.threads.thread import Bell, Thread, Wait, carrier, carriers

if TYPE_CHECKING:
    from sojourn.threads.scheduler import Scheduler

T = TypeVar("T")
monotonic = time.monotonic


class Caller:
    """A kernel-level thread that is none of ours, while it waits: carrier and home of a thread for itself."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.bell = Bell()
        self.thread: Thread[Any] | None = Thread(scheduler, None, copy_context(), scheduler.root, "caller")
        self.thread.home = self

    def rouse(self) -> None:
        self.bell.ring()


def wait(awaitable: Awaitable[T], timeout: float | None = None) -> T:
    """Wait until it is done; its result. Raises TimeoutError after so many seconds, inside of what waits."""
    found = carrier()
    if found is None:
        from sojourn.threads.face import scheduler_of  # which knows the default one

        caller = Caller(scheduler_of())
        if (witness := caller.scheduler.witness) is not None and caller.thread is not None:
            witness.begin(caller.thread.number)
            witness.step(caller.thread.number, Step.TAKEN)
        carriers[_thread.get_ident()] = caller
        try:
            return _wait(awaitable, timeout, caller)
        finally:
            carriers.pop(_thread.get_ident(), None)
            if witness is not None and caller.thread is not None:
                witness.step(caller.thread.number, Step.RETURNED)
    if not isinstance(found, (Lwp, Caller)) or found.thread is None or found.thread.coroutine is not None:
        raise UsageError("threads.wait() would block the LWP that carries this coroutine", advice="use await")
    return _wait(awaitable, timeout, found)


def _wait(awaitable: Awaitable[T], timeout: float | None, home: Lwp | Caller) -> T:
    thread = home.thread
    assert thread is not None
    witness = home.scheduler.witness
    until = None if timeout is None else monotonic() + timeout
    steps: Any = awaitable if type(awaitable) in (CoroutineType, GeneratorType) else awaitable.__await__()
    error: BaseException | None = None
    while True:
        try:
            if error is None and thread.pending is not None:
                error = thread.next_error()
            one = cast("Wait | None", steps.send(None) if error is None else steps.throw(error))
        except StopIteration as stop:
            return stop.value
        error = None
        if one is None:
            time.sleep(0)
            continue
        limited = until is not None and (one.until is None or one.until > until)
        if limited:
            one.until = until
        park(thread, one)
        try:
            done = rest(home.bell, one)
        except BaseException as interrupted:  # Ctrl-C, or a cancellation between two lines
            error, one.until = interrupted, None
            if one.claim():
                one.wake()
            done = rest(home.bell, one)
        if witness is not None:
            witness.step(thread.number, Step.TAKEN)
        if not done and limited:
            error = TimeoutError(f"not done within {timeout:g} s")

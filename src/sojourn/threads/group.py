"""Structured threads: a group waits for its own and cancels them; a timeout cancels what takes too long.

    async with threads.Group() as group:
        for url in urls:
            group.spawn(fetch, url)
    # here all of them have ended

Guarantees. The block is not left while a thread of the group is alive. When one fails, the others and the block
itself are cancelled, and all that failed is raised as one `ExceptionGroup`. When the block is cancelled from outside,
so are they. A thread belongs to one group for ever; what `threads.spawn` makes belongs to the scheduler's own, which
`threads.run` waits for.

A cancellation is delivered once, as in asyncio, at the next wait: who catches it and goes on is not cancelled again
by it. Rejected: one that is raised at every wait until the thread ends (trio). It needs shields around every clean-up
that waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sojourn.errors import UsageError, WrongState
from sojourn.threads.thread import Cancelled, Steps, Thread, Wait, carrier, guard, operation

if TYPE_CHECKING:
    pass

monotonic = time.monotonic


def current() -> Thread[Any]:
    """The thread that calls this. Raises WrongState outside of all threads."""
    found = carrier()
    if found is None or found.thread is None:
        raise WrongState("this is no thread of a scheduler", advice="call it below threads.run() or threads.spawn()")
    return found.thread


class Group:
    """`async with Group() as group`: see the module.

    Args:
        name: for `threads.dump()`.
        timeout: seconds after which the whole block is cancelled, and `TimeoutError` is raised.
    """

    def __init__(self, name: str | None = None, timeout: float | None = None) -> None:
        self.name = name
        self.timeout = timeout
        self.owner: Thread[Any] | None = None
        self.children: set[Thread[Any]] = set()
        self.errors: list[BaseException] = []
        self.waiter: Wait | None = None
        self.open = False
        self._limit: Timeout | None = None
        self._stop: Cancelled | None = None  # what we have raised in the owner

    def spawn(self, target: Callable[..., Any], *args: Any, name: str | None = None, **keywords: Any) -> Thread[Any]:
        """A new thread of this group; as `threads.spawn`."""
        owner = self.owner
        if owner is None or not self.open:
            raise WrongState("the group is not open", advice="spawn inside of its `async with` block")
        return owner.scheduler.spawn_in(self, target, args, keywords, name)

    def cancel(self, reason: str = "") -> None:
        """Cancel every thread of the group that is alive now. The block itself goes on."""
        for thread in list(self.children):
            thread.cancel(reason)

    def enqueue(self, wait: Wait) -> bool:
        """The owner waits until nobody is left."""
        self.waiter = wait
        with guard:  # so that who leaves sees the waiter, or we see that he has left
            empty = not self.children
        return not (empty and wait.claim())

    def left(self, thread: Thread[Any]) -> None:
        """One of us has ended."""
        if thread.unseen is not None and thread.error is not None:  # it has failed
            thread.unseen.seen = True
            self.errors.append(thread.error)
            self._give_up()
        self.children.discard(thread)  # the last that we do before the owner may go on
        if not self.children and (waiter := self.waiter) is not None and waiter.claim():
            waiter.wake()

    def _give_up(self) -> None:
        """One has failed: the others are not wanted any more."""
        with guard:
            if self._stop is not None:
                return
            self._stop = Cancelled("another thread of the group failed", self)
        self.cancel("another thread of the group failed")
        if self.open and self.owner is not None:
            self.owner.interrupt(self._stop)

    async def __aenter__(self) -> Group:
        if self.owner is not None:
            raise UsageError("a group is used once", advice="make another Group()")
        self.owner = current()
        self.owner.scheduler.groups[self] = self.owner
        self.open = True
        if self.timeout is not None:
            self._limit = Timeout(self.timeout)
            self._limit.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        assert self.owner is not None
        given = error
        if error is not None:
            self.cancel("its group's block was left by an exception")
        while self.children:
            try:
                await self._empty()
            except BaseException as raised:  # while we wait: a cancellation, ours or from outside; or a deadlock
                self.cancel("its group was cancelled")
                if error is None or getattr(raised, "scope", None) is not self:
                    error = raised
        self.open = False
        self.owner.scheduler.groups.pop(self, None)
        if self._stop is not None:
            self.owner.withdraw(self._stop)
        if self._limit is not None and self._limit.left(error):
            error = TimeoutError(self._limit.text)
        if isinstance(error, Cancelled) and error.scope is self:
            error = None  # our own, because of the errors below
        if isinstance(error, Cancelled) and self.errors:  # whoever cancelled us is told by the same exception
            error.add_note(f"and {len(self.errors)} threads of the group failed, first: {self.errors[0]!r}")
        elif self.errors:
            what = f"in group {self.name}" if self.name else "in a group of threads"
            raise BaseExceptionGroup(what, self.errors if error is None else [error, *self.errors])
        if error is given:
            return False
        if error is not None:
            raise error
        return True

    @operation
    def _empty(self) -> Steps[None]:
        yield Wait(self)


class Timeout:
    """`with threads.timeout(seconds):` what waits longer in the block is cancelled, and `TimeoutError` raised behind
    it.

    It measures the block as a whole, and nests. `reschedule(seconds)` sets it anew, from now on.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self.until: float | None = None
        self.expired = False
        self._thread: Thread[Any] | None = None
        self._stop: Cancelled | None = None
        self._alarm: Alarm | None = None

    @property
    def text(self) -> str:
        return f"not done within {self._seconds:g} s"

    def __enter__(self) -> Timeout:
        if self._thread is not None:
            raise UsageError("a timeout is used once", advice="make another with threads.timeout()")
        self._thread = current()
        self.reschedule(self._seconds)
        return self

    def reschedule(self, seconds: float | None) -> None:
        """So long from now on; None: without limit."""
        thread = self._thread
        if thread is None:
            raise WrongState("the timeout has not begun", advice="call it inside of its `with` block")
        if self._alarm is not None:
            self._alarm.over = True
        self._seconds = seconds
        self.until = self._alarm = None
        if seconds is not None:
            self.until = monotonic() + seconds
            self._alarm = Alarm(self._expire)
            thread.scheduler.at(self.until, self._alarm)

    def _expire(self) -> None:
        with guard:
            if self._thread is None or self._stop is not None:
                return
            self.expired = True
            self._stop = Cancelled(self.text, self)
            wait = self._thread.note(self._stop)  # at once, so that who leaves the block finds it
        self._thread.hear(wait)

    def left(self, error: BaseException | None) -> bool:
        """The block is over. True: by our doing."""
        thread = self._thread
        assert thread is not None
        if self._alarm is not None:
            self._alarm.over = True
        with guard:
            stop, self._stop = self._stop, self._stop or Cancelled()  # from now on it cannot expire
        if stop is None:
            return False
        thread.withdraw(stop)
        return error is stop

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.left(error):
            raise TimeoutError(self.text) from error


class Alarm:
    """Something to be called at a time, on an LWP."""

    __slots__ = ("action", "over")

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.over = False

    def fire(self) -> None:
        if not self.over:
            self.action()


def timeout(seconds: float | None) -> Timeout:
    """A block of limited time: see `Timeout`. None: without limit."""
    return Timeout(seconds)

"""Lock, Condition, Event, Semaphore: between threads of any kind, user-level and kernel-level.

Code between two awaits is *not* atomic here, unlike in asyncio: several LWPs run threads at once, and an LWP may be
taken off the interpreter at any bytecode. What threads share needs a lock, as with any threads.

Theory. Each primitive has a guard, a lock of the kernel that is held for a few bytecodes and never over a wait. Who
has to wait stands in a queue (`Waiters`), first come, first served; what is released is handed to the first who can
still be claimed, under the guard, so that nobody can come in between. A coroutine awaits the operations; a plain
function says `threads.wait(lock.acquire())`. Operations that cannot wait (`release`, `set`, `notify`) are ordinary
calls, from anywhere but a handler of signals, which may have interrupted the very guard it would wait for: there,
`threads.post(event.set)`.
"""

from __future__ import annotations

import _thread
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from sojourn.errors import UsageError, WrongState
from sojourn.threads import orders
from sojourn.threads.thread import Steps, Thread, Wait, carrier, operation


class Waiters:
    """Who waits, in order. Under the guard of its owner."""

    __slots__ = ("_purge_at", "queue")

    def __init__(self) -> None:
        self.queue: deque[Wait] = deque()
        self._purge_at = 32

    def add(self, wait: Wait) -> None:
        queue = self.queue
        if len(queue) >= self._purge_at:  # those who were cancelled stay until now
            live = [each for each in queue if not each.over]
            queue.clear()
            queue.extend(live)
            self._purge_at = max(32, 2 * len(live))
        queue.append(wait)

    def claim(self) -> Wait | None:
        """The first who still waits; the caller wakes it up, after the guard."""
        queue = self.queue
        while queue:
            wait = queue.popleft()
            if wait.claim():
                return wait
        return None

    def claim_all(self) -> list[Wait]:
        claimed = [wait for wait in self.queue if wait.claim()]
        self.queue.clear()
        return claimed

    def waiting(self) -> list[Thread[Any]]:
        return [wait.thread for wait in list(self.queue) if not wait.over]

    def __len__(self) -> int:
        return sum(not wait.over for wait in list(self.queue))


def _me() -> Thread[Any] | None:
    found = carrier()
    return None if found is None else found.thread


class Held(ABC):
    """What `async with` holds: acquired before the block, released however that ends."""

    @abstractmethod
    def acquire(self) -> Steps[None]: ...

    @abstractmethod
    def release(self) -> None: ...

    @operation
    def __aenter__(self) -> Steps[Self]:
        yield from self.acquire()
        return self

    @operation
    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Steps[None]:
        self.release()
        return
        yield


class Lock(Held):
    """Mutual exclusion: `async with lock`. Fair; not reentrant.

    Args:
        name: for reports.
        rank: in debug mode a thread may only take locks of a higher rank than those that it holds.
    """

    def __init__(self, name: str | None = None, rank: int | None = None) -> None:
        self.name = name
        self.rank = rank
        self._guard = _thread.allocate_lock()
        self._waiters = Waiters()
        self._locked = False
        self.owner: Thread[Any] | None = None  # who has it; None also while it is a thread that is none of ours

    @operation
    def acquire(self) -> Steps[None]:
        """Wait until it is ours."""
        me = _me()
        if me is not None and me.scheduler.debug:
            orders.before(self, me)
        with self._guard:
            free = not self._locked
            if free:
                self._locked = True
                self.owner = me
        if not free:
            yield Wait(self)
        if me is not None and me.scheduler.debug:
            orders.after(self, me)

    def try_acquire(self) -> bool:
        """Take it if it is free."""
        with self._guard:
            if self._locked:
                return False
            self._locked = True
            self.owner = _me()
        return True

    def release(self) -> None:
        """Hand it to the first who waits."""
        if (owner := self.owner) is not None and owner.scheduler.debug:
            orders.left(self, owner)
        with self._guard:
            if not self._locked:
                raise WrongState(f"{self!r} is not held", advice="release it once for each acquire")
            wait = self._waiters.claim()
            self.owner = None if wait is None else wait.thread
            self._locked = wait is not None
        if wait is not None:
            wait.wake()

    def locked(self) -> bool:
        return self._locked

    def enqueue(self, wait: Wait) -> bool:
        with self._guard:
            if self._locked:
                self._waiters.add(wait)
                return True
            if not wait.claim():
                return True
            self._locked = True
            self.owner = wait.thread
            return False

    def waiting(self) -> list[Thread[Any]]:
        return self._waiters.waiting()

    def __repr__(self) -> str:
        held = f"held by {self.owner.name}" if self.owner is not None else "held" if self._locked else "free"
        return f"<lock {self.name or hex(id(self))} {held}>"


class Event:
    """Something that happens once, or until it is cleared."""

    def __init__(self) -> None:
        self._guard = _thread.allocate_lock()
        self._waiters = Waiters()
        self._set = False

    @operation
    def wait(self) -> Steps[None]:
        """Wait until it is set."""
        if not self._set:
            yield Wait(self)

    def set(self) -> None:
        """It has happened: all who wait go on."""
        with self._guard:
            self._set = True
            claimed = self._waiters.claim_all()
        for wait in claimed:
            wait.wake()

    def clear(self) -> None:
        with self._guard:
            self._set = False

    def is_set(self) -> bool:
        return self._set

    def enqueue(self, wait: Wait) -> bool:
        with self._guard:
            if not self._set:
                self._waiters.add(wait)
                return True
            return not wait.claim()

    def __repr__(self) -> str:
        return f"<event {'set' if self._set else f'awaited by {len(self._waiters)}'}>"


class Semaphore(Held):
    """So many may pass at a time: `async with semaphore`. Fair.

    Args:
        value: permits at the start.
        bound: how many there are at most; to release more is an error.
    """

    def __init__(self, value: int = 1, bound: int | None = None) -> None:
        if value < 0 or (bound is not None and value > bound):
            raise UsageError(f"a semaphore cannot have {value} permits" + (f" of {bound}" if bound is not None else ""))
        self._guard = _thread.allocate_lock()
        self._waiters = Waiters()
        self._value = value
        self._bound = bound

    @property
    def value(self) -> int:
        return self._value

    @operation
    def acquire(self) -> Steps[None]:
        if not self.try_acquire():
            yield Wait(self)

    def try_acquire(self) -> bool:
        with self._guard:
            if self._value > 0:
                self._value -= 1
                return True
            return False

    def release(self, count: int = 1) -> None:
        woken: list[Wait] = []
        with self._guard:
            if self._bound is not None and self._value + count > self._bound:
                raise WrongState(f"the semaphore has only {self._bound} permits", advice="release each once")
            for _ in range(count):
                if (wait := self._waiters.claim()) is None:
                    self._value += 1
                else:
                    woken.append(wait)
        for wait in woken:
            wait.wake()

    def enqueue(self, wait: Wait) -> bool:
        with self._guard:
            if self._value == 0:
                self._waiters.add(wait)
                return True
            if not wait.claim():
                return True
            self._value -= 1
            return False

    def __repr__(self) -> str:
        return f"<semaphore with {self._value} permits, awaited by {len(self._waiters)}>"


class Condition(Held):
    """Wait until something is so that others change, under a lock: `async with condition: await condition.wait()`."""

    def __init__(self, lock: Lock | None = None) -> None:
        self.lock = lock or Lock()
        self._guard = _thread.allocate_lock()
        self._waiters = Waiters()

    def acquire(self) -> Steps[None]:
        return self.lock.acquire()

    def release(self) -> None:
        self.lock.release()

    @operation
    def wait(self) -> Steps[None]:
        """Let the lock go, wait to be notified, take it again. It is held again however this ends."""
        if not self.lock.locked():
            raise WrongState("the condition's lock is not held", advice="wait inside of `async with condition`")
        one = Wait(self)
        try:
            yield one
        finally:
            yield from _again(self.lock)

    @operation
    def wait_for(self, predicate: Callable[[], Any]) -> Steps[Any]:
        """Wait until the predicate is true; its value."""
        while not (value := predicate()):
            yield from self.wait()
        return value

    def notify(self, count: int = 1) -> None:
        """Let so many go on, once they can have the lock, which the caller holds."""
        self._held()
        woken: list[Wait] = []
        with self._guard:
            while len(woken) < count and (wait := self._waiters.claim()) is not None:
                woken.append(wait)
        for wait in woken:
            wait.wake()

    def notify_all(self) -> None:
        self._held()
        with self._guard:
            woken = self._waiters.claim_all()
        for wait in woken:
            wait.wake()

    def _held(self) -> None:
        if not self.lock.locked():
            raise WrongState("the condition's lock is not held", advice="notify inside of `async with condition`")

    def enqueue(self, wait: Wait) -> bool:
        with self._guard:
            self._waiters.add(wait)
        self.lock.release()  # not before we stand in the queue, else a notification would be lost
        return True

    def __repr__(self) -> str:
        return f"<condition awaited by {len(self._waiters)}, {self.lock!r}>"


@operation
def _again(lock: Lock) -> Steps[None]:
    """Take the lock, whatever comes meanwhile; then say what came."""
    interrupted: BaseException | None = None
    while True:
        try:
            yield from lock.acquire()
            break
        except BaseException as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted

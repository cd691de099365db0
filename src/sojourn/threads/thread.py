"""A thread's handle, and how it waits.

Theory. What a thread waits in is one `Wait`: armed when its coroutine stands still, *claimed* by whoever ends it:
what it waits for, a timer, or an interruption. A claim is one `pop` of a list with one element, which is atomic with
an interpreter lock and without one; of several who try, one has it, and that one puts the thread into a run queue. So
nothing is woken up twice, and nothing that was given (a lock, an item) goes to somebody who was cancelled at the same
moment: the giver claims first, and gives afterwards. An operation that has been completed is not cancelled; the next
one is.

A primitive's coroutine yields its `Wait`, and who carries the thread enqueues it at the `source`: not before the
coroutine is suspended, since from then on another LWP may go on with it. A bare `yield` is a switch.

Two kinds of threads have this handle. A *user-level* one is a coroutine, resumed by whichever LWP finds it. A
*kernel-level* one is a plain function on an LWP of its own, its `home`, and so is a user-level one that was pinned.
"""

from __future__ import annotations

import _thread
import sys
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, cast

from sojourn.errors import WrongState
from sojourn.threads.states import State, Step
from sojourn.threads.unseen import Unseen
from sojourn.threads.verdicts import Offences

if TYPE_CHECKING:
    from sojourn.threads.group import Group
    from sojourn.threads.scheduler import Scheduler

T = TypeVar("T")
P = ParamSpec("P")
Steps = Generator["Wait | None", None, T]  # what a primitive is inside: yields what it waits for

if TYPE_CHECKING:

    class Operation(Steps[T], Awaitable[T]):
        """What a primitive is outside: awaited, or gone on with by another primitive."""


def operation(function: Callable[P, Steps[T]]) -> Callable[P, Operation[T]]:
    """Makes a primitive of a generator."""
    return cast("Callable[P, Operation[T]]", types.coroutine(function))


numbers = count(1)
guard = _thread.allocate_lock()  # of what is rare: interruptions, and who carries what


class Cancelled(BaseException):
    """Raised in a thread that was cancelled, where it waits. Clean up, and let it through.

    `scope`: who asked for it, so that a timeout or group knows its own.
    """

    def __init__(self, message: str = "", scope: object = None) -> None:
        super().__init__(message)
        self.scope = scope


class Source(Protocol):
    """What a thread can wait for."""

    def enqueue(self, wait: Wait) -> bool:
        """The wait's thread stands still. False: it need not, since the source has just claimed its wait itself."""
        ...


class Home(Protocol):
    """Who alone resumes a thread."""

    def rouse(self) -> None:
        """Look again at what you wait for."""
        ...


class Bell:
    """What a kernel-level thread waits at. It may ring for nothing: who waits looks again at what it waits for."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()

    def ring(self) -> None:
        try:
            self._lock.release()
        except RuntimeError:  # it has been rung, and not been heard yet
            pass

    def heard(self, seconds: float | None = None) -> bool:
        """Wait until it is rung, but not longer than so."""
        return self._lock.acquire(timeout=-1 if seconds is None else max(0.0, seconds))


class Wait:
    """One thing that one thread waits for, once."""

    __slots__ = ("armed", "interrupted", "source", "thread", "until", "value")

    thread: Thread[Any]

    def __init__(self, source: Source | None, until: float | None = None) -> None:
        self.source = source
        self.until = until  # of the monotonic clock
        self.armed: list[None] | None = None
        self.interrupted = False  # it was claimed by an interruption
        self.value: Any = None  # what the claimer gives

    def claim(self) -> bool:
        """Whether it is the caller who ends this wait."""
        armed = self.armed
        if not armed:
            return False
        try:
            armed.pop()
        except IndexError:  # somebody else was a moment earlier
            return False
        return True

    def wake(self) -> None:
        """Goes with a successful `claim`, after `value` was set."""
        thread = self.thread
        self.armed = None  # by which a home that is called early sees that it is so
        scheduler = thread.scheduler
        if thread.home is None and scheduler.witness is None:  # `ready`, without the call
            scheduler.put(thread)
        else:
            scheduler.ready(thread)

    def fire(self) -> None:
        """Its time has come."""
        if self.claim():
            self.wake()

    @property
    def over(self) -> bool:
        return not self.armed


class Carrier(Protocol):
    """A kernel-level thread that may be in the middle of a thread's code: an LWP, or a caller of `threads.wait`."""

    thread: Thread[Any] | None

    @property
    def scheduler(self) -> Scheduler: ...


carriers: dict[int, Carrier] = {}  # by `get_ident()`


def carrier() -> Carrier | None:
    """What carries the caller, if it is in a thread of ours."""
    found = carriers.get(_thread.get_ident())
    return found if found is not None or not carriers else _found_again()


def _found_again() -> Carrier | None:
    """An LWP whose ident has changed, since the process was moved, stands further out on its own stack."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        own = frame.f_locals.get("self") if frame.f_code.co_name in CARRYING else None
        if own is not None and own in list(carriers.values()):
            with guard:
                for ident in [ident for ident, each in carriers.items() if each is own]:
                    del carriers[ident]
                carriers[_thread.get_ident()] = own
            return own
        frame = frame.f_back
    return None


CARRYING = frozenset({"carry", "drive", "call"})  # the methods of carriers below which threads run


class Thread(Generic[T]):
    """A thread: `join`, `result`, `cancel`, `name`, `state`. Made by `spawn`, never directly."""

    __slots__ = (
        "__weakref__", "context", "coroutine", "ended", "error", "function", "given", "group", "home", "joiners",
        "local", "number", "offences", "origin", "pending", "scheduler", "switches", "unseen", "value", "wait", "what",
    )  # fmt: skip

    def __init__(
        self,
        scheduler: Scheduler,
        coroutine: Coroutine[Any, Any, T] | None,
        context: Context,
        group: Group,
        given: str | None,
    ) -> None:
        self.scheduler = scheduler
        self.coroutine = coroutine  # of a user-level thread, until it ends
        self.context: Context | None = context  # until it ends
        self.group = group
        self.given = given  # its name, if it was given one
        self.what: str | None = None  # its function's name, once it has ended
        self.number: int = next(numbers)
        self.switches = 0  # how often it was resumed; the monitor sees by it that it gets on
        self.wait: Wait | None = None  # the latest
        self.pending: list[BaseException] | None = None  # interruptions to be delivered; changed under `guard`
        self.home: Home | None = None
        self.function: Callable[[], T] | None = None  # of a kernel-level thread, until it ends
        self.ended: State | None = None
        self.value: T | None = None
        self.error: BaseException | None = None
        self.unseen: Unseen | None = None
        self.joiners: list[Wait] | None = None
        self.offences: Offences | None = None
        self.local: dict[Any, Any] | None = None  # of `threads.Local`
        self.origin: tuple[str, int] | None = None  # where it was spawned, in debug mode

    # what users call

    @property
    def name(self) -> str:
        """Given, or made from the function's name."""
        if self.given is not None:
            return self.given
        what = self.what
        if what is None:
            code = self.function or self.coroutine
            what = getattr(code, "__qualname__", None) or type(code).__name__
        return f"{what}-{self.number}"

    @name.setter
    def name(self, name: str) -> None:
        self.given = name

    @property
    def state(self) -> State:
        """What it does at this moment; by the time you read it, it may do something else."""
        if self.ended is not None:
            return self.ended
        return self.scheduler.state_of(self)

    @property
    def alive(self) -> bool:
        return self.ended is None

    def result(self) -> T:
        """What it returned. Raises what it raised, WrongState while it is alive, Cancelled when it was cancelled."""
        if self.ended is None:
            raise WrongState(f"{self.name} has not ended", advice="await its join() first")
        if self.unseen is not None:
            self.unseen.seen = True
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]

    @operation
    def join(self) -> Steps[T]:
        """Wait for its end: its result, or what it raised. A plain function writes `threads.wait(thread.join())`."""
        if self.ended is None:
            yield Wait(self)
        return self.result()

    def __await__(self) -> Steps[T]:
        return (yield from self.join())

    @operation
    def finished(self) -> Steps[None]:
        """Wait for its end, however it ends."""
        if self.ended is None:
            yield Wait(self)

    def cancel(self, reason: str = "") -> bool:
        """Raise `Cancelled` where it waits, or where it will wait next. False: it has ended already.

        A kernel-level thread that does not wait in an operation of this package gets it at its next line of Python;
        nothing can reach into a blocking call.
        """
        return self.interrupt(Cancelled(reason or f"{self.name} was cancelled"))

    def __repr__(self) -> str:
        return f"<thread {self.name} {self.state}>"

    # what the package calls

    def interrupt(self, error: BaseException) -> bool:
        """Raise `error` in it at its next wait. False: it has ended."""
        with guard:
            if self.ended is not None:
                return False
            wait = self.note(error)
        self.hear(wait)
        return True

    def note(self, error: BaseException) -> Wait | None:
        """Under the guard: `error` is pending. What the thread waits in now goes to `hear`, after the guard: later it
        may have heard of the error already, and wait for something else.
        """
        if self.pending is None:
            self.pending = [error]
        else:
            self.pending.append(error)
        return self.wait

    def hear(self, wait: Wait | None) -> None:
        """End that wait, if it is not over, because of what is pending."""
        if wait is not None and wait.claim():
            wait.interrupted = True
            wait.wake()
        elif self.function is not None:
            self.scheduler.break_in(self)

    def withdraw(self, error: BaseException) -> bool:
        """Not `error` after all. False: it is not pending."""
        with guard:
            if self.pending is None or error not in self.pending:
                return False
            self.pending.remove(error)
            if not self.pending:
                self.pending = None
            return True

    def next_error(self) -> BaseException | None:
        """The interruption to be raised now, if any: not after an operation that has been completed."""
        wait, self.wait = self.wait, None
        if wait is not None and not wait.interrupted:
            return None
        with guard:
            if self.pending is None:
                return None
            error = self.pending.pop(0)
            if not self.pending:
                self.pending = None
            return error

    def enqueue(self, wait: Wait) -> bool:
        """Somebody waits for its end."""
        if self.joiners is None:
            with guard:
                if self.joiners is None:
                    self.joiners = []
        self.joiners.append(wait)
        return not (self.ended is not None and wait.claim())

    def end(self, state: State, value: T | None, error: BaseException | None) -> None:
        """It has ended. On whatever carried it; nothing of it runs any more."""
        if (coroutine := self.coroutine) is not None:
            self.what = coroutine.__qualname__
            self.coroutine = None
        elif (function := self.function) is not None:
            self.what = getattr(function, "__qualname__", type(function).__name__)
            self.function = None
        self.context = self.wait = None
        self.value = value
        self.error = error
        if error is not None and state is State.FAILED:
            self.unseen = Unseen(self.name, error)
            if error.__traceback__ is not None:  # without the frame that carried it, which says nothing
                error.__traceback__ = error.__traceback__.tb_next
            spawned = f", spawned at {self.origin[0]}:{self.origin[1]}" if self.origin is not None else ""
            error.add_note(f"in thread {self.name}{spawned}")
        if (witness := self.scheduler.witness) is not None:
            witness.step(self.number, ENDING[state])
        self.ended = state
        self.group.left(self)
        if self.joiners is not None:
            while self.joiners:
                wait = self.joiners.pop()
                if wait.claim():
                    wait.wake()


End = tuple[State, Any, BaseException | None]  # how a thread has ended: what it has returned, or raised


def outcome(raised: BaseException) -> End:
    """Of a coroutine, which ends by an exception in any case."""
    if isinstance(raised, StopIteration):
        return State.DONE, raised.value, None
    return (State.CANCELLED if isinstance(raised, Cancelled) else State.FAILED), None, raised


ENDING = {State.DONE: Step.RETURNED, State.FAILED: Step.RAISED, State.CANCELLED: Step.STOPPED}


@operation
def switch() -> Steps[None]:
    """Let the other threads run; go on when it is this one's turn again."""
    yield None

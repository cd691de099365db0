"""The scheduler: processors and the LWPs that have them, and how threads come to run.

The four kinds are one machine with parts left out, so that what they cost can be compared.

| kind | LWPs that carry coroutines | monitor |
|---|---|---|
| `user` | one: the kernel-level thread that calls `run` | none: a blocking call stalls all |
| `kernel` | one for each thread | none: nobody waits for anybody |
| `hybrid` | a few, fixed | none: each blocking call costs one of them while it lasts |
| `activations` | as many as can run, and further ones while some are blocked | hands processors on |

A plain function is a kernel-level thread under every kind.

How many processors: on an interpreter with a lock more than one gains nothing and costs switches, so `activations` has
one there, and as many as there are cores elsewhere.

Who wakes whom. A thread that becomes ready is put into the queue of the LWP on which that happens, or else into the
`inbox`, which all look into. An LWP that waits stands in `idlers`: whoever takes it out rings its bell, once. It
looks for work again after it has put itself there, so whatever came before that is seen by it, and what comes after
sees it.

At the end, `run` cancels what is still alive when the main thread is over, and waits for it.
"""

from __future__ import annotations

import _thread
import os
import sys
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from types import CoroutineType
from typing import Any, TypeVar

from sojourn.errors import UsageError, WrongState
from sojourn.threads import breaking, endings, probe
from sojourn.threads.group import Alarm, Group
from sojourn.threads.kinds import COROUTINE, Kind, caller, flags_of
from sojourn.threads.lwp import Lwp
from sojourn.threads.monitor import Monitor
from sojourn.threads.parking import Processor
from sojourn.threads.poller import Poller, make_poller
from sojourn.threads.states import State, Step, Witness
from sojourn.threads.thread import Thread, Wait, carrier, carriers, guard
from sojourn.threads.verdicts import Rules

T = TypeVar("T")
FEW = 4  # LWPs of a hybrid scheduler, unless told otherwise

Chore = Callable[[Processor], None]  # something that an LWP is to do, which has this processor


class Root(Group):
    """The scheduler's own group: what `threads.spawn` makes."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__("root")
        self._scheduler = scheduler

    def left(self, thread: Thread[Any]) -> None:
        scheduler = self._scheduler
        if thread is scheduler.main:
            scheduler.close()
        self.children.discard(thread)
        if isinstance(thread.error, (KeyboardInterrupt, SystemExit)) and thread is not scheduler.main:
            scheduler.fatal = scheduler.fatal or thread.error
            scheduler.close()
        if scheduler.closing and not self.children:
            scheduler.finish()


class Scheduler:
    """What carries threads. `threads.run` makes one; so may you, to have it running beside other code:

        with threads.Scheduler() as scheduler:
            thread = scheduler.spawn(work, 1, 2)
            ...

    Args:
        kind: `user`, `kernel`, `hybrid` or `activations`.
        lwps: how many LWPs carry coroutines at once; by kind and interpreter when left out.
        rules: how patient the monitor is.
        warn: seconds from which on a blocking call is told as a `BlockingWarning`; None: never.
        debug: check every step against the tables of states, note where threads are spawned, hold locks to their ranks,
            and report deadlocks.
        portable: use `selectors` for descriptors, also where there is epoll.
    """

    def __init__(
        self,
        kind: Kind | str = Kind.ACTIVATIONS,
        lwps: int | None = None,
        *,
        rules: Rules | None = None,
        warn: float | None = None,
        debug: bool = False,
        portable: bool = False,
    ) -> None:
        try:
            self.kind = Kind(kind)
        except ValueError:
            raise UsageError(f"there is no kind {kind!r}", advice=f"one of: {', '.join(Kind)}") from None
        if lwps is not None and (lwps < 1 or (lwps > 1 and self.kind in (Kind.USER, Kind.KERNEL))):
            raise UsageError(f"{lwps} LWPs cannot carry threads of the kind {self.kind}")
        self.rules = rules or Rules()
        self.warn = warn
        self.debug = debug
        self.witness = Witness() if debug else None
        self.locked = probe.has_lock()
        cores = os.cpu_count() or 1
        default = {Kind.HYBRID: FEW, Kind.ACTIVATIONS: 1 if self.locked else cores}.get(self.kind, 1)
        self.processors = [Processor(number) for number in range(lwps or default)]
        self.shared = len(self.processors) > 1  # there is somebody to steal from
        # An LWP that waits is woken up for what another one has in its queue: not under a lock if the monitor hands
        # on what waits too long, since two who want the lock only keep each other from it.
        self._eager = self.shared and not (self.locked and self.kind is Kind.ACTIVATIONS)
        self.inbox: deque[Thread[Any] | Chore] = deque()
        self.idlers: deque[Lwp] = deque()
        self.spares: deque[Lwp] = deque()
        self.lwps: dict[int, Lwp] = {}  # by number
        self.leaving: list[Lwp] = []  # those that are on their last lines
        self.poller: Poller = make_poller(portable, self.rouse)
        self.monitor: Monitor | None = None
        self.root = Root(self)
        self.groups: dict[Group, Thread[Any]] = {}  # those that are open, with their owners
        self.main: Thread[Any] | None = None
        self.caller = 0  # the ident of the kernel-level thread that waits in `run`
        self.looking = _thread.allocate_lock()  # of the LWP that looks for a deadlock
        self.fatal: BaseException | None = None  # raised in a thread that is not main, and ends the program
        self.closing = False  # no new threads
        self.stopping = False  # no thread is left
        self._lends = self.kind is Kind.KERNEL  # an LWP to each; looked up here, since enums are slow up to 3.11
        self.hears = self.kind is Kind.USER  # its LWP is the caller, which has signals to handle
        self.forked = False  # we are in a child that has nothing of it
        self.over = _thread.allocate_lock()  # released when the last thread has ended
        self.over.acquire()
        self.pid = 0
        self.enders: list[Callable[[], object]] = []  # what is to be done when it has stopped

    # life

    def start(self) -> Scheduler:
        """Begin to carry threads, in the background."""
        if self.pid:
            raise WrongState("a scheduler is used once", advice="make another Scheduler()")
        if self.kind is Kind.USER:
            raise WrongState("a scheduler of the kind `user` has no thread of its own", advice="use its run()")
        self.begin()
        for processor in self.processors:
            self.seat(processor)
        if self.kind is Kind.ACTIVATIONS:
            self.monitor = Monitor(self)
            self.monitor.start()
        return self

    def begin(self) -> None:
        """From now on it takes threads."""
        self.pid = os.getpid()
        self.root.open = True
        endings.register(self)

    def carry_here(self) -> None:
        """Kind `user`: the caller is the LWP, until the last thread has ended."""
        lwp = Lwp(self)
        self.lwps[lwp.number] = lwp
        lwp.processor = self.processors[0]
        before = carriers.get(_thread.get_ident())
        lwp.enrol()
        try:
            lwp.carry()
        finally:
            lwp.leave()
            if before is not None:
                carriers[_thread.get_ident()] = before

    def close(self) -> None:
        """No new threads; those that are alive are cancelled. When the last has ended, it stops."""
        with guard:
            if self.closing:
                return
            self.closing = True
        self.root.cancel("the scheduler ends")
        if not self.root.children:
            self.finish()

    def finish(self) -> None:
        """No thread is left: LWPs end."""
        with guard:
            if self.stopping:
                return
            self.stopping = True
        while self.rouse():
            pass
        while self.spares:
            try:
                self.spares.pop().rouse()
            except IndexError:
                break
        self.over.release()

    def stop(self, grace: float | None = None) -> list[Thread[Any]]:
        """Cancel everything, wait until it has ended, but not longer than `grace`; who is still alive then."""
        self.close()
        ended = self.over.acquire(timeout=-1 if grace is None else grace)
        left = [] if ended else list(self.root.children)
        if not ended:
            self.stopping = True
            while self.rouse():
                pass
        self.put_away(wait=ended)
        return left

    def fail(self, error: BaseException) -> None:
        """An error of ours: it is raised by `run`, and nothing goes on."""
        self.fatal = self.fatal or error
        self.closing = True
        self.finish()

    def abandon(self) -> None:
        """End at once, whatever becomes of its threads."""
        self.closing = self.stopping = True
        while self.rouse():
            pass
        endings.unregister(self)

    def put_away(self, *, wait: bool = True) -> None:
        """End what the scheduler has of the operating system."""
        if self.monitor is not None:
            self.monitor.stop()
        if wait:
            with guard:
                left = [*self.lwps.values(), *self.leaving]
            for lwp in left:
                lwp.join()
            self.leaving.clear()
        for ender in self.enders:
            ender()
        self.poller.close()
        endings.unregister(self)

    def __enter__(self) -> Scheduler:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # threads

    def spawn(self, target: Callable[..., Any], *args: Any, name: str | None = None, **keywords: Any) -> Thread[Any]:
        """A new thread: a user-level one of a coroutine function, a kernel-level one of any other."""
        return self.spawn_in(self.root, target, args, keywords, name)

    def spawn_in(
        self, group: Group, target: Any, args: tuple[Any, ...], keywords: dict[str, Any], name: str | None
    ) -> Thread[Any]:
        try:
            level = target.__code__.co_flags & COROUTINE
        except AttributeError:
            level = flags_of(target)
        if not self.pid or self.stopping or (self.closing and carrier() is None):  # who cleans up may need some
            raise WrongState("the scheduler takes no threads", advice="spawn between its start and its end")
        thread: Thread[Any]
        if level:
            made = target(*args, **keywords) if keywords else target(*args)
            thread = Thread(self, made, copy_context(), group, name)
        elif type(target) is CoroutineType:
            thread = Thread(self, target, copy_context(), group, name)  # pyright: ignore[reportUnknownArgumentType]
        else:
            thread = Thread(self, None, copy_context(), group, name)
            if not callable(target):
                raise UsageError(f"{target!r} is neither a function nor a coroutine")
            thread.function = partial(target, *args, **keywords) if args or keywords else target
            if args or keywords:
                thread.what = getattr(target, "__qualname__", None)
        group.children.add(thread)
        if self.witness is not None:
            self.witness.begin(thread.number)
            thread.origin = caller()
        if self._lends or thread.function is not None:
            self.lend(thread)
        else:
            self.put(thread)
        return thread

    def ready(self, thread: Thread[Any]) -> None:
        """It has what it waited for; its wait was claimed by the caller."""
        if self.witness is not None:
            self.witness.step(thread.number, Step.WOKEN)
        home = thread.home
        if home is not None:
            home.rouse()
        else:
            self.put(thread)

    def put(self, thread: Thread[Any]) -> None:
        """Into a run queue: of the LWP that we are on, or the one of all."""
        here = carriers.get(_thread.get_ident())
        if type(here) is Lwp and here.scheduler is self and here.processor is not None:
            here.processor.queue.append(thread)
            if self.idlers and (self._eager or not here.box):
                self.rouse()
        else:
            self.inbox.append(thread)
            if self.idlers:
                self.rouse()

    def rouse(self) -> bool:
        """Call one LWP that waits, if there is one."""
        if not self.idlers:
            return False
        try:
            idler = self.idlers.popleft()
        except IndexError:
            return False
        idler.rouse()
        return True

    def post(self, action: Callable[[], object]) -> None:
        """Have `action()` called soon, on an LWP. From anywhere: other threads, handlers of signals."""

        def chore(processor: Processor) -> None:
            try:
                action()
            except Exception:
                sys.excepthook(*sys.exc_info())  # pyright: ignore[reportArgumentType]

        self._chore(chore)

    def _chore(self, chore: Chore) -> None:
        self.inbox.append(chore)
        if self.idlers:
            self.rouse()

    def at(self, until: float, alarm: Alarm) -> None:
        """Have it fire at that time of the monotonic clock."""
        self._chore(lambda processor: processor.set_timer(until, alarm))

    def timer(self, lwp: Lwp, until: float, wait: Wait) -> None:
        """As `at`; `lwp` is the one we are on, which may have a processor."""
        if lwp.processor is not None:
            lwp.processor.set_timer(until, wait)
        else:
            self._chore(lambda processor: processor.set_timer(until, wait))

    # LWPs

    def seat(self, processor: Processor) -> Lwp:
        """Give it to an LWP that has nothing to do, or to a new one."""
        try:
            lwp = self.spares.pop()
        except IndexError:
            lwp = Lwp(self)
            self.lwps[lwp.number] = lwp
            lwp.processor = processor
            lwp.start()
        else:
            lwp.processor = processor
            lwp.rouse()
        return lwp

    def lend(self, thread: Thread[Any]) -> None:
        """Give the thread an LWP of its own."""
        try:
            lwp = self.spares.pop()
        except IndexError:
            lwp = Lwp(self)
            self.lwps[lwp.number] = lwp
            lwp.thread = thread
            lwp.start()
        else:
            lwp.thread = thread
            lwp.rouse()

    def gone(self, lwp: Lwp) -> None:
        with guard:
            self.leaving = [each for each in self.leaving if each.alive()]
            self.leaving.append(lwp)
            self.lwps.pop(lwp.number, None)
        if self.witness is not None:
            self.witness.leave(lwp.number)

    def has_work(self) -> bool:
        return any(processor.queue for processor in self.processors)

    def state_of(self, thread: Thread[Any]) -> State:
        """Of one that is alive."""
        wait = thread.wait
        if wait is not None and not wait.over:
            return State.WAITING
        for lwp in list(self.lwps.values()):
            if lwp.thread is thread:
                if lwp.box or lwp.lent:
                    return State.RUNNING
                if lwp.robbed:
                    return State.BLOCKED
        return State.READY

    def break_in(self, thread: Thread[Any]) -> None:
        """It is a plain function, and does not wait."""
        home = thread.home
        if isinstance(home, Lwp):
            breaking.break_in(home, thread)

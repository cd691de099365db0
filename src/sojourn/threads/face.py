"""What programs call: `run`, `spawn`, and what is about the thread that calls."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from sojourn.errors import UsageError, WrongState
from sojourn.threads import endings
from sojourn.threads.lwp import HEARING
from sojourn.threads.reports import Event, Report, Upcall
from sojourn.threads.scheduler import Kind, Scheduler
from sojourn.threads.thread import Thread, carrier, guard

_default: Scheduler | None = None  # made for `spawn` outside of `run`
_latest: Report | None = None  # of the latest `run` that has ended


def run(main: Callable[..., Any], *args: Any, kind: Kind | str = Kind.ACTIVATIONS, **options: Any) -> Any:
    """Run `main(*args)` as a thread, and everything that it spawns; its result, when all of that has ended.

    Threads that are still alive when main ends are cancelled, and waited for. Ctrl-C cancels main, and is raised as
    KeyboardInterrupt when all is over; a second one does not wait. `options` are those of `Scheduler`.
    """
    global _latest
    found = carrier()
    if found is not None:
        raise WrongState("run() in a thread of a scheduler", advice="await what you want to run, or spawn it")
    scheduler = Scheduler(kind, **options)
    scheduler.caller = _thread.get_ident()
    if scheduler.kind is Kind.USER:
        scheduler.begin()
    else:
        scheduler.start()
    interrupts = _Interrupts(scheduler)
    try:
        with interrupts:
            scheduler.main = scheduler.spawn(main, *args, name="main")
            if scheduler.main not in scheduler.root.children:
                scheduler.close()  # it has ended before we knew it to be main
            if interrupts.count:  # likewise
                scheduler.main.cancel("Ctrl-C")
            if scheduler.kind is Kind.USER:
                scheduler.carry_here()
            # Now and then, since a signal that comes just before the wait does not interrupt it.
            while not scheduler.over.acquire(timeout=HEARING):
                pass
    except BaseException:
        scheduler.abandon()
        raise
    scheduler.put_away()
    _latest = Report() if scheduler.monitor is None else scheduler.monitor.report
    if scheduler.fatal is not None:
        raise scheduler.fatal
    if interrupts.count:
        raise KeyboardInterrupt
    return scheduler.main.result()


class _Interrupts:
    """Ctrl-C, while the main kernel-level thread waits in `run`. A handler of the program's own is left alone."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._before: Any = None
        self.count = 0

    def __enter__(self) -> None:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._interrupt)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt
        main = self._scheduler.main
        if main is not None:  # on an LWP, since we may stand in the middle of anything
            self._scheduler.post(lambda: main.cancel("Ctrl-C"))


def spawn(target: Callable[..., Any], *args: Any, name: str | None = None, **keywords: Any) -> Thread[Any]:
    """A new thread, which `run` waits for: a user-level one of a coroutine function, a kernel-level one of any other.

    Outside of `run` it belongs to a scheduler of the kind `activations` that is started for it and lasts as long as the
    interpreter, at whose end its threads are cancelled.
    """
    scheduler = scheduler_of()
    return scheduler.spawn_in(scheduler.root, target, args, keywords, name)


def scheduler_of() -> Scheduler:
    """The scheduler of the thread that calls; else the only one that runs; else the default one."""
    global _default
    found = carrier()
    if found is not None:
        return found.scheduler
    if len(endings.running) == 1:
        return endings.running[0]
    with _making:
        if _default is None or _default not in endings.running:
            _default = Scheduler().start()
        return _default


_making = _thread.allocate_lock()


def post(action: Callable[[], object]) -> None:
    """Have `action()` called soon on an LWP. What a handler of a signal may do, and any other kernel-level thread."""
    scheduler_of().post(action)


def upcall(event: Event | str, action: Callable[[Upcall], object]) -> Callable[[], None]:
    """Have `action` called with an `Upcall` at each `blocked`, `unblocked` or `preempted`. Returns what ends that."""
    try:
        wanted = Event(event)
    except ValueError:
        raise UsageError(f"there is no upcall {event!r}", advice=f"one of: {', '.join(Event)}") from None
    monitor = scheduler_of().monitor
    if monitor is None:
        raise WrongState("nobody looks who blocks under this kind", advice="use the kind `activations`")
    entry = (wanted, action)
    upcalls = monitor.upcalls
    upcalls.append(entry)

    def end() -> None:
        with guard:
            if entry in upcalls:
                upcalls.remove(entry)

    return end


def report() -> Report:
    """Which lines have blocked LWPs, how often and how long: under the scheduler that we are on; outside of all, while
    none runs, in the latest `run`.
    """
    if carrier() is None and not endings.running:
        return _latest or Report()
    monitor = scheduler_of().monitor
    return Report() if monitor is None else monitor.report

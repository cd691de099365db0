"""The deadlock report (debug mode): every thread waits, and nobody is there who could end a wait.

Theory. A circle of locks is found before somebody waits in it (`orders`). Who might set an event, put into a channel or
end a thread is not known, as long as anybody runs. But when nobody does it is: if all threads of the scheduler wait
without a time limit, no timer is set, nothing was handed in, no descriptor is waited for, the process has no
kernel-level thread but ours, and no handler of signals of its own, then nothing can ever happen.

All must wait at the same moment. A wait is used once, so one look at each and a second look at each that finds the same
waits, not over, is proof: between the two looks all of them waited. Who has ended is in no group any more, while its
LWP has yet to wake up who joins it: so between the looks no LWP may be in the middle of anything.
"""

from __future__ import annotations

import _thread
import signal
import sys
from typing import TYPE_CHECKING, Any

from sojourn.threads.group import Group
from sojourn.threads.orders import Deadlock
from sojourn.threads.poller import READ, Direction
from sojourn.threads.thread import Thread, Wait

if TYPE_CHECKING:
    from sojourn.threads.scheduler import Scheduler

SHOWN = 20  # threads that a report names
OURS = "sojourn.threads"


def look(scheduler: Scheduler) -> bool:
    """Raise `Deadlock` in the main thread if nobody can ever go on; without one, in all. On an LWP without work."""
    if not scheduler.looking.acquire(False):  # another LWP does
        return False
    try:
        waits = _waiting(scheduler)
        if not waits or _others(scheduler) or _busy(scheduler) or not _still(scheduler, waits):
            return False
        steps = [f"{wait.thread.name} waits for {source_of(wait.thread)}" for wait in waits]
        left = [] if len(steps) <= SHOWN else [f"and {len(steps) - SHOWN} more"]
        error = Deadlock(
            f"nobody can ever go on: {'; '.join([*steps[:SHOWN], *left])}",
            advice="threads.dump() shows in which lines they wait",
            history=steps,
        )
        main = scheduler.main
        for thread in [main] if main is not None and main.alive else [wait.thread for wait in waits]:
            thread.interrupt(error)
        return True
    finally:
        scheduler.looking.release()


def _waiting(scheduler: Scheduler) -> list[Wait]:
    """What each thread waits for; nothing if one of them does not wait, or will go on by itself."""
    waits: list[Wait] = []
    for group in [scheduler.root, *list(scheduler.groups)]:
        for thread in sorted(group.children, key=lambda each: each.number):
            wait = thread.wait
            if wait is None or wait.over or wait.until is not None:
                return []
            if wait.source is None or isinstance(wait.source, Direction):  # until it is cancelled; or told by the world
                return []
            waits.append(wait)
    return waits


def _busy(scheduler: Scheduler) -> bool:
    """Whether an LWP other than ours does anything, be it to end a thread."""
    for lwp in list(scheduler.lwps.values()):
        thread = lwp.thread
        ending = lwp.lent and thread is not None and thread.ended is not None
        if ending or not (lwp.idle or lwp.ident == _thread.get_ident()):
            return True
    return False


def _still(scheduler: Scheduler, waits: list[Wait]) -> bool:
    """The second look; and nothing is on its way that has been begun before it."""
    if any(wait.over or wait.thread.wait is not wait for wait in waits):
        return False
    timed = any(not timer[2].over for processor in scheduler.processors for timer in processor.timers)
    queued = any(processor.queue for processor in scheduler.processors)
    return not (timed or queued or scheduler.inbox or scheduler.poller.waiting())


def _others(scheduler: Scheduler) -> bool:
    """Whether the process has anything that could wake up a thread from outside, or may have."""
    ours = {lwp.ident for lwp in list(scheduler.lwps.values())} | {scheduler.caller}
    if scheduler.monitor is not None:
        ours.add(scheduler.monitor.ident)
    if not ours.issuperset(sys._current_frames()):  # pyright: ignore[reportPrivateUsage]
        return True
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        known = handler is signal.default_int_handler or str(getattr(handler, "__module__", "")).startswith(OURS)
        if callable(handler) and not isinstance(handler, signal.Handlers) and not known:
            return True
    return False


def source_of(thread: Thread[Any]) -> str:
    """What it waits for, in words."""
    wait = thread.wait
    source = wait.source if wait is not None else None
    if source is None:
        return "its time" if wait is not None and wait.until is not None else "nothing but its cancellation"
    if isinstance(source, Thread):
        return f"the end of {source.name}"  # pyright: ignore[reportUnknownMemberType]
    if isinstance(source, Group):
        return f"{len(source.children)} threads of group {source.name or ''}".rstrip()
    if isinstance(source, Direction):
        return f"descriptor {source.fd} to be {'readable' if source.direction == READ else 'writable'}"
    return repr(getattr(source, "channel", source))

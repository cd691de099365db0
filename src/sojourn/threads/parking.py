"""How a thread comes to stand still and, where it has a home, waits there; and the processor with its queue of those
that do not.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from sojourn.threads.states import Step
from sojourn.threads.thread import Bell, Thread, Wait

if TYPE_CHECKING:
    from sojourn.threads.group import Alarm
    from sojourn.threads.lwp import Lwp

monotonic = time.monotonic
Timed = tuple[float, int, "Wait | Alarm"]


class Processor:
    """The right to carry threads: a run queue, and the timers of those who sleep."""

    __slots__ = ("number", "polled", "purge_at", "queue", "timers")

    order = count()  # of timers for the same moment

    def __init__(self, number: int) -> None:
        self.number = number
        self.queue: deque[Thread[Any]] = deque()
        self.timers: list[Timed] = []
        self.purge_at = 1000  # timers; so many are looked through for those that are over
        self.polled = 0.0

    def set_timer(self, until: float, what: Wait | Alarm) -> None:
        """By the LWP that has it."""
        timers = self.timers
        if len(timers) >= self.purge_at:  # timeouts that did not come about stay in the heap until now
            timers[:] = [each for each in timers if not each[2].over]
            heapify(timers)
            self.purge_at = max(1000, 2 * len(timers))
        heappush(timers, (until, next(Processor.order), what))

    def fire(self, now: float) -> None:
        """Whatever is due."""
        timers = self.timers
        while timers and timers[0][0] <= now:
            heappop(timers)[2].fire()

    def steal(self, processors: Sequence[Processor]) -> bool:
        """Half of what another one has; False: nobody has anything."""
        count = len(processors)
        for step in range(1, count):
            victim = processors[(self.number + step) % count].queue
            for _ in range((len(victim) + 1) // 2):
                try:
                    self.queue.append(victim.pop())
                except IndexError:
                    break
            if self.queue:
                return True
        return False


def park(thread: Thread[Any], wait: Wait, lwp: Lwp | None = None) -> None:
    """Its coroutine stands still: let it be woken up. Touches nothing of it once somebody may have done so.

    `lwp`: on which that happens, and whose timers may be used; none is needed by a thread that has a home.
    """
    scheduler = thread.scheduler
    if (witness := scheduler.witness) is not None:
        witness.step(thread.number, Step.PARKED)
    wait.thread = thread
    wait.armed = [None]
    thread.wait = wait
    if wait.until is not None and lwp is not None and thread.home is None:
        scheduler.timer(lwp, wait.until, wait)
    source = wait.source
    if source is not None and not source.enqueue(wait):
        wait.wake()
    elif thread.pending is not None and wait.claim():
        wait.interrupted = True
        wait.wake()


def rest(bell: Bell, wait: Wait) -> bool:
    """At home: until the wait is over. False: its time has come first."""
    while wait.armed is not None:  # who has claimed it sets that last
        left = None if wait.until is None else wait.until - monotonic()
        if left is not None and left <= 0 and wait.claim():
            wait.wake()
            return False
        bell.heard(left)
    return True

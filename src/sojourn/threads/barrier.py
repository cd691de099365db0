"""A barrier: so many threads, of any kind, wait for each other."""

from __future__ import annotations

import _thread
from collections.abc import Iterable

from sojourn.errors import UsageError, WrongState
from sojourn.threads.thread import Steps, Wait, operation


class BrokenBarrier(WrongState):
    """Somebody who was awaited at the barrier does not come."""

    code = "broken-barrier"


class Barrier:
    """So many threads wait for each other: `place = await barrier.wait()`, 0 for the last to come.

    When one of those who wait is cancelled the barrier is broken: all others get `BrokenBarrier`, until `reset()`.
    """

    def __init__(self, parties: int) -> None:
        if parties < 1:
            raise UsageError(f"a barrier for {parties} threads")
        self.parties = parties
        self._guard = _thread.allocate_lock()
        self._waiting: list[Wait] = []
        self._broken = False

    @property
    def broken(self) -> bool:
        return self._broken

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @operation
    def wait(self) -> Steps[int]:
        one = Wait(self)
        try:
            yield one
        except BaseException:
            self.abort()
            raise
        if one.value is None:
            raise BrokenBarrier("the barrier is broken", advice="reset() makes it usable again")
        return int(one.value)

    def enqueue(self, wait: Wait) -> bool:
        with self._guard:
            if self._broken:
                return not wait.claim()
            if len(self._waiting) + 1 < self.parties:
                self._waiting.append(wait)
                return True
            if not wait.claim():
                return True  # the last to come was cancelled on its way
            wait.value = 0
            others = self._passed()
        self._wake(others)
        return False

    def _passed(self) -> list[Wait]:
        others, self._waiting = self._waiting, []
        for place, each in enumerate(reversed(others), 1):
            each.value = place
        claimed = [each for each in others if each.claim()]
        if len(claimed) < len(others):  # one of them was cancelled at this moment, and will say so
            self._broken = True
        return claimed

    def _wake(self, claimed: Iterable[Wait]) -> None:
        for wait in claimed:
            wait.wake()

    def abort(self) -> None:
        """Break it: who waits and who comes gets `BrokenBarrier`."""
        with self._guard:
            self._broken = True
            claimed = [wait for wait in self._waiting if wait.claim()]
            self._waiting = []
        self._wake(claimed)

    def reset(self) -> None:
        """As new; who waits gets `BrokenBarrier`."""
        self.abort()
        with self._guard:
            self._broken = False

    def __repr__(self) -> str:
        return f"<barrier {len(self._waiting)} of {self.parties}{', broken' if self._broken else ''}>"

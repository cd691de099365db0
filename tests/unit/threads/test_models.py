"""The primitives against simple models: hypothesis chooses who does what, one step after the other; after each, whoever
the model says is through has to be through, and nobody else.

A scheduler of the kind `user` runs until nothing is ready. So "nobody else" is certain, and no time has to pass.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sojourn import threads
from sojourn.threads.lwp import Lwp
from sojourn.threads.thread import carriers

settings.register_profile("threads", max_examples=25, stateful_step_count=30, deadline=None, database=None)
QUICK = settings.get_profile("threads")


class Machine(RuleBasedStateMachine):
    """Threads that are made one by one, each of which does one operation and stays ended."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = threads.Scheduler("user", debug=True)
        self.scheduler.begin()
        self.lwp = Lwp(self.scheduler)
        self.lwp.processor = self.scheduler.processors[0]
        self.made: list[threads.Thread[Any]] = []

    def spawn(self, operation: Any, *args: Any) -> threads.Thread[Any]:
        async def does() -> Any:
            return await operation(*args)

        thread = self.scheduler.spawn(does)
        self.made.append(thread)
        self.settle()
        return thread

    def settle(self) -> None:
        """Run until nobody can."""
        self.scheduler.stopping = True  # so that the LWP comes back instead of waiting
        self.lwp.enrol()
        try:
            self.lwp.carry()
        finally:
            self.lwp.leave()
            self.scheduler.stopping = False

    def cancel(self, thread: threads.Thread[Any]) -> None:
        thread.cancel()
        self.settle()

    def teardown(self) -> None:
        for thread in self.made:
            thread.cancel()
        self.settle()
        assert all(not thread.alive for thread in self.made)
        assert self.scheduler.witness is not None and self.scheduler.witness.wrong == []
        assert not carriers
        self.scheduler.put_away(wait=False)


class Line(Machine):
    """Those who wait stand in line, and may leave it."""

    def __init__(self) -> None:
        super().__init__()
        self.line: deque[threads.Thread[Any]] = deque()

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def cancel_one(self, data: st.DataObject) -> None:
        thread = data.draw(st.sampled_from(list(self.line)))
        self.line.remove(thread)
        self.cancel(thread)


class Locks(Line):
    """A lock: one has it, the others stand in line."""

    @initialize()
    def begin(self) -> None:
        self.lock = threads.Lock()
        self.owner: threads.Thread[Any] | None = None

    @rule()
    def acquire(self) -> None:
        thread = self.spawn(self.lock.acquire)
        if self.owner is None:
            self.owner = thread
        else:
            self.line.append(thread)

    @precondition(lambda self: self.owner is not None)
    @rule()
    def release(self) -> None:
        self.lock.release()
        self.settle()
        self.owner = self.line.popleft() if self.line else None

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "lock"):
            assert self.lock.owner is self.owner and self.lock.locked() == (self.owner is not None)
            assert self.lock.waiting() == list(self.line)
            assert self.owner is None or self.owner.state == "done"
            assert all(thread.state == "waiting" for thread in self.line)


class Semaphores(Line):
    """A semaphore: so many permits, and a line."""

    @initialize(permits=st.integers(0, 3))
    def begin(self, permits: int) -> None:
        self.semaphore = threads.Semaphore(permits)
        self.permits = permits

    @rule()
    def acquire(self) -> None:
        thread = self.spawn(self.semaphore.acquire)
        if self.permits:
            self.permits -= 1
            assert thread.state == "done"
        else:
            self.line.append(thread)

    @rule(count=st.integers(1, 3))
    def release(self, count: int) -> None:
        self.semaphore.release(count)
        self.settle()
        for _ in range(count):
            if self.line:
                assert self.line.popleft().state == "done"
            else:
                self.permits += 1

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "semaphore"):
            assert self.semaphore.value == self.permits
            assert all(thread.state == "waiting" for thread in self.line)


class Channels(Machine):
    """A channel: items in order, those who wait to put theirs, those who wait for one; never both."""

    @initialize(capacity=st.sampled_from([0, 1, 2, None]))
    def begin(self, capacity: int | None) -> None:
        self.channel: threads.Channel[int] = threads.Channel(capacity)
        self.capacity = float("inf") if capacity is None else capacity
        self.items: deque[int] = deque()
        self.putters: deque[tuple[threads.Thread[Any], int]] = deque()
        self.getters: deque[threads.Thread[Any]] = deque()
        self.number = 0
        self.closed = False

    @precondition(lambda self: not self.closed)
    @rule()
    def put(self) -> None:
        self.number += 1
        thread = self.spawn(self.channel.put, self.number)
        if self.getters:
            getter = self.getters.popleft()
            assert getter.result() == self.number and thread.state == "done"
        elif len(self.items) < self.capacity and not self.putters:
            self.items.append(self.number)
            assert thread.state == "done"
        else:
            self.putters.append((thread, self.number))

    @rule()
    def get(self) -> None:
        thread = self.spawn(self.channel.get)
        if self.items:
            assert thread.result() == self.items.popleft()
            if self.putters:
                putter, item = self.putters.popleft()
                self.items.append(item)
                assert putter.state == "done"
        elif self.putters:
            putter, item = self.putters.popleft()
            assert thread.result() == item and putter.state == "done"
        elif self.closed:
            assert isinstance(self.error(thread), threads.Closed)
        else:
            self.getters.append(thread)

    @precondition(lambda self: self.getters or self.putters)
    @rule(data=st.data())
    def cancel_one(self, data: st.DataObject) -> None:
        waiting = [*self.getters, *(thread for thread, _ in self.putters)]
        thread = data.draw(st.sampled_from(waiting))
        self.getters = deque(each for each in self.getters if each is not thread)
        self.putters = deque(each for each in self.putters if each[0] is not thread)
        self.cancel(thread)

    @precondition(lambda self: not self.closed and self.number > 5)
    @rule()
    def close(self) -> None:
        self.channel.close()
        self.settle()
        for thread in [*self.getters, *(thread for thread, _ in self.putters)]:
            assert isinstance(self.error(thread), threads.Closed)
        self.getters.clear()
        self.putters.clear()
        self.closed = True

    def error(self, thread: threads.Thread[Any]) -> BaseException | None:
        assert thread.state == "failed"
        try:
            thread.result()
        except BaseException as error:
            return error
        return None

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "channel"):
            assert len(self.channel) == len(self.items)
            waiting = [*self.getters, *(thread for thread, _ in self.putters)]
            assert all(thread.state == "waiting" for thread in waiting)


class Events(Machine):
    """An event and a barrier for three: who is through, and who is not."""

    @initialize()
    def begin(self) -> None:
        self.event, self.barrier = threads.Event(), threads.Barrier(3)
        self.set, self.broken = False, False
        self.waiting: list[threads.Thread[Any]] = []
        self.meeting: list[threads.Thread[Any]] = []

    @rule()
    def wait(self) -> None:
        thread = self.spawn(self.event.wait)
        if self.set:
            assert thread.state == "done"
        else:
            self.waiting.append(thread)

    @rule()
    def set_it(self) -> None:
        self.event.set()
        self.settle()
        self.set = True
        assert all(thread.state == "done" for thread in self.waiting)
        self.waiting.clear()

    @rule()
    def clear(self) -> None:
        self.event.clear()
        self.set = False

    @rule()
    def meet(self) -> None:
        thread = self.spawn(self.barrier.wait)
        if self.broken:
            assert thread.state == "failed"
            thread.unseen.seen = True  # type: ignore[union-attr]
            return
        self.meeting.append(thread)
        if len(self.meeting) == 3:
            assert sorted(each.result() for each in self.meeting) == [0, 1, 2]
            self.meeting.clear()

    @precondition(lambda self: self.meeting)
    @rule()
    def one_does_not_come(self) -> None:
        gone, *others = self.meeting
        self.cancel(gone)
        for thread in others:
            assert thread.state == "failed"
            thread.unseen.seen = True  # type: ignore[union-attr]
        self.meeting.clear()
        self.broken = True

    @rule()
    def reset(self) -> None:
        self.barrier.reset()
        self.settle()
        for thread in self.meeting:
            assert thread.state == "failed"
            thread.unseen.seen = True  # type: ignore[union-attr]
        self.meeting.clear()
        self.broken = False

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "event"):
            assert all(thread.state == "waiting" for thread in [*self.waiting, *self.meeting])
            assert self.barrier.broken == self.broken


TestLocks = Locks.TestCase
TestSemaphores = Semaphores.TestCase
TestChannels = Channels.TestCase
TestEvents = Events.TestCase
TestLocks.settings = TestSemaphores.settings = TestChannels.settings = TestEvents.settings = QUICK

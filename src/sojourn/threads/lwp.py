"""An LWP: a kernel-level thread that carries threads, and the loop in which it does.

The token box. Before an LWP runs a thread's code it puts its processor into its `box`, and takes it out again
afterwards. Meanwhile the monitor may take it out: it does if the LWP is blocked, and gives it to another. Both use
one `pop` of a list, of which one succeeds. So the LWP that comes back from a blocking call knows by an empty box that
its run queue belongs to somebody else: it hands in what it carries, and becomes a spare. Each LWP has a box of its
own: with a shared one, who comes back would take the new owner's processor.

An LWP is *lent* to a plain function, or to a thread that blocks again and again: that is the 1:1 of kernel-level
threads.

What is touched by whom: the fields of a processor by the LWP that has it, except `queue`, to which anybody may append
and from which anybody may steal (one atomic operation of a deque each).
"""

from __future__ import annotations

import _thread
import threading
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from sojourn.threads import breaking, endings, stuck
from sojourn.threads.parking import Processor, park, rest
from sojourn.threads.reports import Sighting
from sojourn.threads.states import State, Step, Turn
from sojourn.threads.thread import Bell, Cancelled, End, Thread, Wait, carriers, outcome

if TYPE_CHECKING:
    from sojourn.threads.scheduler import Scheduler

monotonic = time.monotonic
DONE = State.DONE  # an enum's members are slow to reach up to 3.11
OFTEN = 8  # slices between two looks at what comes from outside the queue
HEARING = 0.2  # seconds after which an LWP on the main kernel-level thread hears of signals at the latest
POLL_EVERY = 0.001  # seconds between two looks at descriptors while there is enough to run
SPARE_FOR = 5.0  # seconds after which a spare LWP that nobody has called ends

class Lwp:
    """One kernel-level thread of the scheduler."""

    numbers = count(1)

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.number: int = next(Lwp.numbers)
        self.name = f"lwp-{self.number}"
        self.ident = 0
        self.native = 0
        self.clock = 0  # of its time on processors
        self.thread: Thread[Any] | None = None  # that it carries, or has carried last
        self.processor: Processor | None = None  # its own, or what it had when it was robbed
        self.box: list[Processor] = []  # the processor, while a thread's code runs
        self.bell = Bell()
        self.polling = False  # it waits for descriptors, not for the bell
        self.idle = True  # it has nothing to run: the monitor need not look
        self.lent = False
        self.robbed = False
        self.broken_into = False  # something is raised, or was, in the function that it is lent to
        self.kernel: threading.Thread | None = None
        self.seen = Sighting()

    # being called

    def start(self) -> None:
        self.kernel = threading.Thread(target=self._life, name=self.name, daemon=True)
        self.kernel.start()

    def join(self) -> None:
        """Wait for its end, which has been decided."""
        if self.kernel is not None:
            self.kernel.join()

    def alive(self) -> bool:
        return self.kernel is not None and self.kernel.is_alive()

    def rouse(self) -> None:
        """Something is there for it."""
        if self.polling:
            self.scheduler.poller.rouse()
        else:
            self.bell.ring()

    def _life(self) -> None:
        self.enrol()
        try:
            while True:
                if self.processor is not None:
                    self.carry()
                elif self.thread is not None:
                    self.call(self.thread)
                if self.scheduler.stopping:
                    return
                if not self._spare():
                    return
        except Exception as error:  # ours: what threads raise does not come here
            self.scheduler.fail(error)
        finally:
            self.leave()

    def enrol(self) -> None:
        """This is the kernel-level thread that it stands for."""
        self.ident, self.native = _thread.get_ident(), _thread.get_native_id()
        if hasattr(time, "pthread_getcpuclockid"):
            self.clock = time.pthread_getcpuclockid(self.ident)
        carriers[self.ident] = self

    def leave(self) -> None:
        carriers.pop(_thread.get_ident(), None)
        self.scheduler.gone(self)

    def _spare(self) -> bool:
        """Wait to be called; False: nobody did, for long."""
        scheduler = self.scheduler
        self.thread = self.processor = None
        self.idle = True
        scheduler.spares.append(self)
        until = monotonic() + SPARE_FOR
        while self.processor is None and self.thread is None:
            if not (scheduler.stopping or monotonic() >= until):
                self.bell.heard(until - monotonic())
                continue
            try:
                scheduler.spares.remove(self)
            except ValueError:  # called at this moment
                until = monotonic() + SPARE_FOR
                if scheduler.stopping:
                    return False
            else:
                return False
        return True

    # carrying

    def carry(self) -> None:
        """Run threads until the processor is lost, or the scheduler stops."""
        scheduler = self.scheduler
        processor = self.processor
        assert processor is not None
        queue, box, inbox, timers = processor.queue, self.box, scheduler.inbox, processor.timers
        witness, poller = scheduler.witness, scheduler.poller
        if witness is not None:
            witness.turn(self.number, Turn.SEATED)
        self.idle = False
        if scheduler.monitor is not None:
            scheduler.monitor.look_again()
        often = OFTEN
        while True:
            if often == 0 or not queue:
                often = OFTEN
                if (inbox or timers or poller.count or not queue) and not self._look_around(processor):
                    return
            often -= 1
            try:
                thread = queue.popleft()
            except IndexError:  # stolen
                continue
            self.thread = thread
            thread.switches += 1
            if witness is not None:
                witness.step(thread.number, Step.TAKEN)
            ended = None
            wait = None
            box.append(processor)
            try:
                if thread.pending is None or (error := thread.next_error()) is None:
                    wait = thread.context.run(thread.coroutine.send, None)  # type: ignore[union-attr]
                else:
                    wait = self._throw(thread, error)
            except StopIteration as stop:  # as `outcome` has it, without the call
                ended = DONE, stop.value, None
            except BaseException as raised:
                ended = outcome(raised)
            try:
                box.pop()
            except IndexError:
                self._came_back(thread, wait, ended)
                return
            if wait is not None:
                park(thread, wait, self)
            elif ended is None:
                if witness is not None:
                    witness.step(thread.number, Step.YIELDED)
                queue.append(thread)
            else:
                thread.end(*ended)
                ended = None

    def _throw(self, thread: Thread[Any], error: BaseException) -> Wait | None:
        """Raise the interruption in it; one that was not begun ends without having run."""
        assert thread.context is not None and thread.coroutine is not None
        return thread.context.run(thread.coroutine.throw, error)

    def _look_around(self, processor: Processor) -> bool:
        """Everything but the queue: what others have handed in, timers, descriptors; where there is nothing to run,
        what others have too much of, or wait. False: the scheduler stops.
        """
        scheduler = self.scheduler
        queue, timers, inbox = processor.queue, processor.timers, scheduler.inbox
        while True:
            while inbox:
                try:
                    one = inbox.popleft()
                except IndexError:  # another LWP was faster
                    break
                if type(one) is Thread:
                    queue.append(one)  # pyright: ignore
                else:
                    one(processor)  # pyright: ignore
            now = monotonic() if timers or scheduler.poller.count else 0.0
            if timers:
                processor.fire(now)
            if scheduler.poller.count and (not queue or now - processor.polled >= POLL_EVERY):
                processor.polled = now
                if scheduler.poller.seat.acquire(False):
                    try:
                        came = scheduler.poller.wait(0.0)
                    finally:
                        scheduler.poller.seat.release()
                    self._take(came)
            if queue or (scheduler.shared and processor.steal(scheduler.processors)):
                return True
            if scheduler.stopping:
                return False
            self._wait(timers[0][0] - monotonic() if timers else None)

    def _wait(self, seconds: float | None) -> None:
        """Until somebody rouses us, a descriptor is ready, or the time has come. May return early."""
        scheduler = self.scheduler
        witness = scheduler.witness
        if witness is not None:
            witness.turn(self.number, Turn.RAN_DRY)
        endless = seconds is None and scheduler.debug and scheduler.caller != 0
        if (scheduler.hears and (seconds is None or seconds > HEARING)) or endless:
            seconds = HEARING
        self.idle = True
        self.polling = bool(scheduler.poller.count) and scheduler.poller.seat.acquire(False)
        scheduler.idlers.append(self)
        if scheduler.inbox or scheduler.stopping or scheduler.has_work():
            seconds = 0.0
        came: list[Wait] = []
        try:
            if self.polling:
                came = scheduler.poller.wait(seconds)
            else:
                self.bell.heard(seconds)
        finally:
            self.idle = False
            if self.polling:
                scheduler.poller.seat.release()
            try:
                scheduler.idlers.remove(self)
            except ValueError:  # somebody has called us
                pass
        self.polling = False
        if scheduler.monitor is not None:
            scheduler.monitor.look_again()
        if witness is not None:
            witness.turn(self.number, Turn.ROUSED)
        self._take(came)
        if endless:
            stuck.look(scheduler)

    def _take(self, waits: list[Wait]) -> None:
        """Wake up whom the poller has claimed: all into our queue, as `scheduler.put` would do one by one."""
        scheduler, processor = self.scheduler, self.processor
        assert processor is not None
        for wait in waits:
            thread = wait.thread
            if thread.home is None and scheduler.witness is None:
                wait.armed = None
                processor.queue.append(thread)
            else:
                wait.wake()
        for _ in waits:
            if not scheduler.rouse():
                break

    # having lost the processor

    def _came_back(
        self, thread: Thread[Any], wait: Wait | None, ended: End | None
    ) -> None:
        """From a call in which the processor was handed on: hand in the thread, or keep it if it does that often."""
        scheduler = self.scheduler
        if scheduler.forked:
            endings.alone(thread, ended)
        monitor = scheduler.monitor
        assert monitor is not None
        keep = monitor.came_back(self, thread)
        witness = scheduler.witness
        if witness is not None:
            witness.turn(self.number, Turn.LENT if keep and ended is None else Turn.CAME_BACK)
        self.processor = None
        if ended is not None:
            thread.end(*ended)
        elif keep:
            self.drive(thread, wait)
        elif wait is not None:
            park(thread, wait, self)
        else:
            if witness is not None:
                witness.step(thread.number, Step.YIELDED)
            scheduler.put(thread)

    # being lent

    def drive(self, thread: Thread[Any], wait: Wait | None, *, leased: bool = True) -> None:
        """Carry this one thread alone: until it ends, or is no offender any more (`leased`)."""
        scheduler = self.scheduler
        witness = scheduler.witness
        rules = scheduler.rules
        self.thread, self.lent, self.idle = thread, True, False
        thread.home = self
        blocked_at = monotonic()
        began = wait is not None or thread.switches > 0
        while True:
            if began:
                if wait is not None:
                    park(thread, wait, self)
                    self.idle = True
                    rest(self.bell, wait)
                    self.idle = False
                    if scheduler.monitor is not None:
                        scheduler.monitor.look_again()
                elif witness is not None:
                    witness.step(thread.number, Step.YIELDED)
                if leased and monotonic() - blocked_at > rules.lease:
                    thread.home = None
                    scheduler.put(thread)
                    break
            began = True
            wait = None
            thread.switches += 1
            if witness is not None:
                witness.step(thread.number, Step.TAKEN)
            assert thread.context is not None and thread.coroutine is not None
            ended = None
            since = monotonic()
            try:
                if thread.pending is None or (error := thread.next_error()) is None:
                    wait = thread.context.run(thread.coroutine.send, None)
                else:
                    wait = self._throw(thread, error)
            except BaseException as raised:
                ended = outcome(raised)
            now = monotonic()
            if now - since >= rules.tick:
                blocked_at = now
            if self.seen.told and scheduler.monitor is not None:
                scheduler.monitor.came_back(self, thread)
            if scheduler.forked:
                endings.alone(thread, ended)
            if ended is not None:
                thread.end(*ended)
                break
        self.lent = False
        if witness is not None:
            witness.turn(self.number, Turn.FREED)

    def call(self, thread: Thread[Any]) -> None:
        """Run a kernel-level thread: its plain function, or the coroutine that was made one."""
        if (witness := self.scheduler.witness) is not None:
            witness.turn(self.number, Turn.LENT)
        if thread.function is None:
            self.drive(thread, None, leased=False)
            return
        self.lent = True
        thread.home = self
        thread.switches += 1
        if witness is not None:
            witness.step(thread.number, Step.TAKEN)
        ended = self._call(thread)
        if self.scheduler.forked:
            endings.alone(thread, ended)
        while True:  # an interruption that was on its way arrives here at the latest
            try:
                breaking.settle(self, thread)
                break
            except Cancelled:
                continue
        thread.end(*ended)
        self.lent = False
        if witness is not None:
            witness.turn(self.number, Turn.FREED)

    def _call(self, thread: Thread[Any]) -> End:
        function, context = thread.function, thread.context
        assert function is not None and context is not None
        try:
            if (error := thread.next_error()) is not None:
                raise error
            value = context.run(function)
        except StopIteration as stop:  # as any other error: it is no coroutine that says so
            return State.FAILED, None, stop
        except BaseException as raised:
            return outcome(raised)
        return State.DONE, value, None

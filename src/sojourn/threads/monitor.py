"""The monitor: notices LWPs that are blocked, and hands their processors on.

A kernel-level thread of its own wakes up every `Rules.tick` while any LWP has something to run, and looks at each:
what it makes of what it sees is in `verdicts`, how it sees it in `probe`. While all LWPs wait, it waits too.

Upcalls are made on this thread (`blocked`, `preempted`) and on the LWP that has come back (`unblocked`). What they
raise is printed and goes no further. They must not block: while one does, nobody looks.
"""

from __future__ import annotations

import _thread
import os
import platform
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sojourn.threads import probe
from sojourn.threads.reports import BlockingWarning, Event, Place, Report, Upcall
from sojourn.threads.states import Step, Turn
from sojourn.threads.thread import Thread, guard
from sojourn.threads.verdicts import Action, Offences, Sight, Verdict, act, call_name, judge

if TYPE_CHECKING:
    from sojourn.threads.lwp import Lwp
    from sojourn.threads.scheduler import Scheduler

monotonic = time.monotonic
RESTING = 1.0  # seconds after which a monitor that waits looks all the same


class Monitor:
    """Of one scheduler of the kind `activations`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._rules = scheduler.rules
        self._cores = os.cpu_count() or 1
        self._machine = platform.machine()
        self._lock_words: frozenset[bytes] = frozenset()
        self._bell = _thread.allocate_lock()
        self._bell.acquire()
        self._enrolled = _thread.allocate_lock()
        self._enrolled.acquire()
        self._native = 0
        self._asleep = False
        self._over = False
        self._computing = 0  # LWPs that compute without a processor
        self._kernel = threading.Thread(target=self._life, name="lwp-monitor", daemon=True)
        self.upcalls: list[tuple[Event, Callable[[Upcall], object]]] = []
        self.report = Report()

    def start(self) -> None:
        """Begin to look. Learns first where one waits for the interpreter lock: from the monitor's own thread, which
        waits for its bell, and when that is rung for the interpreter.
        """
        self._kernel.start()
        self._enrolled.acquire()
        self._lock_words = probe.lock_words(self._native, self._bell.release)

    @property
    def ident(self) -> int:
        return self._kernel.ident or 0

    def stop(self) -> None:
        self._over = True
        self._ring()
        if self._kernel is not threading.current_thread():
            self._kernel.join()

    def look_again(self) -> None:
        """An LWP has something to run."""
        if self._asleep:
            self._ring()

    def _ring(self) -> None:
        with guard:
            if self._asleep:
                self._asleep = False
                self._bell.release()

    def _life(self) -> None:
        self._native = _thread.get_native_id()
        self._enrolled.release()
        self._bell.acquire()
        try:
            self._watch()
        except Exception as error:
            self._scheduler.fail(error)

    def _watch(self) -> None:
        tick = self._rules.tick
        while not self._over:
            before = monotonic()
            time.sleep(tick)
            now = monotonic()
            busy = False
            for lwp in list(self._scheduler.lwps.values()):
                if not lwp.idle:
                    busy = True
                    self._look(lwp, now, now - before - tick)
            if not busy:
                self._rest()

    def _rest(self) -> None:
        """Until an LWP has something to run."""
        self._asleep = True
        if self._over or any(not lwp.idle for lwp in list(self._scheduler.lwps.values())):
            with guard:
                if self._asleep:
                    self._asleep = False
                    return
            self._bell.acquire()  # somebody rings at this moment
        elif not self._bell.acquire(timeout=RESTING):
            with guard:
                if self._asleep:
                    self._asleep = False
                    return
            self._bell.acquire()

    def _look(self, lwp: Lwp, now: float, late: float) -> None:
        thread = lwp.thread
        seen = lwp.seen
        if thread is None or thread.function is not None:
            return
        switches = thread.switches
        if seen.thread is not thread or seen.switches != switches:
            seen.thread, seen.switches = thread, switches
            seen.since = now
            seen.cpu_at = seen.cpu_last = probe.cpu_time(lwp.clock)
            seen.looked_at = now
            seen.told = False
            return
        wall = now - seen.since
        if seen.told or wall < self._rules.tick / 2:
            return
        cpu = probe.cpu_time(lwp.clock)
        used = recent = None
        if cpu is not None and seen.cpu_at is not None and seen.cpu_last is not None:
            used, recent = cpu - seen.cpu_at, (cpu - seen.cpu_last) / max(now - seen.looked_at, 1e-6)
        seen.cpu_last, seen.looked_at = cpu, now
        call = probe.system_call(lwp.native)
        locked = self._scheduler.locked
        verdict = judge(Sight(call, used, wall, recent, late), locked=locked, lock_words=self._lock_words)
        action = act(verdict, wall, self._computing, self._cores, self._rules)
        if action is Action.NOTHING:
            return
        if lwp.lent or lwp.robbed:
            if action is Action.HAND_OFF:
                self._tell(lwp, thread, verdict, call, wall)
            return
        if not self._scheduler.spares and len(self._scheduler.lwps) >= self._rules.most:
            return
        frame = probe.frame_of(lwp.ident)
        with guard:
            if lwp.thread is not thread or thread.switches != switches:
                return  # it has gone on meanwhile
            seen.caught_at, seen.preempted = seen.since, action is Action.PREEMPT
            seen.place, seen.verdict, seen.call_name = Place.of(frame), verdict, call_name(call, self._machine)
            try:
                processor = lwp.box.pop()
            except IndexError:  # it has come back at this moment
                return
            lwp.robbed = seen.told = True
            # From here on the LWP cannot leave its slice. It may have begun another one before: nobody's offence.
            seen.mistaken = lwp.thread is not thread or thread.switches != switches
            if seen.mistaken:
                seen.preempted = seen.told = False
                seen.place = None
            if (witness := self._scheduler.witness) is not None and lwp.thread is not None:
                witness.step(lwp.thread.number, Step.CAUGHT)
                witness.turn(lwp.number, Turn.CAUGHT)
            if seen.preempted:
                self._computing += 1
        self.report.handed_on += 1
        self._scheduler.seat(processor)
        if not seen.mistaken:
            event = Event.PREEMPTED if seen.preempted else Event.BLOCKED
            self._call_up(event, lwp, thread, frame, wall)

    def _tell(self, lwp: Lwp, thread: Thread[Any], verdict: Verdict, call: bytes | None, wall: float) -> None:
        """A thread blocks an LWP that has no processor which could be handed on; it is only told."""
        seen = lwp.seen
        frame = probe.frame_of(lwp.ident)
        with guard:
            if lwp.thread is not thread or thread.switches != seen.switches or not (lwp.lent or lwp.robbed):
                return  # it has gone on meanwhile
            seen.caught_at, seen.preempted, seen.mistaken, seen.told = seen.since, False, False, True
            seen.place, seen.verdict, seen.call_name = Place.of(frame), verdict, call_name(call, self._machine)
        self._call_up(Event.BLOCKED, lwp, thread, frame, wall)

    # on the LWP that was blocked

    def came_back(self, lwp: Lwp, thread: Thread[Any]) -> bool:
        """From where it was told to be blocked. Whether the thread is to have an LWP of its own from now on."""
        seen = lwp.seen
        now = monotonic()
        with guard:  # whoever took the processor has noted all that there is to it
            robbed, lwp.robbed, seen.told = lwp.robbed, False, False
            seen.thread = None
            if robbed and seen.preempted:
                self._computing -= 1
        seconds = now - seen.caught_at
        place, verdict = seen.place, seen.verdict
        if place is None or verdict is None or (robbed and seen.mistaken):
            return False
        self.report.add(place, verdict, seen.call_name, seconds, thread.name)
        self._call_up(Event.UNBLOCKED, lwp, thread, None, seconds)
        warn = self._scheduler.warn
        if warn is not None and seconds >= warn and not seen.preempted:
            where = f" in {seen.call_name}" if seen.call_name else ""
            what = f"thread {thread.name} blocked its LWP for {seconds:.3f} s{where}"
            warnings.warn_explicit(what, BlockingWarning, place.file, place.line)
        if not robbed or seen.preempted or thread.home is not None:
            return False
        if thread.offences is None:
            thread.offences = Offences()
        if not thread.offences.caught(now, self._rules):
            return False
        thread.offences = None
        self.report.pinned += 1
        return True

    def _call_up(self, event: Event, lwp: Lwp, thread: Thread[Any], frame: Any, seconds: float) -> None:
        seen = lwp.seen
        if not self.upcalls or seen.place is None or seen.verdict is None:
            return
        told = Upcall(event, thread, seen.place, frame, seconds, seen.call_name, seen.verdict)
        for wanted, action in list(self.upcalls):
            if wanted is event:
                try:
                    action(told)
                except Exception:
                    sys.excepthook(*sys.exc_info())  # pyright: ignore[reportArgumentType]

# pyright: basic
# (frames and hooks of the interpreter have few static types)
"""Bringing all other threads to rest, and capturing them (see the package for the theory).

`Gathering` is used by the thread that freezes, at its own safe point and with all signals blocked but ours: `gather`,
then `join` to its stack, and in any case `release` when the program may go on. A `gather` that fails raises
`Elsewhere`; threads that a C function holds back stay armed until the next one.

Three rules keep what is read consistent. All that asks the kernel lets go of the interpreter lock, and comes first;
then it is made sure that nobody has come, and that every thread is still where it was; and from there to the end of the
capture nothing lets go of it. The switch interval is made so long beforehand that nobody can ask for it; whoever waits
for it since before would, after the old interval, and so the kernel has to say of every thread that it waits for
something else: for its gate, or in its call. What wakes up meanwhile changes what the kernel says of it, and the
`proof` does not hold.

Nobody is stopped in vain: while a thread is still in the C call that held it back the last time, the others go on.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

from sojourn.errors import bare
from sojourn.frames import contexts, loops
from sojourn.frames.blocking import Blocked
from sojourn.frames.capture import capture_stack
from sojourn.frames.incall import Other, blocked_in, blocking_call
from sojourn.frames.layout import LiveObjects
from sojourn.frames.memory import Memory
from sojourn.frames.pause import collector_paused
from sojourn.frames.record import Stack, ThreadRecord
from sojourn.frames.sites import Elsewhere, Pin

from . import books, kernel
from .crew import is_standing
from .parking import Parking, is_arriving
from .signals import Deferred
from .states import State, handled, others

PATIENCE = 0.03  # seconds that threads may take to come to rest, each after another, before they are all let go again
LONGEST = 0.2  # and all of them together
MOST_TIMES = 4  # twice as long after each time in vain, until it is so many times as long: the machine may be busy
SOON = 0.01  # one that wakes up in less is waited for
_LATEST = 0.5
_PAUSE = 0.0001
_RUNS = "it runs"
_WRITING = "a thread is writing down that it begins or ends"
_TASKS = "/proc/self/task"
_UNDISTURBED = 100.0  # seconds


class _Waiting(NamedTuple):
    frame: FrameType
    blocked: Blocked
    call: kernel.Call


class _Stuck(NamedTuple):
    frame: FrameType
    position: int
    pin: Pin | None = None  # its call cannot be made again in this state of it: the one that the kernel tells of
    line: str = ""


class Gathering:
    """All threads but the caller's. One at a time."""

    def __init__(self) -> None:
        self._parking: Parking | None = None
        self._pins: dict[int, Pin] = {}
        self._stuck: dict[int, _Stuck] = {}  # who was late the last time
        self._told: dict[tuple[FrameType, int], Pin] = {}  # what was said of who stands there
        self._times = 1
        self._presumed: dict[int, tuple[FrameType, int]] = {}  # who stands in a call that waits, by its frame
        self._waiting: dict[int, _Waiting] = {}
        self._members: list[tuple[State, Stack]] = []
        self._proof: list[tuple[int, str]] = []
        self._soon = SOON
        self._captured_at = self._taken = 0.0
        self._here: Any = None
        self._signals: Deferred | None = None

    def gather(self, frame: FrameType) -> None:
        """Bring all to rest and capture them.

        Args:
            frame: the program's innermost frame in this thread, where a thread without a frame is reported.

        Raises:
            Elsewhere: not in time; says which thread, where, and in what. The program may go on.
        """
        self._members, self._proof, self._here = [], [], frame
        if not others():
            self.release()
            if books.in_use():
                raise Elsewhere([Pin(frame, _WRITING)])
            return
        parking = self._parking = self._parking or Parking()
        parking.begin()
        if not self._stuck:  # before anything lets go of the interpreter lock, which many may wait for
            self._arm_all(parking, sys._current_frames())
        with Memory() as memory:
            late = self._still_stuck(parking, memory)
            if not late:
                self._signals = self._signals or Deferred()
                late = self._gathered(parking, memory)
                if not late:
                    self._captured_at = time.monotonic()
                    return
                self._times = min(2 * self._times, MOST_TIMES)
        parking.only({*self._stuck, *self._pins})
        self._let_signals_in()
        places = [(pin.frame, pin.frame.f_lasti) for pin in late]
        self._told = {
            place: self._told.get(place) or _named(pin) for place, pin in zip(places, late, strict=True)
        }
        raise Elsewhere(list(self._told.values()))

    def _gathered(self, parking: Parking, memory: Memory) -> list[Pin]:
        """All brought to rest and captured; or, when for too long nobody more has come, those that are late."""
        patience, longest = (self._times * most + 2 * self._soon for most in (PATIENCE, LONGEST))
        began = since = 0.0
        fewest = sys.maxsize
        while True:
            late = self._bring_to_rest(parking, memory) or self._capture(parking, memory)
            now = time.monotonic()
            if len(late) < fewest:
                fewest, since = len(late), now
            began = began or now  # after the first look, which may take long in itself
            if not late or now - since > patience or now - began > longest:
                return late
            time.sleep(_PAUSE)

    def _still_stuck(self, parking: Parking, memory: Memory) -> list[Pin]:
        """Those that were late the last time, and have not moved: before they have, nobody else need stop."""
        frames, late = sys._current_frames(), list[Pin]()
        states = {state.ident: state for state in others()}
        for ident, before in self._stuck.items():
            frame = frames.get(ident)
            if frame is None or ident in parking.parked or (frame, frame.f_lasti) != before[:2]:
                continue
            state = states[ident]
            if before.pin is None:
                found = self._waits(parking, state, frame, memory)
            else:
                found = before.pin if kernel.proof_line(_TASKS, state.native) == before.line else None
            if isinstance(found, Pin):
                late.append(found)
        return late

    def join(self, stack: Stack) -> None:
        """Add what was captured to the stack of the thread that freezes."""
        for state, each in self._members:
            found = [] if each.context is None else list(each.context.items())
            stack.threads.append(ThreadRecord(
                state.ident, each.records, books.thread_of(state.ident),
                [part for item in found for part in item], kernel.blocked_signals(state.native),
                each.context, loops.running_in(each.records),
            ))  # fmt: skip
            stack.running |= each.running
            stack.generators += each.generators

    @property
    def proof(self) -> list[tuple[int, str]]:
        """(kernel's number, what the kernel said) of each thread that waits in a call that is to be made again.
        To be asked for when the image is written.
        """
        self._taken = time.monotonic() - self._captured_at
        return self._proof

    def holds(self) -> bool:
        """Does every waiting thread still wait? If not, threads that wake up are waited for longer from now on."""
        good = all(kernel.proof_line(_TASKS, native) == line for native, line in self.proof)
        if not good:
            self.was_disturbed()
        return good

    def was_disturbed(self) -> None:
        """The proof of the last capture did not hold."""
        self._soon = min(max(2 * self._soon, 2 * self._taken), _LATEST)

    def release(self) -> None:
        """Let all go on; nothing of ours remains."""
        self._pins, self._stuck, self._presumed, self._waiting, self._members = {}, {}, {}, {}, []
        self._told, self._times, self._here = {}, 1, None
        self._let_signals_in()
        if self._parking is not None:
            self._parking.clear()
            self._parking = None

    def _let_signals_in(self) -> None:
        if self._signals is not None:
            self._signals.end()
            self._signals = None

    # ---- coming to rest ----------------------------------------------------------------------------------------------

    def _bring_to_rest(self, parking: Parking, memory: Memory) -> list[Pin]:
        """One look at everybody. Who is not at rest, each with what holds it back.

        The kernel is asked when no frame shows anybody on the way: asking lets go of the interpreter lock each time,
        and those who are about to stop need it.
        """
        late: list[Pin] = []
        self._stuck, self._waiting = {}, {}
        frames = sys._current_frames()
        self._arm_all(parking, frames)
        for state in others():
            frame = frames.get(state.ident)
            if state.ident in parking.parked or (frame and self._presumed.get(state.ident) == (frame, frame.f_lasti)):
                continue
            if frame is None:  # it has not begun, or has ended
                late.append(Pin(self._here, "a thread begins or ends, or native code calls into Python"))
            elif is_arriving(frame) or is_standing(frame):
                late.append(Pin(frame, "it is about to stop"))
            else:
                found = self._seen(parking, state, frame, memory)
                if isinstance(found, Pin):
                    late.append(found)
                    self._stuck[state.ident] = _Stuck(frame, frame.f_lasti)
                else:
                    self._presumed[state.ident] = frame, frame.f_lasti
        return late or self._ask_kernel(parking, memory, frames)

    def _ask_kernel(self, parking: Parking, memory: Memory, frames: dict[int, FrameType]) -> list[Pin]:
        """Does everybody wait who seems to? Who does not, with the lock of the interpreter about to come."""
        late: list[Pin] = []
        self._presumed = {}
        for state in others():
            frame = frames.get(state.ident)
            if frame is None or state.ident in parking.parked:
                continue
            found = self._waits(parking, state, frame, memory)
            if isinstance(found, Pin):
                late.append(found)
                self._stuck[state.ident] = _Stuck(frame, frame.f_lasti)
            else:
                self._waiting[state.ident] = found
        return late

    def _arm_all(self, parking: Parking, frames: dict[int, FrameType]) -> None:
        """Before anybody is looked at: each look lets go of the interpreter lock, and who runs would keep it for a
        whole switch interval each time.
        """
        for state in others():
            frame = frames.get(state.ident)
            if frame is None or state.ident in parking.parked or state.ident in self._pins or is_arriving(frame):
                continue
            if not is_standing(frame):
                with suppress(Pin):  # it is told when it is its turn
                    parking.arm(state, frame)

    def _seen(self, parking: Parking, state: State, frame: FrameType, memory: Memory) -> Pin | Blocked:
        """A thread that is not parked: armed, and then by its frame in a call that may be made again, or late."""
        pin = self._pins.get(state.ident)
        if pin is not None and not _encloses(pin.frame, frame):
            del self._pins[state.ident]
            pin = None
        try:
            parking.arm(state, frame if pin is None else pin.frame)
        except Pin as why:
            return why
        return pin or blocking_call(frame, memory) or Pin(frame, _RUNS)

    def _waits(self, parking: Parking, state: State, frame: FrameType, memory: Memory) -> Pin | _Waiting:
        """And by the kernel."""
        found = self._seen(parking, state, frame, memory)
        if isinstance(found, Pin):
            return found
        call = kernel.look(state.native)
        if call is not None and kernel.waits_in(call, found.kind, found.receiver, memory):
            return _Waiting(frame, found, call)
        return Pin(frame, _RUNS)

    # ---- at rest -----------------------------------------------------------------------------------------------------

    def _capture(self, parking: Parking, memory: Memory) -> list[Pin]:
        """All are at rest: capture them. Nobody when that was done; else who was not at rest after all."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_UNDISTURBED)
        try:
            return self._captured(parking, memory)
        finally:
            sys.setswitchinterval(interval)

    def _captured(self, parking: Parking, memory: Memory) -> list[Pin]:
        asked = others()
        proof: list[tuple[int, str]] = []
        for state in asked:
            waiting = self._waiting.get(state.ident)
            if waiting is not None:
                line = kernel.proof_line(_TASKS, state.native)
                if not line.startswith(waiting.call.text):
                    return [Pin(waiting.frame, "it has just woken up")]
                proof.append((state.native, line))
            elif not parking.stands(state, memory):
                return [Pin(self._here, "a thread begins, ends or goes on")]
        # From here on nothing lets go of the interpreter lock.
        frames, everyone = sys._current_frames(), others()
        if everyone != asked:
            return [Pin(self._here, "a thread has just begun, or ended")]
        for ident, each in self._waiting.items():
            if frames.get(ident) is not each.frame:
                return [Pin(each.frame, "it has just woken up")]
        if books.in_use(parking.parked.values()):
            parking.only(())
            return [Pin(self._here, _WRITING)]
        with collector_paused():
            return self._captured_all(parking, everyone, proof, memory)

    def _captured_all(
        self, parking: Parking, everyone: list[State], proof: list[tuple[int, str]], memory: Memory
    ) -> list[Pin]:
        late: list[Pin] = []
        members: list[tuple[State, Stack]] = []
        handling, lines, live = handled(), dict(proof), LiveObjects()
        for state in everyone:
            waiting = self._waiting.get(state.ident)
            frame = parking.parked.get(state.ident) if waiting is None else waiting.frame
            if frame is None:
                return [Pin(self._here, "a thread goes on")]
            other = Other(handling.get(state.ident), contexts.of_thread(state.address))
            if waiting is not None:
                other.words = partial(kernel.words_above, waiting.call.stack, memory)
                other.blocked = waiting.blocked
            try:
                mode = "exact" if waiting is None else "reexecute"
                stack = capture_stack(frame, base=None, mode=mode, other=other, live=live)
            except Pin as pin:
                late.append(bare(pin))
                self._wait_for(parking, state, frame, pin)
                if waiting is not None:
                    self._stuck[state.ident] = _Stuck(frame, frame.f_lasti, pin, lines[state.native])
                continue
            if any(left < self._soon for left in other.left):
                late.append(Pin(frame, "it is about to wake up"))
            members.append((state, stack))
        if not late:
            self._members, self._proof = members, proof
        return late

    def _wait_for(self, parking: Parking, state: State, frame: FrameType, pin: Pin) -> None:
        """It cannot be captured where it stands: let it go on as far as the frame that holds it back."""
        if pin.frame is not frame:
            self._pins[state.ident] = pin
            parking.arm(state, pin.frame)
        parking.let_go(state.ident)


def _named(pin: Pin) -> Pin:
    """With the C call that it seems to be in. (To look for it takes long where there are many objects.)"""
    return (blocked_in(pin.frame) or pin) if pin.why == _RUNS else pin


def _encloses(outer: FrameType, inner: FrameType | None) -> bool:
    while inner is not None and inner is not outer:
        inner = inner.f_back
    return inner is outer


__all__ = ["Elsewhere", "Gathering"]

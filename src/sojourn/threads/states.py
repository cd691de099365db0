"""What a thread and an LWP can be, and what leads from which state to which: tables, and a witness that holds them.

Concepts. A *thread* is a user-level thread. An *LWP* is a kernel-level thread that carries threads. A *processor* is
the right to carry them: a run queue with its timers. There are as many as threads may run at once, and each belongs
to one LWP at most. An LWP that blocks loses its processor to another LWP; that is all the magic there is.

`THREADS` and `LWPS` are the whole truth: a pair that is not in them is an error of ours. The scheduler does not look
into them on its way, since a switch costs half a microsecond and a look another one; it follows them, and in debug
mode a `Witness` is told of every step and raises at the first that is not there. So a thread that would run twice at
once, or be woken up twice, is found where it happens.
"""

from __future__ import annotations

import _thread
from enum import StrEnum

from sojourn.errors import InternalError


class State(StrEnum):
    """Where a thread is in its life; the value is what `threads.dump()` shows."""

    READY = "ready"  # in one run queue
    RUNNING = "running"  # on one LWP
    WAITING = "waiting"  # in no queue; what it waits for knows it
    BLOCKED = "blocked"  # on an LWP that the kernel holds, whose processor was handed on
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What can happen to a thread."""

    TAKEN = "taken"  # an LWP took it from a run queue, or its own LWP goes on with it
    YIELDED = "yielded"
    PARKED = "parked"
    WOKEN = "woken"
    CAUGHT = "caught"  # the monitor took the processor of the LWP that carries it
    RETURNED = "returned"
    RAISED = "raised"
    STOPPED = "stopped"  # it ended by its own cancellation


_ENDS = {Step.RETURNED: State.DONE, Step.RAISED: State.FAILED, Step.STOPPED: State.CANCELLED}
_LEAVES = {Step.YIELDED: State.READY, Step.PARKED: State.WAITING, **_ENDS}

THREADS: dict[State, dict[Step, State]] = {
    State.READY: {Step.TAKEN: State.RUNNING},
    State.RUNNING: {**_LEAVES, Step.CAUGHT: State.BLOCKED},
    State.WAITING: {Step.WOKEN: State.READY},
    State.BLOCKED: _LEAVES,  # it comes back from its call, and leaves the LWP as any other
    State.DONE: {},
    State.FAILED: {},
    State.CANCELLED: {},
}
OVER = frozenset({State.DONE, State.FAILED, State.CANCELLED})


class Seat(StrEnum):
    """What an LWP has to do."""

    SPARE = "spare"  # nothing: waits to be called
    CARRYING = "carrying"  # has a processor
    IDLE = "idle"  # has a processor without anything to run
    ROBBED = "robbed"  # was blocked: its processor is somebody else's
    LENT = "lent"  # belongs to one thread: a plain function, or a repeat offender
    GONE = "gone"


class Turn(StrEnum):
    """What can happen to an LWP."""

    SEATED = "seated"  # was given a processor
    RAN_DRY = "ran-dry"
    ROUSED = "roused"
    CAUGHT = "caught"
    CAME_BACK = "came-back"  # from the call in which it was robbed
    LENT = "lent"
    FREED = "freed"  # has nothing to do any more
    WENT = "went"


LWPS: dict[Seat, dict[Turn, Seat]] = {
    Seat.SPARE: {Turn.SEATED: Seat.CARRYING, Turn.LENT: Seat.LENT, Turn.WENT: Seat.GONE},
    Seat.CARRYING: {Turn.RAN_DRY: Seat.IDLE, Turn.CAUGHT: Seat.ROBBED, Turn.FREED: Seat.SPARE},
    Seat.IDLE: {Turn.ROUSED: Seat.CARRYING, Turn.FREED: Seat.SPARE},
    Seat.ROBBED: {Turn.CAME_BACK: Seat.SPARE, Turn.LENT: Seat.LENT},
    Seat.LENT: {Turn.FREED: Seat.SPARE},
    Seat.GONE: {},
}


class Witness:
    """Debug mode: is told of every step, and raises at one that the tables do not have."""

    def __init__(self) -> None:
        self._guard = _thread.allocate_lock()
        self._threads: dict[int, State] = {}  # by number of the thread; those alive
        self._lwps: dict[int, Seat] = {}  # by number of the LWP
        self.wrong: list[str] = []  # what was not in the tables: raised, and kept for whoever looks afterwards

    def begin(self, number: int) -> None:
        """A thread was made; it is in a run queue, or its LWP is being called."""
        with self._guard:
            self._threads[number] = State.READY

    def step(self, number: int, step: Step) -> None:
        with self._guard:
            state = self._threads.get(number)
            following = None if state is None else THREADS[state].get(step)
            if following is None:
                self._refuse(f"thread {number} was {step} while {state or 'not alive'}")
            elif following in OVER:
                del self._threads[number]
            else:
                self._threads[number] = following

    def turn(self, number: int, turn: Turn) -> None:
        with self._guard:
            seat = self._lwps.get(number, Seat.SPARE)
            following = LWPS[seat].get(turn)
            if following is None:
                self._refuse(f"LWP {number} was {turn} while {seat}")
            elif following is Seat.GONE:
                self._lwps.pop(number, None)
            else:
                self._lwps[number] = following

    def leave(self, number: int) -> None:
        """An LWP has ended, whatever it had."""
        with self._guard:
            self._lwps.pop(number, None)

    def states(self) -> dict[int, State]:
        """Every thread alive, as it was told."""
        with self._guard:
            return dict(self._threads)

    def _refuse(self, what: str) -> None:
        self.wrong.append(what)
        raise InternalError(what)

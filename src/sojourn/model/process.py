"""The states of a process, and which event leads from which to which.

Concepts. A process is in one of six states, and the registry's record says which. Only its owner node
writes them, with two exceptions: whoever is left declares the processes of a dead node lost, and the source
of a move takes back a process whose target died.

`TRANSITIONS` is the whole truth; a pair that is not in it cannot happen, and asking for it is an error of
ours.
"""

from __future__ import annotations

from enum import StrEnum

from sojourn.errors import InternalError


class State(StrEnum):
    """Where a process is in its life; the value is what `sojourn ps` shows."""

    STARTING = "starting"  # its name is taken, its host process is being made
    RUNNING = "running"
    MOVING = "moving"  # its owner is moving it, or has just received it
    FROZEN = "frozen"  # at rest in an image; runs nowhere
    ENDED = "ended"  # by itself or by a signal; exit code and log stay until `rm`
    LOST = "lost"  # its node went away with it


class Event(StrEnum):
    """What can happen to a process."""

    STARTED = "started"  # the host process runs
    MOVE_BEGAN = "move-began"
    MOVE_ABORTED = "move-aborted"
    COMMITTED = "committed"  # the next owner is in the record; it does not run yet
    ARRIVED = "arrived"  # the next owner runs it
    TAKEN_BACK = "taken-back"  # the move's source has it again
    FROZE = "froze"
    THAWED = "thawed"
    EXITED = "exited"
    NODE_DIED = "node-died"
    NODE_RETURNED = "node-returned"  # a node that was given up for dead still runs it


S, E = State, Event

TRANSITIONS: dict[tuple[State, Event], State] = {
    (S.STARTING, E.STARTED): S.RUNNING,
    (S.STARTING, E.EXITED): S.ENDED,
    (S.STARTING, E.NODE_DIED): S.LOST,
    (S.RUNNING, E.MOVE_BEGAN): S.MOVING,
    (S.RUNNING, E.FROZE): S.FROZEN,
    (S.RUNNING, E.EXITED): S.ENDED,
    (S.RUNNING, E.NODE_DIED): S.LOST,
    (S.MOVING, E.MOVE_ABORTED): S.RUNNING,
    (S.MOVING, E.COMMITTED): S.MOVING,
    (S.MOVING, E.ARRIVED): S.RUNNING,
    (S.MOVING, E.TAKEN_BACK): S.RUNNING,
    (S.MOVING, E.EXITED): S.ENDED,
    (S.MOVING, E.NODE_DIED): S.LOST,
    (S.FROZEN, E.THAWED): S.RUNNING,
    (S.LOST, E.NODE_RETURNED): S.RUNNING,
    (S.LOST, E.EXITED): S.ENDED,
}

OVER = frozenset({State.ENDED, State.LOST})
"""States in which nothing of the process runs and only `rm` remains."""

RAISES_EPOCH = frozenset({Event.COMMITTED, Event.TAKEN_BACK, Event.THAWED, Event.NODE_RETURNED})
"""Events that change the owner, or settle who it is: the epoch goes up by one."""


def after(state: State, event: Event) -> State:
    """The state after `event`. Raises InternalError for an event that cannot happen in `state`."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise InternalError(f"a process that is {state.value} cannot have {event.value}") from None


def epoch_after(epoch: int, event: Event) -> int:
    """The epoch after `event`."""
    return epoch + 1 if event in RAISES_EPOCH else epoch

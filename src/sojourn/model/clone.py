"""The clone of a process as two state machines, in the words of `model.move`: a stimulus in, the next state
and instructions out. No I/O, no clock.

Concepts. The *original* goes on where it is; a *copy* comes to be beside it, with an identity of its own.
`Origin` is one copy seen from the node that has the original, `Copy` is the same copy seen from the node
that is to run it. One freeze serves any number of copies: the original stands still from the capture until
its image is complete, and no message of a clone can stop it again.

A copy's name is taken first: the record *reserved* for it says "starting", names the node that is to run it,
and, as the one that still answers for it, the origin. Call the revision of that write R. Two writes compete
for R, and the first wins:
  * the **commit**, by the target, once it holds a complete copy: running;
  * the **withdrawal**, by either side, when something failed: the record is removed.
So an unanswered message needs no other answer than the record: who withdraws and wins knows that no copy
will ever run; who is beaten reads what the other wrote.

Guarantees (tests/unit/model walks every cell and every order of loss):
  * A copy starts only when its commit is known to have won. Nothing of a clone touches the original's record.
  * Whatever fails, the record is removed by whoever is left; if nobody is, it is declared lost with its
    nodes, like any other.
  * Each state before the commit has an edge to an outcome without a copy.

Rejected: the commit by the origin, as in a move (there the source has to know before it lets its own copy go
on; here nothing at the origin waits for it, and one round trip less is taken); taking the name at the commit
(a name that is taken would be found out after the freeze, and for each copy at another time).
"""

from __future__ import annotations

from enum import Enum

from sojourn.model.move import Cell, Do, On, Table, follow


class Origin(Enum):
    """One copy, at the node that has the original."""

    OFFERING = "the name is taken, the offer is out; the original runs"
    ACCEPTED = "the target has made a place; the image is not there yet"
    SENDING = "the image travels and is built; the original goes on"
    WITHDRAWING = "something failed: the record is being removed"
    INQUIRING = "the removal was beaten: reading what became of the copy"
    CLONED = "the copy runs; outcome"
    ABORTED = "there is no copy; outcome"


class Copy(Enum):
    """One copy, at the node that is to run it."""

    PREPARING = "the offer is here; a place is being made"
    RECEIVING = "accepted; the image is on its way"
    THAWING = "building from the image"
    COMMITTING = "a complete copy is held; the commit is out"
    INQUIRING = "the commit was beaten: reading what the record says"
    STARTING = "committed; the first instruction is due"
    WITHDRAWING = "something failed: the record is being removed"
    ARRIVED = "the copy runs here; outcome"
    DISCARDED = "nothing of it is left here; outcome"


OUTCOMES: frozenset[Enum] = frozenset({Origin.CLONED, Origin.ABORTED, Copy.ARRIVED, Copy.DISCARDED})


def _origin() -> dict[tuple[Enum, On], Cell]:
    o = Origin
    given_up = (o.WITHDRAWING, (Do.WITHDRAW,))  # the target has said so, and has nothing any more
    called_off = (o.WITHDRAWING, (Do.TELL_ABORT, Do.WITHDRAW))
    table: dict[tuple[Enum, On], Cell] = {
        (o.OFFERING, On.ACCEPTED): (o.ACCEPTED, (Do.TELL_PLACED,)),
        (o.ACCEPTED, On.FROZEN): (o.SENDING, (Do.SEND,)),
        (o.ACCEPTED, On.CANNOT_FREEZE): called_off,
        (o.SENDING, On.RUNNING): (o.CLONED, ()),
        (o.WITHDRAWING, On.WON): (o.ABORTED, ()),
        (o.WITHDRAWING, On.BEATEN): (o.INQUIRING, (Do.READ,)),
        (o.WITHDRAWING, On.UNANSWERED): (o.WITHDRAWING, (Do.WITHDRAW,)),
        (o.INQUIRING, On.CONFIRMED): (o.CLONED, ()),
        (o.INQUIRING, On.OTHERS): (o.ABORTED, ()),
        (o.INQUIRING, On.UNANSWERED): (o.INQUIRING, (Do.READ,)),
    }
    for state in (o.OFFERING, o.ACCEPTED, o.SENDING):
        table[state, On.FAILED] = given_up
        table |= {(state, on): called_off for on in (On.CUT, On.DEADLINE, On.CANCEL)}
    for state in (o.OFFERING, o.ACCEPTED):  # once its image is complete, the original's end is nobody's matter
        table[state, On.HOST_ENDED] = called_off
    for state in (o.WITHDRAWING, o.INQUIRING):  # what was under way before the cut; the record decides
        late = (On.FAILED, On.RUNNING, On.ACCEPTED, On.FROZEN, On.CANNOT_FREEZE)
        table |= {(state, on): (state, ()) for on in late}
    return table


def _copy() -> dict[tuple[Enum, On], Cell]:
    c = Copy
    dropped = (c.DISCARDED, (Do.DISCARD,))  # the origin has said so, and removes the record
    failed = (c.WITHDRAWING, (Do.WITHDRAW,))
    told = (c.DISCARDED, (Do.DISCARD, Do.TELL_FAILED))  # the record is gone when the origin hears of it
    table: dict[tuple[Enum, On], Cell] = {
        (c.PREPARING, On.PREPARED): (c.RECEIVING, (Do.TELL_ACCEPTED,)),
        (c.PREPARING, On.CANNOT_PREPARE): failed,
        (c.RECEIVING, On.IMAGE): (c.THAWING, (Do.THAW,)),
        (c.RECEIVING, On.BAD_IMAGE): failed,
        (c.THAWING, On.THAWED): (c.COMMITTING, (Do.COMMIT,)),
        (c.THAWING, On.CANNOT_THAW): failed,
        (c.COMMITTING, On.WON): (c.STARTING, (Do.START,)),
        (c.COMMITTING, On.BEATEN): (c.INQUIRING, (Do.READ,)),
        (c.COMMITTING, On.UNANSWERED): (c.COMMITTING, (Do.COMMIT,)),
        (c.INQUIRING, On.OURS): (c.STARTING, (Do.START,)),  # by a write of ours that got no answer
        (c.INQUIRING, On.OTHERS): (c.DISCARDED, (Do.DISCARD, Do.TELL_FAILED)),
        (c.INQUIRING, On.UNANSWERED): (c.INQUIRING, (Do.READ,)),
        (c.STARTING, On.STARTED): (c.ARRIVED, (Do.TELL_RUNNING,)),
        (c.STARTING, On.CANNOT_START): failed,
        (c.WITHDRAWING, On.WON): told,
        (c.WITHDRAWING, On.BEATEN): told,
        (c.WITHDRAWING, On.UNANSWERED): (c.WITHDRAWING, (Do.WITHDRAW,)),
    }
    for state in (c.PREPARING, c.RECEIVING, c.THAWING):
        table[state, On.ABORT] = dropped
        table |= {(state, on): failed for on in (On.CUT, On.DEADLINE, On.HOST_ENDED)}
    # An abort that comes after the commit is out competes with it by its withdrawal, not by its word.
    for state in (c.COMMITTING, c.INQUIRING, c.STARTING, c.WITHDRAWING):
        table[state, On.ABORT] = (state, ())
    late = (On.PREPARED, On.CANNOT_PREPARE, On.IMAGE, On.BAD_IMAGE, On.THAWED, On.CANNOT_THAW)
    table |= {(c.WITHDRAWING, on): (c.WITHDRAWING, ()) for on in late}  # what was under way when it failed
    return table


ORIGIN: Table = _origin()
COPY: Table = _copy()


def step(state: Enum, on: On) -> Cell:
    """What follows when `on` happens in `state`. Raises InternalError for a reply that nobody asked for."""
    return follow(ORIGIN if isinstance(state, Origin) else COPY, OUTCOMES, state, on)

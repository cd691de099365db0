"""The move of a process as two state machines: a stimulus in, the next state and instructions out. No I/O,
no clock.

Concepts. The *source* owns the process when the move begins, the *target* is to own it. The registry's
record is the only truth about ownership; it changes by compare-and-set on a revision. The source marks the
record as moving before anything else; call the revision of that mark R and the epoch then E. Three writes
compete for R, and the first wins:
  * the **commit** by the source: owner target, epoch E + 1;
  * the **abort record**, by the source when its commit got no answer, or by the target when it was left
    alone while it held a complete copy: owner source, epoch E + 1;
  * the removal of the mark after an abort before any commit was issued.
The commit has its own revision, C, for which three more compete:
  * the **confirmation** by the target, once the program runs there;
  * the **return** by the target, when it could not make the program run: owner source, epoch E + 2;
  * the **take-back** by the source, after the target's lease ran out: owner source, epoch E + 2.
Each record names its move, so that a message or read that is late belongs to no other attempt.

Guarantees (tests/unit/model walks every cell and simulates loss, delay, crashes and delayed writes):
  * The target starts its copy only when the commit is known to have won; the source lets its own go on only
    when no commit was ever issued, or when a write that beats the commit is known to have won. So no two
    copies run.
  * From capture to outcome the source keeps its stopped copy; it retires it only when the target is known
    to run the program, or when the record is known to belong to somebody else.
  * A target that is not yet confirmed and whose lease lapses stops its copy before anybody may take it
    back. One that cannot know whether its lease held since before the commit (it was left alone, or "go"
    came late) confirms first and starts then.
  * Every state before the commit has an edge to ABORTED; states after it have an edge to every outcome that
    the registry may show. Where the control plane stays away, both copies stay held, and the source says
    so.

Rejected: a commit by the target (two writers of one decision); settling an unanswered commit by reading (a
delayed write can land after the read); two-phase commit with a log of its own (the registry already is
one).

A *stray* message (one that the peer may not send now) is a breach of the protocol and counts as a cut
connection. A reply that nobody asked for is a bug of ours: InternalError. What may come at any time and
means nothing in a state is listed as quiet.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from sojourn.errors import InternalError


class Source(Enum):
    """States of the side that has the process."""

    OFFERING = "the offer is out; the program runs"
    SHIPPING = "the target accepted; what can travel ahead travels; the program runs"
    FREEZING = "waiting for a safe point"
    UNWINDING = "aborted while waiting for a safe point: the outcome of the freeze is still to come"
    SENDING = "stopped; the image travels and is built, held, at the target"
    COMMITTING = "the target is ready; the commit is out"
    SETTLING = "the commit got no answer; the abort record is out, again and again"
    HELD = "as SETTLING, for longer than anybody should wait in silence"
    INQUIRING = "a write was beaten, so the record moved past its revision and can be read"
    HANDING = "the commit won; the target was told to go"
    WAITING = "the target went silent after the commit: watching the record and its lease"
    RECLAIMING = "the target is dead; the take-back is out"
    MOVED = "the program runs at the target; outcome"
    ABORTED = "the program goes on here; outcome"
    ENDED = "the program ended before the commit; outcome"
    FENCED = "somebody else owns the process; outcome"


class Target(Enum):
    """States of the side that is to have the process."""

    PREPARING = "the offer is here; a place is being made"
    RECEIVING = "accepted; the image is on its way"
    THAWING = "building from the image"
    READY = "a complete copy is held"
    SETTLING = "left alone with a complete copy; the abort record is out"
    INQUIRING = "the abort record was beaten, so the record can be read"
    FORFEITING = "the held copy died; the abort record is out"
    FORFEITED = "the held copy died and the abort record was beaten: reading who owns it"
    STARTING = "told to go; the first instruction is due"
    CLAIMING = "ours by the record, but perhaps being taken back: the confirmation is out, before the start"
    CLAIMED = "confirmed; the first instruction is due"
    CONFIRMING = "it runs; the confirmation is out"
    SUSPENDED = "our lease lapsed before the confirmation was answered: stopped"
    VERIFYING = "the confirmation was beaten: reading who owns the process"
    DOUBTING = "as VERIFYING, stopped"
    RETURNING = "the program could not start; the return is out"
    ARRIVED = "it runs here and is ours; outcome"
    DISCARDED = "nothing of it is left here; outcome"
    LOST = "confirmed, and then the copy could not start; outcome"


class On(Enum):
    """Stimuli, of both sides."""

    # from the peer
    ACCEPTED = "peer: accepted"
    REFUSED = "peer: refused"
    READY = "peer: ready"
    FAILED = "peer: failed"
    RUNNING = "peer: running"
    RETURNED = "peer: returned"
    GO = "peer: go"
    LATE_GO = "peer: go, but our lease lapsed since we were ready"
    ABORT = "peer: abort"
    RETIRED = "peer: retired"
    IMAGE = "peer: whole image"
    # from the world, at any time
    CUT = "connection cut"
    DEADLINE = "deadline passed"
    CANCEL = "cancelled"
    PATIENCE = "patience over"
    HOST_ENDED = "host process ended"
    LAPSED = "own lease lapsed"
    RENEWED = "own lease renewed"
    # replies to instructions
    SHIPPED = "shipped"
    FROZEN = "frozen"
    CANNOT_FREEZE = "cannot freeze"
    PREPARED = "prepared"
    CANNOT_PREPARE = "cannot prepare"
    BAD_IMAGE = "bad image"
    THAWED = "thawed"
    CANNOT_THAW = "cannot thaw"
    STARTED = "started"
    CANNOT_START = "cannot start"
    WON = "write won"
    BEATEN = "write beaten"
    UNANSWERED = "no answer"
    OURS = "record: ours"
    THEIRS = "record: the target's, unconfirmed"
    CONFIRMED = "record: the target runs it"
    OTHERS = "record: somebody else's"
    TARGET_DEAD = "target's lease ran out"


class Do(Enum):
    """Instructions, of both sides."""

    SHIP = "ship what can travel ahead"
    FREEZE = "freeze"
    SEND = "send the image"
    COMMIT = "write the commit"
    ABORT_RECORD = "write the abort record"
    TAKE_BACK = "write the take-back"
    UNMARK = "remove the mark"
    READ = "read the record"
    WATCH = "watch record and lease"
    TELL_GO = "tell: go"
    TELL_ABORT = "tell: abort"
    TELL_RETIRED = "tell: retired"
    TELL_HELD = "report: held"
    TELL_PLACED = "report: the target has made a place"
    ARM_PATIENCE = "start to count patience"
    UNFREEZE = "let the source copy go on"
    RETIRE = "kill the source copy"
    TELL_ACCEPTED = "tell: accepted"
    TELL_REFUSED = "tell: refused"
    TELL_FAILED = "tell: failed"
    TELL_READY = "tell: ready"
    TELL_RUNNING = "tell: running"
    TELL_RETURNED = "tell: returned"
    THAW = "thaw, held"
    START = "start the held copy"
    DISCARD = "discard the copy"
    CONFIRM = "write the confirmation"
    RETURN = "write the return"
    SUSPEND = "stop the running copy"
    RESUME = "continue the stopped copy"
    PUBLISH = "bring the record up to date in the background"
    WITHDRAW = "remove the record of a copy that is not to be"


Cell = tuple[Enum, tuple[Do, ...]]
Table = Mapping[tuple[Enum, On], Cell]

PEER = frozenset(on for on in On if on.value.startswith("peer:"))
WORLD = frozenset({On.CUT, On.DEADLINE, On.CANCEL, On.PATIENCE, On.HOST_ENDED, On.LAPSED, On.RENEWED})
OUTCOMES: frozenset[Enum] = frozenset(
    {Source.MOVED, Source.ABORTED, Source.ENDED, Source.FENCED, Target.ARRIVED, Target.DISCARDED, Target.LOST}
)


def _source() -> dict[tuple[Enum, On], Cell]:
    s = Source
    back = (s.ABORTED, (Do.TELL_ABORT, Do.UNMARK))  # before the freeze: the program never noticed
    thawed = (s.ABORTED, (Do.TELL_ABORT, Do.UNFREEZE, Do.UNMARK))
    kept = (s.ABORTED, (Do.TELL_ABORT, Do.UNFREEZE))  # the record already says that it is ours
    ended = (s.ENDED, (Do.TELL_ABORT,))
    moved = (s.MOVED, (Do.RETIRE, Do.TELL_RETIRED))
    fenced = (s.FENCED, (Do.TELL_ABORT, Do.RETIRE))
    table: dict[tuple[Enum, On], Cell] = {
        (s.OFFERING, On.ACCEPTED): (s.SHIPPING, (Do.SHIP,)),
        (s.OFFERING, On.REFUSED): (s.ABORTED, (Do.UNMARK,)),
        (s.SHIPPING, On.SHIPPED): (s.FREEZING, (Do.FREEZE,)),
        (s.FREEZING, On.FROZEN): (s.SENDING, (Do.SEND,)),
        (s.FREEZING, On.CANNOT_FREEZE): back,
        (s.FREEZING, On.HOST_ENDED): ended,
        (s.UNWINDING, On.FROZEN): (s.ABORTED, (Do.UNFREEZE, Do.UNMARK)),
        (s.UNWINDING, On.CANNOT_FREEZE): (s.ABORTED, (Do.UNMARK,)),
        (s.UNWINDING, On.HOST_ENDED): (s.ENDED, ()),
        (s.SENDING, On.READY): (s.COMMITTING, (Do.COMMIT,)),
        (s.SENDING, On.HOST_ENDED): ended,
        (s.COMMITTING, On.WON): (s.HANDING, (Do.TELL_GO,)),
        (s.COMMITTING, On.BEATEN): (s.INQUIRING, (Do.READ,)),
        (s.COMMITTING, On.UNANSWERED): (s.SETTLING, (Do.ABORT_RECORD, Do.ARM_PATIENCE)),
        (s.SETTLING, On.PATIENCE): (s.HELD, (Do.TELL_HELD,)),
        (s.INQUIRING, On.OURS): kept,
        (s.INQUIRING, On.THEIRS): (s.HANDING, (Do.TELL_GO,)),
        (s.INQUIRING, On.CONFIRMED): moved,
        (s.INQUIRING, On.OTHERS): fenced,
        (s.INQUIRING, On.UNANSWERED): (s.INQUIRING, (Do.READ,)),
        (s.INQUIRING, On.PATIENCE): (s.INQUIRING, (Do.TELL_HELD,)),
        (s.HANDING, On.RUNNING): moved,
        (s.HANDING, On.RETURNED): (s.INQUIRING, (Do.READ,)),
        (s.HANDING, On.CUT): (s.WAITING, (Do.WATCH,)),
        (s.HANDING, On.DEADLINE): (s.WAITING, (Do.WATCH,)),
        (s.WAITING, On.RUNNING): moved,
        (s.WAITING, On.RETURNED): (s.INQUIRING, (Do.READ,)),
        (s.WAITING, On.CONFIRMED): moved,
        (s.WAITING, On.OURS): kept,
        (s.WAITING, On.OTHERS): fenced,
        (s.WAITING, On.TARGET_DEAD): (s.RECLAIMING, (Do.TAKE_BACK,)),
        (s.RECLAIMING, On.WON): kept,
        (s.RECLAIMING, On.BEATEN): (s.INQUIRING, (Do.READ,)),
        (s.RECLAIMING, On.UNANSWERED): (s.RECLAIMING, (Do.TAKE_BACK,)),
    }
    for state in (s.OFFERING, s.SHIPPING):
        table |= {(state, on): back for on in (On.CUT, On.DEADLINE, On.CANCEL)}
        table[state, On.HOST_ENDED] = ended
    for on in (On.FAILED, On.CUT, On.CANCEL):
        table[s.FREEZING, on] = (s.UNWINDING, (Do.TELL_ABORT,))
    for on in (On.FAILED, On.CUT, On.DEADLINE, On.CANCEL):
        table[s.SENDING, on] = thawed
    table[s.SHIPPING, On.FAILED] = back
    for state in (s.SETTLING, s.HELD):
        table[state, On.WON] = kept
        table[state, On.BEATEN] = (s.INQUIRING, (Do.READ,))
        table[state, On.UNANSWERED] = (state, (Do.ABORT_RECORD,))
    # A target that fails after it was ready settles the record itself; its last word changes nothing here.
    for state in (
        s.UNWINDING,
        s.COMMITTING,
        s.SETTLING,
        s.HELD,
        s.INQUIRING,
        s.HANDING,
        s.WAITING,
        s.RECLAIMING,
    ):
        table[state, On.FAILED] = (state, ())
    # What was said before a cut or a deadline may still arrive; the record decides now.
    for state in (s.SETTLING, s.HELD, s.INQUIRING, s.RECLAIMING):
        for on in (On.RUNNING, On.RETURNED):
            table[state, on] = (state, ())
    return table


def _target() -> dict[tuple[Enum, On], Cell]:
    t = Target
    drop = (t.DISCARDED, (Do.DISCARD,))
    fail = (t.DISCARDED, (Do.TELL_FAILED, Do.DISCARD))
    returned = (t.DISCARDED, (Do.TELL_RETURNED, Do.DISCARD))
    table: dict[tuple[Enum, On], Cell] = {
        (t.PREPARING, On.PREPARED): (t.RECEIVING, (Do.TELL_ACCEPTED,)),
        (t.PREPARING, On.CANNOT_PREPARE): (t.DISCARDED, (Do.TELL_REFUSED, Do.DISCARD)),
        (t.RECEIVING, On.IMAGE): (t.THAWING, (Do.THAW,)),
        (t.RECEIVING, On.BAD_IMAGE): fail,
        (t.THAWING, On.THAWED): (t.READY, (Do.TELL_READY,)),
        (t.THAWING, On.CANNOT_THAW): fail,
        (t.READY, On.GO): (t.STARTING, (Do.START,)),
        (t.READY, On.LATE_GO): (t.CLAIMING, (Do.CONFIRM,)),
        (t.READY, On.ABORT): drop,
        (t.READY, On.CUT): (t.SETTLING, (Do.ABORT_RECORD,)),
        (t.READY, On.DEADLINE): (t.SETTLING, (Do.ABORT_RECORD,)),
        (t.READY, On.HOST_ENDED): (t.FORFEITING, (Do.TELL_FAILED, Do.ABORT_RECORD)),
        (t.SETTLING, On.WON): drop,
        (t.SETTLING, On.BEATEN): (t.INQUIRING, (Do.READ,)),
        (t.SETTLING, On.UNANSWERED): (t.SETTLING, (Do.ABORT_RECORD,)),
        (t.SETTLING, On.ABORT): drop,
        (t.SETTLING, On.HOST_ENDED): (t.FORFEITING, ()),
        (t.INQUIRING, On.OURS): (t.CLAIMING, (Do.CONFIRM,)),
        (t.INQUIRING, On.CONFIRMED): (t.CLAIMED, (Do.START,)),  # by a write of ours that got no answer
        (t.INQUIRING, On.OTHERS): drop,
        (t.INQUIRING, On.UNANSWERED): (t.INQUIRING, (Do.READ,)),
        (t.INQUIRING, On.ABORT): drop,
        (t.INQUIRING, On.HOST_ENDED): (t.FORFEITED, ()),
        (t.FORFEITING, On.WON): drop,
        (t.FORFEITING, On.BEATEN): (t.FORFEITED, (Do.READ,)),
        (t.FORFEITING, On.UNANSWERED): (t.FORFEITING, (Do.ABORT_RECORD,)),
        (t.FORFEITED, On.OURS): (t.RETURNING, (Do.RETURN,)),
        (t.FORFEITED, On.CONFIRMED): (t.LOST, (Do.DISCARD,)),
        (t.FORFEITED, On.OTHERS): drop,
        (t.FORFEITED, On.UNANSWERED): (t.FORFEITED, (Do.READ,)),
        (t.CLAIMING, On.WON): (t.CLAIMED, (Do.START,)),
        (t.CLAIMING, On.BEATEN): (t.INQUIRING, (Do.READ,)),
        (t.CLAIMING, On.UNANSWERED): (t.CLAIMING, (Do.CONFIRM,)),
        (t.CLAIMED, On.STARTED): (t.ARRIVED, (Do.TELL_RUNNING, Do.PUBLISH)),
        (t.CLAIMED, On.CANNOT_START): (t.LOST, (Do.DISCARD,)),
        (t.STARTING, On.STARTED): (t.CONFIRMING, (Do.TELL_RUNNING, Do.CONFIRM)),
        (t.STARTING, On.CANNOT_START): (t.RETURNING, (Do.RETURN,)),
        (t.CONFIRMING, On.WON): (t.ARRIVED, ()),
        (t.CONFIRMING, On.BEATEN): (t.VERIFYING, (Do.READ,)),
        (t.CONFIRMING, On.UNANSWERED): (t.CONFIRMING, (Do.CONFIRM,)),
        (t.CONFIRMING, On.RETIRED): (t.ARRIVED, (Do.PUBLISH,)),
        (t.CONFIRMING, On.LAPSED): (t.SUSPENDED, (Do.SUSPEND,)),
        (t.SUSPENDED, On.WON): (t.ARRIVED, (Do.RESUME,)),
        (t.SUSPENDED, On.BEATEN): (t.DOUBTING, (Do.READ,)),
        (t.SUSPENDED, On.UNANSWERED): (t.SUSPENDED, (Do.CONFIRM,)),
        (t.SUSPENDED, On.RETIRED): (t.ARRIVED, (Do.RESUME, Do.PUBLISH)),
        (t.VERIFYING, On.OURS): (t.CONFIRMING, (Do.CONFIRM,)),
        (t.VERIFYING, On.CONFIRMED): (t.ARRIVED, (Do.PUBLISH,)),
        (t.VERIFYING, On.OTHERS): drop,
        (t.VERIFYING, On.UNANSWERED): (t.VERIFYING, (Do.READ,)),
        (t.VERIFYING, On.RETIRED): (t.ARRIVED, (Do.PUBLISH,)),
        (t.VERIFYING, On.LAPSED): (t.DOUBTING, (Do.SUSPEND,)),
        (t.DOUBTING, On.OURS): (t.SUSPENDED, (Do.CONFIRM,)),
        (t.DOUBTING, On.CONFIRMED): (t.ARRIVED, (Do.RESUME, Do.PUBLISH)),
        (t.DOUBTING, On.OTHERS): drop,
        (t.DOUBTING, On.UNANSWERED): (t.DOUBTING, (Do.READ,)),
        (t.DOUBTING, On.RETIRED): (t.ARRIVED, (Do.RESUME, Do.PUBLISH)),
        (t.RETURNING, On.WON): returned,
        (
            t.RETURNING,
            On.BEATEN,
        ): returned,  # by the source's take-back, or by a return of ours that got no answer
        (t.RETURNING, On.UNANSWERED): (t.RETURNING, (Do.RETURN,)),
    }
    for state in (t.PREPARING, t.RECEIVING, t.THAWING):
        table |= {(state, on): drop for on in (On.ABORT, On.CUT)}
        table |= {(state, on): fail for on in (On.DEADLINE, On.HOST_ENDED)}
    # "go" says what the record already says; "abort" is said only before a commit or once the record
    # settled it, and the write or read that is out will find the same.
    settled = (t.CLAIMING, t.CLAIMED, t.FORFEITING, t.FORFEITED, t.RETURNING)
    for state in (t.SETTLING, t.INQUIRING, *settled):
        table[state, On.GO] = table[state, On.LATE_GO] = (state, ())
    for state in (t.STARTING, t.CONFIRMING, t.SUSPENDED, t.VERIFYING, t.DOUBTING, *settled):
        table[state, On.ABORT] = (state, ())
    return table


SOURCE: Table = _source()
TARGET: Table = _target()


def step(state: Enum, on: On) -> Cell:
    """What follows when `on` happens in `state`. Raises InternalError for a reply that nobody asked for."""
    return follow(SOURCE if isinstance(state, Source) else TARGET, OUTCOMES, state, on)


def follow(table: Table, outcomes: frozenset[Enum], state: Enum, on: On) -> Cell:
    """How any table of this kind is read: outcomes are final, strays are cuts, the world may be quiet."""
    if state in outcomes:
        return state, ()
    if (state, on) in table:
        return table[state, on]
    if on in PEER:
        return follow(table, outcomes, state, On.CUT)
    if on in WORLD:
        return state, ()
    raise InternalError(f"{state.name} got {on.value!r}, which nobody asked for")

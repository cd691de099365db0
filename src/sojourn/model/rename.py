"""The renaming of a process: one table, no I/O. The keys of the registry are names, so a new name is a new record.

Concepts. The record under the new name is created first and says which name it is to replace (`was`). As long as the
record under the old name is there, and is of the same process, the new one is a *claim*: it keeps the name, and
counts for nothing else. The removal of the old record, by compare-and-set on the revision that the claim was made from,
is the commit: from then on the claim is the process's record.

So at every moment exactly one record of the process counts, whatever stops where:
  * before the removal it is the old one. A claim that nobody pursues is removed by the owner, or, when that is dead, by
    whoever is left (`node.tenure`);
  * after it, the new one, which needs nobody to do anything.

Limit: where an ended process is removed (`rm`) in the moment between an interrupted renaming of it and the removal of
the claim that this left, the claim counts: the ended process is there once more, under the name that was wanted.

Rejected: changing the old record into a pointer (two names for one process, for as long as somebody might follow it);
keys by id with an index of names (every look-up by name takes two steps, and the index has the same problem).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from sojourn.errors import InternalError


class Rename(Enum):
    CLAIMING = "the claim on the new name is out"
    REMOVING = "the removal of the old record is out"
    REPEATING = "the removal got no answer, and is out again"
    LOOKING = "the removal was beaten: reading what stands under the old name"
    LOOKING_AGAIN = "as LOOKING, where an earlier removal may have landed"
    WITHDRAWING = "it cannot be done: the removal of the claim is out"
    RENAMED = "the new record counts; outcome"
    KEPT = "the old record counts, or there is none; outcome"


class On(Enum):
    WON = "write won"
    BEATEN = "write beaten"
    UNANSWERED = "no answer"
    THERE = "the old record is there"
    GONE = "the old record is gone"


OUTCOMES = frozenset({Rename.RENAMED, Rename.KEPT})

_R = Rename
TABLE: Mapping[tuple[Rename, On], Rename] = {
    (_R.CLAIMING, On.WON): _R.REMOVING,
    (_R.CLAIMING, On.BEATEN): _R.KEPT,
    (_R.CLAIMING, On.UNANSWERED): _R.KEPT,  # it may land yet; whoever sees it takes it away
    (_R.REMOVING, On.WON): _R.RENAMED,
    (_R.REMOVING, On.BEATEN): _R.LOOKING,
    (_R.REMOVING, On.UNANSWERED): _R.REPEATING,
    (_R.REPEATING, On.WON): _R.RENAMED,
    (_R.REPEATING, On.BEATEN): _R.LOOKING_AGAIN,
    (_R.REPEATING, On.UNANSWERED): _R.REPEATING,
    (_R.LOOKING, On.THERE): _R.WITHDRAWING,
    (_R.LOOKING, On.GONE): _R.WITHDRAWING,  # somebody has removed the process, and meant it
    (_R.LOOKING, On.UNANSWERED): _R.LOOKING,
    (_R.LOOKING_AGAIN, On.THERE): _R.WITHDRAWING,
    (_R.LOOKING_AGAIN, On.GONE): _R.RENAMED,  # by a removal of ours
    (_R.LOOKING_AGAIN, On.UNANSWERED): _R.LOOKING_AGAIN,
    (_R.WITHDRAWING, On.WON): _R.KEPT,
    (_R.WITHDRAWING, On.BEATEN): _R.KEPT,
    (_R.WITHDRAWING, On.UNANSWERED): _R.WITHDRAWING,
}


def step(state: Rename, on: On) -> Rename:
    """What follows. Raises InternalError for an answer that nobody waits for."""
    try:
        return TABLE[state, on]
    except KeyError:
        raise InternalError(f"a renaming that is {state.name} got {on.value!r}") from None


def counts(was: str, id: str, at_was: str | None) -> bool:
    """Whether a record counts. `was` and `id` are its own, `at_was` is the id of the process under the name it was."""
    return not was or at_was != id

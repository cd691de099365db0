"""Every (state, stimulus) cell of the clone, and every order in which its two sides, the registry, the network and
crashes can meet: a breadth-first walk over all of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from sojourn.errors import InternalError
from sojourn.model.clone import COPY, ORIGIN, OUTCOMES, Copy, Origin, step
from sojourn.model.move import PEER, WORLD, Do, On

CELLS = list(itertools.product([*Origin, *Copy], On))


@pytest.mark.parametrize(("state", "on"), CELLS, ids=lambda x: x.name)
def test_cell(state: Origin | Copy, on: On) -> None:
    table = ORIGIN if isinstance(state, Origin) else COPY
    if not ((state, on) in table or on in PEER or on in WORLD or state in OUTCOMES):
        with pytest.raises(InternalError):
            step(state, on)
        return
    after, do = step(state, on)
    assert type(after) is type(state)
    if state in OUTCOMES:
        assert (after, do) == (state, ())
    assert (Do.WITHDRAW in do) <= (after in (Origin.WITHDRAWING, Copy.WITHDRAWING))
    assert not {Do.FREEZE, Do.UNFREEZE, Do.RETIRE, Do.UNMARK} & set(do), "the original is none of a copy's business"


def test_only_a_commit_that_won_starts_a_copy() -> None:
    starts = {(state, on) for (state, on), (_, do) in COPY.items() if Do.START in do}
    assert starts == {(Copy.COMMITTING, On.WON), (Copy.INQUIRING, On.OURS)}


# -- the walk --------------------------------------------------------------------------------------------------------

REPLIES = {
    Do.THAW: (On.THAWED, On.CANNOT_THAW),
    Do.START: (On.STARTED, On.CANNOT_START),
}
SAID = {
    Do.TELL_ACCEPTED: On.ACCEPTED,
    Do.TELL_FAILED: On.FAILED,
    Do.TELL_RUNNING: On.RUNNING,
    Do.TELL_ABORT: On.ABORT,
    Do.SEND: On.IMAGE,
}
WRITES = {Do.COMMIT, Do.WITHDRAW}


@dataclass(frozen=True)
class World:
    """Everything there is. `record` is "reserved", "committed" or "gone"."""

    origin: Origin | None = Origin.OFFERING  # None: crashed
    copy: Copy | None = Copy.PREPARING
    record: str = "reserved"
    to_origin: tuple[On, ...] = ()
    to_copy: tuple[On, ...] = ()
    waits_origin: frozenset[Do] = frozenset()  # instructions that will have a reply
    waits_copy: frozenset[Do] = frozenset({Do.SHIP})  # SHIP stands for preparing
    delayed: frozenset[tuple[Do, str]] = frozenset()  # writes that got no answer and may land yet; what they expect
    committed_at_copy: bool = False  # it knows that its commit won
    ever_committed: bool = False
    runs: bool = False
    linked: bool = True
    troubles: int = 2  # how much more may go wrong


def expected(world: World, side: str, write: Do) -> str:
    return "committed" if side == "copy" and write is Do.WITHDRAW and world.committed_at_copy else "reserved"


def landed(world: World, write: Do, wanted: str) -> tuple[World, bool]:
    if world.record != wanted:
        return world, False
    if write is Do.COMMIT:
        return replace(world, record="committed", ever_committed=True), True
    return replace(world, record="gone"), True


def given(world: World, side: str, on: On) -> World:
    state = getattr(world, side)
    if state is None or state in OUTCOMES:
        return world
    after, todo = step(state, on)
    world = replace(world, **{side: after})
    for do in todo:
        if do in SAID:
            if world.linked:
                other = "to_copy" if side == "origin" else "to_origin"
                world = replace(world, **{other: (*getattr(world, other), SAID[do])})
        elif do in REPLIES or do in WRITES or do is Do.READ:
            waits = f"waits_{side}"
            world = replace(world, **{waits: getattr(world, waits) | {do}})
            if do is Do.START:
                assert world.ever_committed
        elif do is Do.DISCARD:
            world = replace(world, runs=False)
    return world


def successors(world: World) -> Iterator[World]:
    for side in ("origin", "copy"):
        state = getattr(world, side)
        inbox = getattr(world, f"to_{side}")
        if inbox:
            yield given(replace(world, **{f"to_{side}": inbox[1:]}), side, inbox[0])
        if state is None or state in OUTCOMES:
            continue
        waits = getattr(world, f"waits_{side}")
        for do in waits:
            yield from replied(replace(world, **{f"waits_{side}": waits - {do}}), side, do)
    if world.origin is Origin.ACCEPTED:
        yield given(world, "origin", On.FROZEN)
    for write, wanted in world.delayed:
        yield landed(replace(world, delayed=world.delayed - {(write, wanted)}), write, wanted)[0]
    if world.troubles:
        worse = replace(world, troubles=world.troubles - 1)
        yield given(worse, "origin", On.DEADLINE)
        yield given(worse, "copy", On.DEADLINE)
        yield given(worse, "copy", On.HOST_ENDED)
        yield given(worse, "origin", On.CANCEL)
        if world.linked:
            cut = replace(worse, linked=False, to_origin=(*world.to_origin, On.CUT), to_copy=(*world.to_copy, On.CUT))
            yield cut
            yield replace(cut, origin=None, to_origin=())
            yield replace(cut, copy=None, to_copy=(), runs=False)


def replied(world: World, side: str, do: Do) -> Iterator[World]:
    if do is Do.SHIP:
        yield given(world, side, On.PREPARED)
        yield given(world, side, On.CANNOT_PREPARE)
    elif do is Do.READ:
        if side == "origin":
            yield given(world, side, On.OTHERS if world.record == "gone" else On.CONFIRMED)
        elif world.record == "committed":
            yield given(replace(world, committed_at_copy=True), side, On.OURS)
        else:
            yield given(world, side, On.OTHERS)
    elif do in WRITES:
        wanted = expected(world, side, do)
        after, won = landed(world, do, wanted)
        if won and do is Do.COMMIT:
            yield given(replace(after, committed_at_copy=True), side, On.WON)
        else:
            yield given(after, side, On.WON if won else On.BEATEN)
        if world.troubles:
            worse = replace(world, troubles=world.troubles - 1)
            yield given(replace(worse, delayed=worse.delayed | {(do, wanted)}), side, On.UNANSWERED)
            yield given(landed(worse, do, wanted)[0], side, On.UNANSWERED)
    else:
        for on in REPLIES[do]:
            yield given(replace(world, runs=world.runs or on is On.STARTED), side, on)


def test_every_order_of_events_ends_well() -> None:
    seen, todo, ends = {World()}, [World()], set[tuple[object, object, str, bool]]()
    while todo:
        world = todo.pop()
        assert not world.runs or world.ever_committed, "a copy runs that nobody committed"
        if world.origin is Origin.ABORTED and world.copy is not None:
            assert not (world.runs and world.record == "gone" and world.copy in OUTCOMES), world
        if world.origin is Origin.CLONED:
            assert world.ever_committed, "a copy was reported that never was"
        nexts = list(successors(world))
        over = all(s is None or s in OUTCOMES for s in (world.origin, world.copy)) and not world.delayed
        if over:
            ends.add((world.origin, world.copy, world.record, world.runs))
        else:
            assert nexts, f"nothing more can happen in {world}"
        for after in nexts:
            if after not in seen:
                seen.add(after)
                todo.append(after)
    for origin, copy, record, runs in ends:
        assert runs == (copy is Copy.ARRIVED), (origin, copy, record, runs)
        if copy is Copy.ARRIVED:
            assert record == "committed" and origin is not Origin.ABORTED
        if copy is Copy.DISCARDED and origin is Origin.ABORTED:
            assert record == "gone", "a record of a copy that is not"
    assert {(o, c) for o, c, _, _ in ends} >= {(Origin.CLONED, Copy.ARRIVED), (Origin.ABORTED, Copy.DISCARDED)}
    assert len(seen) > 1000

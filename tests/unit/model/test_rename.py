"""Renaming: every cell, and every order of writes, losses and crashes; at every moment one record counts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from sojourn.errors import InternalError
from sojourn.model.rename import OUTCOMES, TABLE, On, Rename, counts, step


@pytest.mark.parametrize(("state", "on"), list(itertools.product(Rename, On)), ids=lambda x: x.name)
def test_cell(state: Rename, on: On) -> None:
    if (state, on) in TABLE:
        assert step(state, on) is TABLE[state, on] and state not in OUTCOMES
    else:
        with pytest.raises(InternalError):
            step(state, on)


@dataclass(frozen=True)
class World:
    state: Rename | None = Rename.CLAIMING  # None: the owner has crashed
    old: int = 1  # revision of the old record; 0: gone
    new: int = 0  # of the claim
    delayed: frozenset[str] = frozenset()  # writes that got no answer and may land yet
    removed: bool = False  # by somebody else, who meant it
    troubles: int = 2


def write(world: World, what: str) -> tuple[World, bool]:
    if what == "claim":
        return (replace(world, new=1), True) if not world.new else (world, False)
    if what == "remove":
        return (replace(world, old=0), True) if world.old == 1 else (world, False)
    return (replace(world, new=0), True) if world.new else (world, False)


WRITES = {
    Rename.CLAIMING: "claim", Rename.REMOVING: "remove", Rename.REPEATING: "remove", Rename.WITHDRAWING: "withdraw",
}  # fmt: skip


def successors(world: World) -> Iterator[World]:
    for what in world.delayed:
        yield write(replace(world, delayed=world.delayed - {what}), what)[0]
    if world.state is not None and world.state not in OUTCOMES:
        if what := WRITES.get(world.state):
            after, won = write(world, what)
            yield replace(after, state=step(world.state, On.WON if won else On.BEATEN))
            if world.troubles:
                lost = replace(world, troubles=world.troubles - 1, state=step(world.state, On.UNANSWERED))
                yield replace(lost, delayed=lost.delayed | {what})
                yield write(lost, what)[0]
        else:
            yield replace(world, state=step(world.state, On.THERE if world.old else On.GONE))
    if world.troubles:
        worse = replace(world, troubles=world.troubles - 1)
        if world.state is not None and world.state not in OUTCOMES:
            yield replace(worse, state=None)
        if world.old == 1:
            yield replace(worse, old=2)  # somebody has declared it lost
            yield replace(worse, old=0, removed=True)


def test_one_record_counts_whatever_happens() -> None:
    seen, todo = {World()}, [World()]
    while todo:
        world = todo.pop()
        claim_counts = bool(world.new) and counts("old", "id", "id" if world.old else None)
        counting = bool(world.old) + claim_counts
        assert counting <= 1, world
        if not world.removed:
            assert counting == 1, f"the process is lost: {world}"
        if world.state is Rename.RENAMED:
            assert claim_counts or world.removed, world
        if world.state is Rename.KEPT and not world.delayed:
            assert not claim_counts or world.removed, world
        for after in successors(world):
            if after not in seen:
                seen.add(after)
                todo.append(after)
    assert {world.state for world in seen} >= {Rename.RENAMED, Rename.KEPT, Rename.REPEATING, Rename.LOOKING_AGAIN}

"""Every (state, stimulus) cell of the move: what it leads to is sound on its own."""

from __future__ import annotations

import itertools

import pytest

from sojourn.errors import InternalError
from sojourn.model.move import OUTCOMES, PEER, SOURCE, TARGET, WORLD, Do, On, Source, Target, step

CELLS = list(itertools.product([*Source, *Target], On))
WRITES = {Do.COMMIT, Do.ABORT_RECORD, Do.TAKE_BACK, Do.CONFIRM, Do.RETURN}


@pytest.mark.parametrize(("state", "on"), CELLS, ids=lambda x: x.name)
def test_cell(state: Source | Target, on: On) -> None:
    table = SOURCE if isinstance(state, Source) else TARGET
    asked = (state, on) in table or on in PEER or on in WORLD or state in OUTCOMES
    if not asked:
        with pytest.raises(InternalError):
            step(state, on)
        return
    after, do = step(state, on)
    assert type(after) is type(state)
    if state in OUTCOMES:
        assert (after, do) == (state, ())
    assert len(WRITES & set(do)) <= 1, "two writes at once compete with each other"
    if Do.START in do:
        assert after in (Target.STARTING, Target.CLAIMED)
    if Do.UNFREEZE in do:
        assert after is Source.ABORTED
    if Do.RETIRE in do:
        assert after in (Source.MOVED, Source.FENCED)


def reachable(start: Source | Target) -> set[Source | Target]:
    table = SOURCE if isinstance(start, Source) else TARGET
    seen, todo = {start}, [start]
    while todo:
        here = todo.pop()
        for (state, _), (after, _) in table.items():
            if state is here and after not in seen:
                seen.add(after)  # type: ignore[arg-type]
                todo.append(after)  # type: ignore[arg-type]
    return seen


def test_every_state_is_reachable() -> None:
    assert reachable(Source.OFFERING) == set(Source)
    assert reachable(Target.PREPARING) == set(Target)


@pytest.mark.parametrize("state", [s for s in (*Source, *Target) if s not in OUTCOMES], ids=lambda s: s.name)
def test_every_state_can_end(state: Source | Target) -> None:
    assert reachable(state) & OUTCOMES


@pytest.mark.parametrize(
    "state", [Source.OFFERING, Source.SHIPPING, Source.FREEZING, Source.SENDING], ids=lambda s: s.name
)
def test_states_before_the_commit_abort_when_cut(state: Source) -> None:
    after, do = step(state, On.CUT)
    assert after in (Source.ABORTED, Source.UNWINDING)
    assert Do.TELL_ABORT in do and not WRITES & set(do)


@pytest.mark.parametrize(
    "state",
    [Source.COMMITTING, Source.SETTLING, Source.HELD, Source.INQUIRING, Source.RECLAIMING],
    ids=lambda s: s.name,
)
@pytest.mark.parametrize("on", sorted(WORLD, key=lambda on: on.name), ids=lambda on: on.name)
def test_nothing_but_the_registry_settles_an_open_commit(state: Source, on: On) -> None:
    after, do = step(state, on)
    assert after not in OUTCOMES and Do.UNFREEZE not in do and Do.RETIRE not in do


def test_only_go_or_the_record_starts_the_target() -> None:
    starts = {(state, on) for (state, on), (_, do) in TARGET.items() if Do.START in do}
    assert starts == {
        (Target.READY, On.GO),
        (Target.INQUIRING, On.CONFIRMED),
        (Target.CLAIMING, On.WON),
    }

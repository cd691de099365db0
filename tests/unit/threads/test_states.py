"""The tables of states, cell by cell, and the witness that holds the scheduler to them."""

from __future__ import annotations

import pytest

from sojourn.errors import InternalError
from sojourn.threads.states import LWPS, OVER, THREADS, Seat, State, Step, Turn, Witness


def test_every_state_is_reached_and_left() -> None:
    reached = {state for row in THREADS.values() for state in row.values()} | {State.READY}
    assert reached == set(State) == set(THREADS)
    assert {state for state, row in THREADS.items() if not row} == OVER


def test_every_seat_is_reached_and_left() -> None:
    reached = {seat for row in LWPS.values() for seat in row.values()} | {Seat.SPARE}
    assert reached == set(Seat) == set(LWPS)
    assert [seat for seat, row in LWPS.items() if not row] == [Seat.GONE]


def path_to(state: State) -> list[Step]:
    """Steps from the beginning to the state."""
    paths: dict[State, list[Step]] = {State.READY: []}
    while state not in paths:
        for here, steps in list(paths.items()):
            for step, there in THREADS[here].items():
                paths.setdefault(there, [*steps, step])
    return paths[state]


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("state", State)
def test_cell(state: State, step: Step) -> None:
    witness = Witness()
    witness.begin(1)
    for one in path_to(state):
        witness.step(1, one)
    following = THREADS[state].get(step)
    if following is None:
        with pytest.raises(InternalError):
            witness.step(1, step)
        assert witness.wrong
    else:
        witness.step(1, step)
        assert witness.states() == ({} if following in OVER else {1: following})


@pytest.mark.parametrize("turn", Turn)
def test_an_lwp_that_is_gone_does_nothing(turn: Turn) -> None:
    assert turn not in LWPS[Seat.GONE]
    witness = Witness()
    with pytest.raises(InternalError):
        witness.turn(1, Turn.ROUSED)

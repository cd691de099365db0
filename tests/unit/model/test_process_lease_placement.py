from __future__ import annotations

import itertools

import pytest

from sojourn.errors import InternalError
from sojourn.model.lease import Observer, Tenancy, Terms
from sojourn.model.placement import Candidate, place
from sojourn.model.process import OVER, RAISES_EPOCH, TRANSITIONS, Event, State, after, epoch_after


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_cell_leads_somewhere_or_is_our_bug(state: State, event: Event) -> None:
    if (state, event) in TRANSITIONS:
        assert isinstance(after(state, event), State)
    else:
        with pytest.raises(InternalError):
            after(state, event)
    assert epoch_after(7, event) == (8 if event in RAISES_EPOCH else 7)


def test_an_ended_process_stays_ended() -> None:
    assert not [1 for state, _ in TRANSITIONS if state is State.ENDED]
    assert State.ENDED in OVER


def test_a_holder_lapses_before_anybody_may_take_it_for_dead() -> None:
    terms = Terms(15.0)
    tenancy, observer = Tenancy(terms, 100.0), Observer.at(terms, 0.0)
    for second in range(0, 125, 5):
        observer.contact(float(second))
    assert not tenancy.lapsed(111.9) and tenancy.lapsed(112.0)
    observer.expired("n1", 115.0)
    observer.contact(117.0)
    assert not observer.dead("n1", 117.9)
    assert observer.dead("n1", 118.0)
    observer.alive("n1")
    assert not observer.dead("n1", 200.0)


def test_after_an_outage_nobody_is_dead_for_a_full_term() -> None:
    observer = Observer.at(Terms(15.0), 0.0)
    observer.contact(20.0)  # since 0: a gap, so contact begins here
    observer.expired("n1", 20.0)
    assert not observer.dead("n1", 26.0), "one term of unbroken contact is needed"
    for second in (25.0, 30.0, 34.0):
        observer.contact(second)
    assert not observer.dead("n1", 34.9)
    assert observer.dead("n1", 35.0)
    assert not observer.dead("n1", 60.0), "without contact nothing is believed"


def test_placement() -> None:
    nodes = [Candidate("a", 2, 0.1), Candidate("b", 1, 3.0), Candidate("c", 1, 0.5)]
    assert place(nodes, "a") == "c"
    assert place(nodes, "b") == "b"
    assert place([], "a") is None

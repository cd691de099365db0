"""The drain's decisions: cell by cell, and in every order in which attempts can end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.model.drain import NOBODY, OUTCOMES, TABLE, On, Plan, Step
from sojourn.model.placement import Candidate


def names(plan: Plan, step: Step) -> list[str]:
    return [each.name for each in plan.passengers.values() if each.step is step]


def test_only_what_is_under_way_can_end() -> None:
    assert {step for step, _ in TABLE} == {Step.MOVING}
    assert {on for _, on in TABLE} == set(On)


def test_they_are_spread_by_what_is_there_and_what_is_on_its_way() -> None:
    plan = Plan([(f"i{n}", f"p{n}") for n in range(4)], limit=3)
    starts = plan.starts([Candidate("a", 2), Candidate("b", 0)])
    assert [start.target for start in starts] == ["b", "b", "a"]
    assert plan.starts([Candidate("a", 2), Candidate("b", 0)]) == []  # three at a time
    plan.heard("i0", On.MOVED)
    assert [start.name for start in plan.starts([Candidate("a", 2), Candidate("b", 1)])] == ["p3"]


def test_a_refusal_leads_to_the_next_node_and_all_of_them_to_staying() -> None:
    plan = Plan([("i", "p")])
    for target in ("a", "b"):
        (start,) = plan.starts([Candidate("a", 0), Candidate("b", 1)])
        assert start.target == target
        plan.heard("i", On.TARGET_REFUSED, ["no numpy"])
    assert plan.starts([Candidate("a", 0), Candidate("b", 1)]) == [] and plan.done
    assert plan.passengers["i"].step is Step.STAYS
    assert plan.passengers["i"].reasons == ["a: no numpy", "b: no numpy"]


def test_what_holds_it_here_is_not_tried_twice() -> None:
    plan = Plan([("i", "p")])
    plan.starts([Candidate("a", 0), Candidate("b", 0)])
    plan.heard("i", On.HELD, ["held by sorted()"])
    assert plan.done and plan.passengers["i"].reasons == ["held by sorted()"]


def test_with_nobody_to_go_to_everything_stays_and_says_so() -> None:
    plan = Plan([("i", "p"), ("j", "q")])
    assert plan.starts([]) == [] and names(plan, Step.STAYS) == ["p", "q"]
    assert plan.passengers["i"].reasons == [NOBODY]


@given(
    processes=st.integers(0, 8),
    nodes=st.integers(0, 4),
    limit=st.integers(1, 5),
    ends=st.lists(st.tuples(st.integers(0, 7), st.sampled_from(sorted(On)))),
)
def test_it_always_ends(processes: int, nodes: int, limit: int, ends: list[tuple[int, On]]) -> None:
    plan = Plan([(f"i{n}", f"p{n}") for n in range(processes)], limit)
    candidates = [Candidate(f"n{n}", n) for n in range(nodes)]
    sent: set[tuple[str, str]] = set()
    moving: list[str] = []
    script = iter(ends)
    for _ in range(1000):
        for start in plan.starts(candidates):
            moving.append(start.id)
            assert (start.id, start.target) not in sent or plan.passengers[start.id].step is Step.MOVING
        assert len(moving) <= limit and set(moving) == {
            each.id for each in plan.passengers.values() if each.step is Step.MOVING
        }
        if plan.done:
            break
        which, on = next(script, (0, On.MOVED))
        id = moving.pop(which % len(moving))
        if on is On.TARGET_REFUSED:
            key = (id, plan.passengers[id].target)
            assert key not in sent
            sent.add(key)
        plan.heard(id, on, ["why"] if on in (On.HELD, On.TARGET_REFUSED) else ())
    assert plan.done and all(each.step in OUTCOMES for each in plan.passengers.values())
    assert all(each.reasons for each in plan.passengers.values() if each.step is Step.STAYS)


def test_an_attempt_that_nobody_began_cannot_end() -> None:
    plan = Plan([("i", "p")])
    with pytest.raises(KeyError):
        plan.heard("i", On.MOVED)

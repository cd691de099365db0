"""Sets are made again as they were: order, gaps, and what the next `pop` takes, whatever was done with them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sojourn.frames.heap.orders import arrange, arranged, arrangement, gaps
from sojourn.frames.heap.words import move_finger, set_finger

# few hashes for many places, so that paths cross; some hashes only differ above the table's size
numbers = st.integers(0, 40) | st.integers(0, 40).map(lambda number: number << 7) | st.integers(0, 1 << 40)
acts = st.lists(
    st.tuples(st.sampled_from(["add"] * 4 + ["discard"] * 2 + ["pop"] * 2 + ["update", "remove many"]), numbers),
    max_size=400,
)


def act(on: set[int], what: str, number: int) -> Any:
    if what == "add":
        on.add(number)
    elif what == "discard":
        on.discard(number)
    elif what == "pop" and on:
        return on.pop()
    elif what == "update":
        on.update(range(number % 97))
    elif what == "remove many":
        on.difference_update(range(number % 97))
    return None


def again(made: set[int]) -> set[int]:
    new = set[int]()
    assert arrange(new, list(made), *arrangement(made), gaps(made))
    move_finger(new, set_finger(made))
    return new


@given(acts, acts)
def test_a_set_and_its_likeness_do_not_differ_later(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    made = set[int]()
    for what, number in before:
        act(made, what, number)
    new = again(made)
    assert (arrangement(new), gaps(new)) == (arrangement(made), gaps(made))
    for what, number in after:
        assert act(new, what, number) == act(made, what, number)
        assert list(new) == list(made)


@given(acts)
def test_a_frozenset_iterates_as_before(before: list[tuple[str, int]]) -> None:
    made = set[int]()
    for what, number in before:
        act(made, what, number)
    frozen = frozenset(made)
    new, right = arranged(list(frozen), *arrangement(frozen))
    assert right and list(new) == list(frozen)

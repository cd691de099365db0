from __future__ import annotations

import itertools

import pytest

from sojourn.errors import NameTaken
from sojourn.model.process import State
from sojourn.model.rest import Found, Image, Who, who

IMAGE = Image(image="freeze 1", id="a", name="sim")


@pytest.mark.parametrize(
    ("id_", "name", "state", "freeze", "asked"),
    list(
        itertools.product("ab", ("sim", "other"), State, ("", "freeze 1", "freeze 2"), (None, "sim", "other"))
    ),
)
def test_only_the_frozen_process_of_this_very_freeze_goes_on_as_itself(
    id_: str, name: str, state: State, freeze: str, asked: str | None
) -> None:
    found = Found(id_, name, state, freeze)
    if id_ == "a" and state is State.FROZEN and freeze == "freeze 1" and asked in (None, name):
        assert who(IMAGE, found, asked=asked) is Who.ITSELF
    else:
        with pytest.raises(NameTaken) as refused:
            who(IMAGE, found, asked=asked)
        assert "--name" in str(refused.value) and name in str(refused.value)


def test_where_nobody_has_the_name_an_heir_goes_on_or_a_copy() -> None:
    assert who(IMAGE, None, asked=None) is Who.HEIR
    assert who(IMAGE, None, asked="sim") is who(IMAGE, None, asked="other") is Who.COPY


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (Found("b", "sim", State.RUNNING, ""), "another process"),
        (Found("a", "sim", State.RUNNING, ""), "thawed already"),
        (Found("a", "sim", State.ENDED, ""), "`sojourn rm` frees its name"),
        (Found("a", "sim", State.LOST, ""), "`sojourn rm` frees its name"),
        (Found("a", "sim", State.FROZEN, "freeze 2"), "frozen again since"),
    ],
)
def test_the_reason_is_the_real_one(found: Found, why: str) -> None:
    with pytest.raises(NameTaken, match=why):
        who(IMAGE, found, asked=None)

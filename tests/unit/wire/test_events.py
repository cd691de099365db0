"""Events as bytes: what was told is read again, by this version and by the one before."""

from __future__ import annotations

import json
from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sojourn.errors import ProtocolError
from sojourn.wire import events

ABOUT = {"time": 12.5, "node": "n1", "process": "p", "id": "x", "epoch": 3}


REAL = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("kind", [kind for kind in events.AnyEvent.__args__ if kind is not events.Unknown])
def test_every_kind_comes_back(kind: type[events.AnyEvent]) -> None:
    reals = {name: REAL for name, hint in get_type_hints(kind).items() if hint is float}

    @settings(max_examples=25)
    @given(st.builds(kind, **reals))
    def comes_back(event: events.AnyEvent) -> None:
        assert events.decode(events.encode(event)) == event

    comes_back()


def test_an_event_of_a_later_version_is_told_as_what_it_is() -> None:
    later = {"event": "teleported", "time": 1.0, "node": "n2", "where": ["here", 7]}
    event = events.decode(json.dumps(later).encode())
    assert event == events.Unknown(time=1.0, node="n2", kind="teleported", told=later)


def test_fields_of_a_later_version_are_passed_over() -> None:
    event = events.decode(json.dumps({**ABOUT, "event": "moving", "to": "n2", "colour": "red"}).encode())
    assert event == events.Moving(**ABOUT, to="n2")


@given(st.binary(max_size=200))
def test_any_bytes_give_an_event_or_an_error(data: bytes) -> None:
    try:
        events.decode(data)
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    "said", [{"event": "moving", "time": 1.0, "node": "n"}, {"event": "ended"}, {"time": 1}, []]
)
def test_what_lacks_a_field_is_none(said: object) -> None:
    with pytest.raises(ProtocolError):
        events.decode(json.dumps(said).encode())


def test_a_long_story_loses_its_middle() -> None:
    story = [f"stage {number} " + "x" * 100 for number in range(5000)]
    event = events.decode(events.encode(events.Aborted(**ABOUT, to="n2", why="because", history=story)))
    assert isinstance(event, events.Aborted)
    assert event.history == [*story[:20], "...", *story[-20:]]

"""The reader of interpreter memory: it refuses what it does not know, and reads what it does."""

from __future__ import annotations

import dataclasses
import gc
import signal
import sys
import time
from types import FrameType

import pytest

from sojourn.errors import UsageError
from sojourn.frames import cstack, layout, support


@pytest.fixture
def unverified(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(layout, "_verified", False)
    return monkeypatch


def test_this_interpreter_is_accepted(unverified: pytest.MonkeyPatch) -> None:
    layout.verify()


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"localsplus": 88}, "localsplus"),
        ({"code": 40}, "code"),
        ({"owner": 71}, "owner"),
        ({"previous": 56}, "previous"),
    ],
)
def test_a_wrong_row_is_refused_by_both_checks(unverified: pytest.MonkeyPatch, row: dict[str, int], named: str) -> None:
    if layout.VERSION not in layout.DEBUG_OFFSETS:
        pytest.skip("the interpreter does not describe itself before 3.13, and reading with a wrong row may crash")
    unverified.setattr(layout, "LAYOUT", dataclasses.replace(layout.LAYOUT, **row))
    with pytest.raises(UsageError, match=named):
        layout.verify()


def test_reading_back_finds_a_wrong_row(unverified: pytest.MonkeyPatch) -> None:
    # Offsets of words that are certainly mapped and certainly not followed when they are wrong.
    unverified.setattr(layout, "LAYOUT", dataclasses.replace(layout.LAYOUT, previous=layout.LAYOUT.instruction))
    unverified.setattr(layout, "DEBUG_OFFSETS", {})
    with pytest.raises(UsageError, match="previous"):
        layout.verify()


def test_another_version_is_refused_naming_both_sides(unverified: pytest.MonkeyPatch) -> None:
    unverified.setattr(sys, "version_info", (3, 10, 4))
    with pytest.raises(UsageError) as refusal:
        layout.verify()
    assert "cpython 3.10.4" in str(refusal.value)
    assert support.supported() in str(refusal.value)


def test_a_free_threaded_build_is_refused(unverified: pytest.MonkeyPatch) -> None:
    unverified.setattr(sys, "abiflags", "t")
    with pytest.raises(UsageError, match="free-threaded"):
        layout.verify()


def test_another_implementation_is_refused(unverified: pytest.MonkeyPatch) -> None:
    class Other:
        name = "otherpy"

    unverified.setattr(sys, "implementation", Other)
    with pytest.raises(UsageError, match="otherpy"):
        layout.verify()


def test_words_that_are_no_objects_are_not_followed() -> None:
    live = layout.LiveObjects()
    kept = object()
    live.expect(kept)
    assert live.find(id(kept)) is kept
    assert live.find(id(sorted)) is sorted
    assert live.find(8) is layout.GONE


@pytest.mark.parametrize("seconds", [0.08, 0.3])
def test_the_end_of_a_sleep_is_found(seconds: float) -> None:
    found: list[float | None] = []
    former = signal.signal(signal.SIGALRM, lambda *_: found.append(cstack.sleep_left(seconds, cstack.words_above())))
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds / 2)
        time.sleep(seconds)
    finally:
        signal.signal(signal.SIGALRM, former)
    assert found[0] is not None
    assert 0 < found[0] <= seconds / 2


def test_the_checks_leave_no_frame_behind(unverified: pytest.MonkeyPatch) -> None:
    """A frame in a cycle would keep the frames of the program that called, until a collection."""
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        layout.verify()
        gc.collect()
        assert not [thing for thing in gc.garbage if isinstance(thing, FrameType)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()

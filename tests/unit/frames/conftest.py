"""Helpers of the engine's tests: snapshots of the test's own frames, and rebuilding in the same process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from sojourn.frames.capture import capture_generator, capture_stack
from sojourn.frames.record import FrameRecord, Stack
from sojourn.frames.resume import build, generator_fill, generator_shell


class Snapshots:
    """Captures the frames between the call of `run` and the call of `take`."""

    def __init__(self) -> None:
        self.base: FrameType | None = None
        self.stacks: list[Stack] = []

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        self.base = sys._getframe()
        return function(*args)

    def take(self, result: Any = None) -> Any:
        """Capture the caller; what this call gives to the copy is `result`, to the original None."""
        self.stacks.append(capture_stack(sys._getframe(1), base=self.base, mode="called", result=result))

    def resume(self) -> Any:
        """Go on from the last snapshot."""
        records = self.stacks.pop().records
        return build(records)()


@pytest.fixture
def snapshots() -> Snapshots:
    return Snapshots()


def copied(generator: Any) -> Any:
    """A rebuilt copy of a generator that does not run."""
    record = capture_generator(generator)
    assert isinstance(record, FrameRecord)
    return generator_fill(generator_shell(record.shape()), record.values, record.inner)

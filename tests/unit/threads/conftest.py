"""Every test here is followed by a look at what must be so when a scheduler has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sojourn import threads
from sojourn.testing.leaks import descriptors

KINDS = tuple(str(kind) for kind in threads.Kind)
Run = Callable[..., Any]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def run() -> Iterator[Run]:
    """`threads.run` in debug mode, and afterwards the invariants of `settled`."""
    before, opened = set(threading.enumerate()), descriptors()
    made: list[threads.Scheduler] = []
    original = threads.Scheduler.begin

    def begin(self: threads.Scheduler) -> None:
        made.append(self)
        original(self)

    def run(main: Callable[..., Any], *args: Any, debug: bool = True, **options: Any) -> Any:
        return threads.run(main, *args, debug=debug, **options)

    threads.Scheduler.begin = begin  # type: ignore[method-assign]
    try:
        yield run
    finally:
        threads.Scheduler.begin = original  # type: ignore[method-assign]
    for scheduler in made:
        settled(scheduler)
    assert set(threading.enumerate()) <= before, "kernel-level threads were left"
    left = {fd: what for fd, what in descriptors().items() if opened.get(fd) != what}
    assert not left, f"descriptors were left: {left}"


def settled(scheduler: threads.Scheduler) -> None:
    """What a scheduler that has ended keeps: nothing. No step was taken that the tables do not have."""
    if scheduler.witness is not None:
        assert scheduler.witness.wrong == []
        assert scheduler.witness.states() == {}
    assert not scheduler.root.children
    assert not scheduler.groups
    assert not scheduler.lwps
    assert not scheduler.idlers and not scheduler.spares
    assert not any(processor.queue for processor in scheduler.processors)
    assert not any(type(one) is threads.Thread for one in scheduler.inbox)

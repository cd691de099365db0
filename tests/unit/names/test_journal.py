"""The journal against a real embedded server."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sojourn.errors import Unavailable
from sojourn.names.journal import Journal
from sojourn.names.server import Server
from sojourn.wire import events
from tests.circle import Circle


class Place(NamedTuple):
    """A server that lets in n1."""

    circle: Circle
    server: Server
    pid: int


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    circle = Circle(tmp_path)
    launch = circle.nats(circle.who("n1"))
    yield Place(circle, launch.wait(), launch.pid)
    launch.abandon()


def with_journal(place: Place, body: Callable[[Journal], Awaitable[None]]) -> None:
    async def main() -> None:
        registry = await place.circle.registry(place.server, place.circle.who("n1"))
        try:
            await asyncio.wait_for(body(Journal(registry.client, "t")), 30)
        finally:
            await registry.close()

    asyncio.run(main())


def told(number: int, at: float = 0.0) -> events.Started:
    return events.Started(time=at, node="n1", process=f"p{number}", id="x", epoch=1)


async def read(journal: Journal, **how: object) -> list[str]:
    args = {"after": None, "since": 0.0, "follow": False, **how}
    return [entry.event.process async for entry in journal.read(**args)]  # type: ignore[union-attr, arg-type]


def test_in_order_and_each_once(place: Place) -> None:
    async def body(journal: Journal) -> None:
        assert await read(journal) == []
        for number in (1, 2, 2, 3, 1):
            await journal.publish(f"event-{number}", told(number))
        assert await read(journal) == ["p1", "p2", "p3"]
        assert await read(journal, after=2) == ["p3"]
        assert await read(journal, since=None) == [], "neither: from now on"

    with_journal(place, body)


def test_a_follower_goes_on_behind_an_outage(place: Place) -> None:
    async def body(journal: Journal) -> None:
        reading = journal.read(after=None, since=0.0, follow=True)
        await journal.publish("1", told(1))
        assert (await anext(reading)).event == told(1)
        os.kill(place.pid, signal.SIGSTOP)
        waiting = asyncio.ensure_future(anext(reading))
        with pytest.raises(Unavailable):
            await journal.publish("2", told(2))
        os.kill(place.pid, signal.SIGCONT)
        await journal.publish("2", told(2))  # sent again: one event
        await journal.publish("3", told(3))
        assert (await waiting).event == told(2)
        assert (await anext(reading)).event == told(3)
        await reading.aclose()

    with_journal(place, body)


def test_what_is_no_event_is_passed_over(place: Place) -> None:
    async def body(journal: Journal) -> None:
        await journal.publish("1", told(1))
        await journal._js.publish(journal._subject, b"\xff\0 garbage")
        await journal.publish("2", told(2))
        assert await read(journal) == ["p1", "p2"]

    with_journal(place, body)

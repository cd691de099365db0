"""The registry against a real embedded server."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import pytest

from sojourn.errors import NameTaken, StaleEpoch, Unavailable
from sojourn.model.process import State
from sojourn.names import server as servers
from sojourn.names.directory import Directory
from sojourn.names.nats_kv import NatsRegistry
from sojourn.names.registry import NodeEntry, Record
from sojourn.names.server import Server
from tests.circle import Circle

T = TypeVar("T")


CLUSTERS = ("t", "lease", "watch")


class Place(NamedTuple):
    """A server and those who may come in: n1 of each cluster, so that tests do not meet."""

    circle: Circle
    server: Server


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    circle = Circle(tmp_path_factory.mktemp("circle"))
    launch = circle.nats(*(circle.who("n1", cluster=cluster) for cluster in CLUSTERS))
    yield Place(circle, launch.wait())
    launch.abandon()


def with_registry(place: Place, body: Callable[[NatsRegistry], Awaitable[T]], cluster: str = "t") -> T:
    async def main() -> T:
        registry = await place.circle.registry(place.server, place.circle.who("n1", cluster=cluster))
        try:
            return await asyncio.wait_for(body(registry), 30)
        finally:
            await registry.close()

    return asyncio.run(main())


def record(name: str, **more: object) -> Record:
    return msgspec.convert({"name": name, "id": f"id-{name}", "node": "n1", **more}, Record)


def entry(name: str, incarnation: str = "x") -> NodeEntry:
    return NodeEntry(name=name, address="", pid=1, incarnation=incarnation, boot="b")


def test_compare_and_set(place: Place) -> None:
    async def body(registry: NatsRegistry) -> None:
        first = await registry.create(record("cas"))
        with pytest.raises(NameTaken):
            await registry.create(record("cas"))
        second = await registry.update(record("cas", state="running"), first)
        assert second > first
        with pytest.raises(StaleEpoch):
            await registry.update(record("cas", state="lost"), first)
        known = await registry.get("cas")
        assert known and known.record.state is State.RUNNING and known.revision == second
        with pytest.raises(StaleEpoch):
            await registry.delete("cas", first)
        await registry.delete("cas", second)
        assert await registry.get("cas") is None
        with pytest.raises(StaleEpoch):
            await registry.update(record("cas"), second)
        assert await registry.create(record("cas")) > second, "a removed name is free"

    with_registry(place, body)


def test_of_many_writers_one_wins(place: Place) -> None:
    async def body(registry: NatsRegistry) -> None:
        revision = await registry.create(record("race"))
        writes = [registry.update(record("race", epoch=n), revision) for n in range(20)]
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert sum(isinstance(r, int) for r in results) == 1
        assert sum(isinstance(r, StaleEpoch) for r in results) == 19

    with_registry(place, body)


@asynccontextmanager
async def watched(registry: NatsRegistry) -> AsyncIterator[Directory]:
    directory = Directory()

    async def follow() -> None:
        async for step in registry.watch():
            directory.apply(step)

    task = asyncio.create_task(follow())
    await directory.synced.wait()
    try:
        yield directory
    finally:
        task.cancel()


def test_lease_runs_out_and_is_taken_again(place: Place) -> None:
    async def body(registry: NatsRegistry) -> None:
        async with watched(registry) as directory:
            revision = await registry.lease(entry("n1"), 0, 1)
            await directory.until(lambda: directory.node("n1") is not None)
            with pytest.raises(StaleEpoch):
                await registry.lease(entry("n1", "other"), 0, 1)
            for _ in range(3):
                revision = await registry.lease(entry("n1"), revision, 1)
            await directory.until(lambda: directory.node("n1") is None)  # watchers hear of the expiry
            with pytest.raises(StaleEpoch):
                await registry.update(record("x"), revision)
            again = await registry.lease(entry("n1"), revision, 1)  # over the marker
            await directory.until(lambda: directory.node("n1") is not None)
            await registry.release("n1", again)
            await directory.until(lambda: directory.node("n1") is None)

    with_registry(place, body, "lease")


def test_directory_follows_and_barrier_sees_every_answered_write(place: Place) -> None:
    async def body(registry: NatsRegistry) -> None:
        other = await place.circle.registry(place.server, place.circle.who("n1", cluster="watch"))
        revision = await other.create(record("old"))
        async with watched(registry) as directory:
            assert directory.process("old") and directory.process("id-old")
            for n in range(50):
                await other.create(record(f"p{n}"))
                reached = await registry.barrier()
                await directory.until(lambda reached=reached: directory.revision >= reached)
                assert directory.process(f"p{n}")
            await other.delete("old", revision)
            await directory.until(lambda: directory.process("old") is None)
            assert directory.process("id-old") is None
            assert len(list(directory.processes())) == 50
        await other.close()

    with_registry(place, body, "watch")


def test_server_stopped_calls_raise_in_time_and_the_watch_heals(tmp_path: Path) -> None:
    circle = Circle(tmp_path)
    launch = circle.nats(circle.who("n1"))
    own = Place(circle, launch.wait())

    async def body(registry: NatsRegistry) -> None:
        registry._js._timeout = 0.3  # pyright: ignore[reportPrivateUsage]
        async with watched(registry) as directory:
            revision = await registry.create(record("p"))
            os.kill(launch.pid, signal.SIGSTOP)
            with pytest.raises(Unavailable):
                await registry.update(record("p", epoch=2), revision)
            os.kill(launch.pid, signal.SIGCONT)
            await directory.until(
                lambda: (known := directory.process("p")) is not None and known.record.epoch == 2
            )
            with pytest.raises(StaleEpoch):  # the unanswered write landed later
                await registry.update(record("p", epoch=3), revision)

    try:
        with_registry(own, body)
    finally:
        launch.abandon()


def test_server_killed_and_started_again_on_its_port(tmp_path: Path) -> None:
    circle = Circle(tmp_path)
    launch = circle.nats(circle.who("n1"))
    own = Place(circle, launch.wait())
    relaunched: list[servers.Launch] = []

    async def body(registry: NatsRegistry) -> None:
        async with watched(registry) as directory:
            revision = await registry.create(record("p"))
            launch.abandon()
            with pytest.raises(Unavailable):
                await registry.get("p")
            relaunched.append(circle.nats(circle.who("n1"), port=int(own.server.urls[0].rsplit(":", 1)[1])))
            relaunched[0].wait()
            while True:
                try:
                    known = await registry.get("p")
                    break
                except Unavailable:
                    pass
            assert known and known.revision == revision, "the revision survives"
            await registry.update(record("p", epoch=2), revision)
            await directory.until(
                lambda: (known := directory.process("p")) is not None and known.record.epoch == 2
            )

    try:
        with_registry(own, body)
    finally:
        for each in relaunched:
            each.abandon()

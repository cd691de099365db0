"""What NATS lets its users do, by trying what it must not."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import nats.errors
import nats.js.errors
import pytest

from sojourn.errors import Unauthorized, Unavailable
from sojourn.names import server as servers
from sojourn.names.nats_kv import NatsRegistry
from sojourn.names.registry import Member, NodeEntry, Record
from sojourn.names.server import Server
from sojourn.trust.identity import CLIENT, KEEPER, NATS, Identity
from tests.circle import Circle


class Place:
    """A server that lets in n1, n2 and the keeper."""

    def __init__(self, folder: Path) -> None:
        self.circle = Circle(folder)
        self.n1, self.n2 = self.circle.who("n1"), self.circle.who("n2")
        self.keeper = self.circle.who("host", KEEPER)
        self.launch = self.circle.nats(self.n1, self.n2, self.keeper)
        self.server: Server = self.launch.wait()

    def run(self, who: Identity, body: Callable[[NatsRegistry], Awaitable[None]]) -> None:
        async def main() -> None:
            registry = await self.circle.registry(self.server, who)
            registry._deadline = 0.5  # pyright: ignore[reportPrivateUsage]
            registry._js._timeout = 0.5  # pyright: ignore[reportPrivateUsage]
            try:
                await asyncio.wait_for(body(registry), 30)
            finally:
                await registry.close()

        asyncio.run(main())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("circle"))
    yield made
    made.launch.abandon()


def entry(name: str) -> NodeEntry:
    return NodeEntry(name=name, address="", pid=1, incarnation="x", boot="b")


def test_a_node_writes_records_and_its_own_lease(place: Place) -> None:
    async def body(registry: NatsRegistry) -> None:
        revision = await registry.create(Record(name="p", id="i", node="n1"))
        await registry.delete("p", revision)
        await registry.release("n1", await registry.lease(entry("n1"), 0, 5))

    place.run(place.n1, body)


def test_a_node_does_not_write_what_is_not_its_own(place: Place) -> None:
    member = Member(role="node", name="n1", serial="1")

    async def body(registry: NatsRegistry) -> None:
        for attempt in (
            lambda: registry.lease(entry("n2"), 0, 5),
            lambda: registry.put_member(member, new=True),
            lambda: registry.put_member(member, new=False),
        ):
            with pytest.raises(Unavailable):
                await attempt()
        js: Any = registry._js  # pyright: ignore[reportPrivateUsage]
        for attempt in (
            lambda: js.add_stream(name="mine", subjects=["mine"]),
            lambda: js.delete_stream("KV_sojourn-t"),
            lambda: js.purge_stream("KV_sojourn-t"),
            lambda: js.delete_msg("KV_sojourn-t", 1),
            lambda: js.streams_info(),
        ):
            with pytest.raises((nats.errors.Error, nats.js.errors.Error, TimeoutError)):
                await attempt()

    place.run(place.n1, body)


def test_the_keeper_writes_members_and_no_records(place: Place) -> None:
    async def body(registry: NatsRegistry) -> None:
        await registry.put_member(Member(role="node", name="n7", serial="1"), new=True)
        with pytest.raises(Unavailable):
            await registry.create(Record(name="q", id="i", node="n1"))

    place.run(place.keeper, body)


def test_nobody_hears_answers_meant_for_others(place: Place) -> None:
    async def main() -> None:
        one, two = [await place.circle.registry(place.server, who) for who in (place.n1, place.n2)]
        heard: list[Any] = []

        async def hear(message: Any) -> None:
            heard.append(message)

        for subject in (">", "_INBOX.>", "_INBOX.node-n2.>", "$KV.>", "$SYS.>"):
            await one.client.subscribe(subject, cb=hear)
        await two.release("n2", await two.lease(entry("n2"), 0, 5))
        await one.barrier()
        assert not heard
        await one.close()
        await two.close()

    asyncio.run(main())


@pytest.mark.parametrize("role", [CLIENT, NATS])
def test_other_members_have_no_user(place: Place, role: str) -> None:
    async def main() -> None:
        with pytest.raises(Unauthorized):
            await place.circle.registry(place.server, place.circle.who("x", role))

    asyncio.run(main())


def test_strangers_are_shut_out(place: Place, tmp_path: Path) -> None:
    async def main() -> None:
        theirs = Circle(tmp_path)
        with pytest.raises(Unavailable):  # another authority, trusted by nobody here
            await theirs.registry(place.server, theirs.who("n1"))
        with pytest.raises((Unavailable, Unauthorized)):  # no TLS at all
            await NatsRegistry.connect(place.server, place.n1)

    asyncio.run(main())
    host, _, port = place.server.urls[0].partition("://")[2].rpartition(":")
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(b"CONNECT {}\r\nPING\r\n" + os.urandom(100))
        stranger.settimeout(10)
        try:
            assert b"INFO" not in stranger.recv(4096), "nothing is told before TLS"
        except ConnectionResetError:
            pass
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, int(port))) as plain,
        pytest.raises(OSError),
        context.wrap_socket(plain) as bare,  # TLS without a certificate
    ):
        if not bare.recv(4096):
            raise ConnectionResetError


def test_who_is_let_in_no_more_is_cut_off(tmp_path: Path) -> None:
    place = Place(tmp_path)
    try:

        async def main() -> None:
            registry = await place.circle.registry(place.server, place.n2)
            folder = place.circle.folder / "nats"
            assert servers.admit(folder, [place.n1, place.keeper])
            assert not servers.admit(folder, [place.n1, place.keeper]), "nothing has changed"
            while not registry.client.is_reconnecting:
                await asyncio.sleep(0)
            with pytest.raises(Unauthorized):
                await place.circle.registry(place.server, place.n2)
            await (await place.circle.registry(place.server, place.n1)).close()
            await registry.close()

        asyncio.run(main())
    finally:
        place.launch.abandon()

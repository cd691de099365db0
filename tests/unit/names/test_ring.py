"""Three servers: what is carried into them, who may be one of them, and what the loss of one does. All are real."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import nats.errors
import psutil
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from sojourn.errors import StaleEpoch, Unavailable
from sojourn.names import carry
from sojourn.names import server as servers
from sojourn.names.connection import dial
from sojourn.names.nats_kv import NatsRegistry
from sojourn.names.ports import free_port
from sojourn.names.registry import Record, Site
from sojourn.names.server import Ring, Server
from sojourn.trust import authority as authorities
from sojourn.trust import contexts
from sojourn.trust.credentials import Credentials
from sojourn.trust.identity import KEEPER, NATS
from tests.circle import Circle


class Three:
    """Three servers that know each other."""

    def __init__(self, folder: Path) -> None:
        self.circle = Circle(folder)
        self.n1, self.keeper = self.circle.who("n1"), self.circle.who("host", KEEPER)
        self.main = self.circle.who("main", NATS)
        self.folders = [folder / f"server-{number}" for number in range(3)]
        self.sites: list[Site] = []
        for number, place in enumerate(self.folders):
            place.mkdir()
            pair, _ = self.circle.authority.issue(self.main, address="127.0.0.1")
            pair.save(place, "server")
            servers.admit(place, [self.n1, self.keeper], carrying=True)
            self.sites.append(
                Site(
                    name=f"m{number}",
                    url=f"tls://127.0.0.1:{free_port('127.0.0.1')}",
                    route=f"127.0.0.1:{free_port('127.0.0.1')}",
                    pin=authorities.pin(pair.certificate),
                    fingerprint=authorities.fingerprint(pair.certificate),
                )
            )
        self.launches = [self.start(number) for number in range(3)]
        self.server = Server(urls=[site.url for site in self.sites], expect=self.main.host)

    def start(self, number: int) -> servers.Launch:
        ring = Ring(mine=self.sites[number], sites=self.sites)
        launch = servers.start(
            self.folders[number], name=self.main.host, authority=self.circle.trusted, ring=ring
        )
        launch.wait()
        return launch

    async def carried(self, old: Server, through: Callable[[Client], Any] = lambda target: target) -> int | None:
        tls = self.circle.calling(self.keeper, names=True)
        source, target = await dial(old, self.keeper, tls=tls), await dial(self.server, self.keeper, tls=tls)
        try:
            await carry.ready(target)
            assert await carry.carry("EVENTS_sojourn-t", source, target, copies=3) is None, "there is none"
            return await carry.carry("KV_sojourn-t", source, through(target), copies=3)
        finally:
            await source.close()
            await target.close()


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    made = Three(tmp_path_factory.mktemp("ring"))
    yield made
    for launch in made.launches:
        launch.abandon()


@contextlib.asynccontextmanager
async def registry(three: Three, server: Server) -> AsyncGenerator[NatsRegistry]:
    found = await three.circle.registry(server, three.n1)
    try:
        yield found
    finally:
        await found.close()


async def patiently(registry: NatsRegistry, record: Record, revision: int) -> int:
    """A write while the servers choose another leader. (What was not answered may have landed.)"""
    async with asyncio.timeout(60):
        while True:
            try:
                known = await registry.get(record.name)
                if known is not None and known.record == record:
                    return known.revision
                return await registry.update(record, revision)
            except Unavailable:
                continue


def test_a_registry_is_carried_over_with_every_revision(three: Three) -> None:
    """And then one of the servers dies: nothing is lost, and revisions go on from where they were."""
    launch = three.circle.nats(three.n1, three.keeper)
    old = launch.wait()
    servers.admit(three.circle.folder / "nats", [three.n1, three.keeper], carrying=True)

    async def main() -> None:
        revisions: dict[str, int] = {}
        async with registry(three, old) as first:
            for number in range(40):
                name = f"p{number}"
                revisions[name] = await first.create(Record(name=name, id=f"i{number}", node="n1"))
            for number in range(0, 40, 2):
                await first.delete(f"p{number}", revisions.pop(f"p{number}"))
            last = await first.barrier()
        assert await three.carried(old) == last
        async with registry(three, three.server) as new:
            assert await new.barrier() == last
            assert await new.get("p0") is None
            for name, revision in revisions.items():
                known = await new.get(name)
                assert known is not None
                assert known.revision == revision
                revisions[name] = await new.update(Record(name=name, id="j", node="n1"), revision)
            assert min(revisions.values()) > last
            assert await new.create(Record(name="p0", id="k", node="n1")) > max(revisions.values())
            three.launches[0].abandon()
            for name, revision in revisions.items():
                assert await patiently(new, Record(name=name, id="l", node="n1"), revision) > revision
        three.launches[0] = three.start(0)

    try:
        asyncio.run(main())
    finally:
        launch.abandon()


class Unheard:
    """The servers, whose word that they have taken a stream in does not arrive the first time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lost = False

    async def request(self, subject: str, payload: bytes, *, timeout: float) -> Msg:
        answer = await self._client.request(subject, payload, timeout=timeout)
        if not payload and subject.startswith("$JS.SNAPSHOT.RESTORE.") and not self._lost:
            self._lost = True
            raise nats.errors.NoRespondersError
        return answer


def test_what_was_taken_in_unheard_is_carried_again(tmp_path: Path) -> None:
    three = Three(tmp_path)
    launch = three.circle.nats(three.n1, three.keeper)
    old = launch.wait()
    servers.admit(three.circle.folder / "nats", [three.n1, three.keeper], carrying=True)

    async def main() -> None:
        async with registry(three, old) as first:
            await first.create(Record(name="p", id="i", node="n1"))
            last = await first.barrier()
        assert await three.carried(old, Unheard) == last
        async with registry(three, three.server) as new:
            assert (known := await new.get("p")) is not None and known.revision == last

    try:
        asyncio.run(main())
    finally:
        for each in (launch, *three.launches):
            each.abandon()


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[Three]:
    """Three servers with an empty registry on all of them."""
    made = Three(tmp_path)
    launch = made.circle.nats(made.n1, made.keeper)
    old = launch.wait()
    servers.admit(made.circle.folder / "nats", [made.n1, made.keeper], carrying=True)

    async def begin() -> None:
        async with registry(made, old):
            pass  # whoever connects first makes it
        await made.carried(old)

    try:
        asyncio.run(begin())
        yield made
    finally:
        for each in (launch, *made.launches):
            each.abandon()


def test_who_was_beaten_finds_the_record_changed(replicated: Three) -> None:
    """Several servers refuse a write already for another that is under way; but whoever is told that it was beaten may
    read what has beaten it.
    """

    async def attempt(registry: NatsRegistry, number: int, revision: int) -> int | None:
        record = Record(name="contested", id=f"i{number}", node="n1")
        try:
            return await registry.update(record, revision)
        except StaleEpoch:
            known = await registry.get("contested")
            assert known is not None
            assert known.revision > revision, "it was beaten by nothing"
            return None

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            many = [await stack.enter_async_context(registry(replicated, replicated.server)) for _ in range(6)]
            latest = await many[0].create(Record(name="contested", id="i", node="n1"))
            for _ in range(40):
                attempts = [attempt(each, number, latest) for number, each in enumerate(many)]
                (latest,) = [won for won in await asyncio.gather(*attempts) if won is not None]

    asyncio.run(main())


def test_only_the_servers_are_let_in_as_servers(three: Three) -> None:
    """The authority has signed a node's certificate too, and a keeper's: neither opens the door between servers."""
    folder = three.folders[0]
    assert b"INFO" in _heard(three, Credentials(folder / "server.pem", folder / "server.key"))
    for who in (three.n1, three.keeper, three.circle.who("other", NATS)):
        assert _heard(three, three.circle.credentials(who)) == b"", who
    host, port = three.sites[1].route.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        plain.sendall(os.urandom(2000))
        with contextlib.suppress(ConnectionResetError):
            while said := plain.recv(4096):
                assert b"INFO" not in said
    assert all(psutil.Process(launch.pid).is_running() for launch in three.launches)


def _heard(three: Three, mine: Credentials) -> bytes:
    """What the door between servers tells somebody with that certificate, until it hangs up or has greeted."""
    host, port = three.sites[1].route.split(":")
    context = contexts.calling(three.circle.trusted, mine)
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        try:
            with context.wrap_socket(plain) as tls:
                return tls.recv(4096)
        except OSError:
            return b""


def test_a_member_speaks_only_to_servers_that_it_knows(three: Three) -> None:
    """A server whose machine was expelled still has a certificate of the authority."""
    known: list[str] = [site.fingerprint for site in three.sites[:2]]
    context = contexts.calling(
        three.circle.trusted, three.circle.credentials(three.keeper), names=True, known=lambda: known
    )

    async def main() -> None:
        for number, site in enumerate(three.sites):
            server = Server(urls=[site.url], expect=three.main.host)
            if number < 2:
                await (await dial(server, three.keeper, tls=context)).close()
            else:
                with pytest.raises(Unavailable, match="no longer, one of the servers"):
                    await dial(server, three.keeper, tls=context)

    asyncio.run(main())


def test_a_certificate_is_the_authoritys_for_that_one_or_none(three: Three, tmp_path: Path) -> None:
    authority = three.circle.trusted.read_bytes()
    mine = (three.folders[0] / "server.pem").read_bytes()
    theirs, _ = Circle(tmp_path).authority.issue(three.main)
    assert authorities.issued(mine, authority, three.main)
    assert not authorities.issued(mine, authority, three.n1)
    assert not authorities.issued(theirs.certificate, authority, three.main)
    assert not authorities.issued(b"-----BEGIN CERTIFICATE-----\nAAAA", authority, three.main)
    assert authorities.fingerprint(mine) == hashlib.sha256(ssl.PEM_cert_to_DER_cert(mine.decode())).hexdigest()

"""From one server to three: the host carries the control plane over, while it is in use.

A store that one server has written cannot be joined to others, and a server that expects others does nothing alone. So
there are new servers, and the streams are carried into them:

| step | | while it lasts |
|---|---|---|
| prepare | each site makes a key; the authority signs it | everything goes on |
| start | three new servers find each other, and let in the keeper alone | everything goes on |
| hold | the first server ends; a copy of it lends out its store | writes wait |
| carry | the streams go over with all their sequences (`names.carry`) | writes wait |
| commit | `plane.json` is written | writes wait |
| go | the host's new server starts at the address of the first one | the members connect again |

Until the commit whatever fails ends the new servers and starts the first one again, as it was; after it there is no way
back, and none is needed. A host that dies in between leaves one or the other: `plane.json` tells. Members wait for a
second or so, as they do when NATS is started again. They learn the other addresses from the servers themselves, and
keep them in their own `plane.json`.

Two copies could never be written at once: the first server has ended before the others are told of any member.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from nats.aio.client import Client

from sojourn.errors import SojournError, Unavailable
from sojourn.model.plane import HOST, SERVERS, choose
from sojourn.names import carry
from sojourn.names import server as servers
from sojourn.names.connection import dial
from sojourn.names.directory import Value
from sojourn.names.nats_kv import NatsRegistry
from sojourn.names.ports import free_port
from sojourn.names.registry import Plane, Site
from sojourn.names.server import Server
from sojourn.node import config, founding
from sojourn.node.config import Cluster, Layout
from sojourn.node.door import address
from sojourn.node.replica import Prepared, numeric
from sojourn.node.upkeep import Upkeep, end, ended
from sojourn.trust import authority as authorities
from sojourn.trust import contexts
from sojourn.trust.authority import Authority
from sojourn.trust.credentials import write_private
from sojourn.trust.identity import NODE

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

log = logging.getLogger(__name__)

PATIENCE = 15.0  # seconds for one answer of a site
AGAIN = 5.0  # seconds after an attempt that came to nothing


class Replicating:
    """The host's part."""

    def __init__(self, node: Node, home: Path, cluster: Cluster, upkeep: Upkeep) -> None:
        self._node = node
        self._home = home
        self._cluster = cluster
        self._upkeep = upkeep
        self._changed = asyncio.Event()
        self._tls = contexts.calling(config.trusted(home), config.keeper_credentials(home), names=True)
        self._me = founding.keeper(cluster.cluster)

    async def run(self) -> None:
        """Wait until there are enough sites, and carry the control plane over, once."""
        unlisten = self._node.directory.listen(self._heard)
        try:
            while config.layout(self._home) is None:
                self._changed.clear()
                chosen = choose(self._sites())
                if chosen is None:
                    await self._changed.wait()
                    continue
                try:
                    await self._replicate(chosen)
                except (SojournError, OSError, msgspec.ValidationError) as why:
                    log.warning("the control plane stays with one server for now: %s", why)
                    await asyncio.sleep(AGAIN)
        finally:
            unlisten()

    def _heard(self, kind: str, name: str, old: Value, new: Value) -> None:
        if kind == "node":
            self._changed.set()

    def _sites(self) -> dict[str, float]:
        """Those that could carry a server, and since when they belong to the cluster."""
        directory = self._node.directory
        found: dict[str, float] = {HOST: 0.0}
        for entry in directory.nodes():
            member = directory.member(NODE, entry.name)
            if entry.site == entry.name and not entry.draining and member is not None and not member.expelled:
                found[entry.site] = member.since
        return found

    # -- step by step ----------------------------------------------------------------------------

    async def _replicate(self, chosen: tuple[str, ...]) -> None:
        others = [name for name in chosen if name != HOST]
        log.info("the control plane is carried over to %s and this machine", ", ".join(others))
        began = time.monotonic()
        prepared = {
            name: msgspec.convert(await self._ask(name, "site.prepare", {}), Prepared) for name in others
        }
        certificates, sites = await asyncio.to_thread(self._signed, prepared, await numeric(self._cluster.listen))
        for name in others:
            asked = {"certificate": certificates[name], "sites": msgspec.to_builtins(sites), "mine": name}
            await self._ask(name, "site.start", asked)
        folder = config.replica_folder(self._home)
        layout = Layout(sites=sites, mine=HOST)
        launch = await asyncio.to_thread(self._begun, folder, layout)
        try:
            new = Server(urls=[site.url for site in sites if site.name != HOST], expect=self._cluster.nats.expect)
            await self._ready(await asyncio.to_thread(launch.wait))
            client = await dial(new, self._me, tls=self._tls)
            try:
                await carry.ready(client)
                await self._carried(client, new, layout)
            finally:
                await client.close()
        except BaseException:
            if config.layout(self._home) is None:
                launch.abandon()
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        await ended(launch.pid)  # it is started anew, at its own port
        launch.reap()
        await asyncio.to_thread(shutil.rmtree, config.first_folder(self._home) / "store", ignore_errors=True)
        log.info("the control plane has %d servers, after %.1f s", SERVERS, time.monotonic() - began)

    async def _ask(self, node: str, op: str, args: dict[str, Any]) -> Any:
        async with asyncio.timeout(PATIENCE):
            return await (await self._node.peers.channel(node)).ask(op, args)

    async def _ready(self, mine: Server) -> None:
        """Wait until this machine's new server has found the others. Nothing is held up yet."""
        client = await dial(mine, self._me, tls=self._tls)
        try:
            await carry.ready(client)
        finally:
            await client.close()

    def _signed(self, prepared: dict[str, Prepared], host: str) -> tuple[dict[str, bytes], list[Site]]:
        """The servers' certificates, that of this machine's in its place, and where they will be."""
        authority = Authority(config.authority(self._home))
        who = founding.nats(self._cluster.cluster)
        folder = config.replica_folder(self._home)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        pair, _ = authority.issue(who, address=host)
        pair.save(folder, "server")
        certificates = {HOST: pair.certificate}
        route = address(host, free_port(host))
        sites = [_site(HOST, self._cluster.nats.urls[0], route, pair.certificate)]
        for name, said in prepared.items():
            there, _ = servers.place(said.route)
            certificate, _ = authority.answer(said.request, who, address=there)
            certificates[name] = certificate
            sites.append(_site(name, said.url, said.route, certificate))
        return certificates, sites

    def _begun(self, folder: Path, layout: Layout) -> servers.Launch:
        """This machine's new server, at another port as long as the first one has its own."""
        servers.admit(folder, [self._me], carrying=True)
        launch = servers.start(
            folder,
            name=self._cluster.nats.expect,
            authority=config.trusted(self._home),
            port=free_port(servers.place(self._cluster.nats.urls[0])[0]),
            ring=layout.ring,
        )
        launch.wait()
        return launch

    async def _carried(self, client: Client, new: Server, layout: Layout) -> None:
        """From the hold to the commit."""
        async with self._upkeep.paused():
            first = servers.running(config.first_folder(self._home))
            if first is None:
                raise Unavailable("NATS does not run")
            await end(first)
            began = time.monotonic()
            await self._node.points.reach("plane.held")
            async with self._lent() as old:
                bucket = f"sojourn-{self._cluster.cluster}"
                for stream in (f"KV_{bucket}", f"EVENTS_{bucket}"):
                    last = await carry.carry(stream, old, client, copies=SERVERS)
                    log.info("%s is carried over, up to %s", stream, last)
            registry = await NatsRegistry.connect(new, self._me, tls=self._tls)
            try:
                await registry.put_plane(Plane(sites=layout.sites))
            finally:
                await registry.close()
            # Nobody knows its port yet; but a host that dies now has to find it open when it comes back.
            self._upkeep.admit(config.replica_folder(self._home))
            config.write_layout(self._home, layout)
            await self._node.points.reach("plane.committed")
            log.info("the control plane was held for %.2f s", time.monotonic() - began)

    @contextlib.asynccontextmanager
    async def _lent(self) -> AsyncGenerator[Client]:
        """The first server's store, at a server that lets in nobody but us."""
        first, folder = config.first_folder(self._home), config.copy_folder(self._home)
        launch = await asyncio.to_thread(self._lending, first, folder)
        try:
            client = await dial(launch.wait(), self._me, tls=self._tls)
            try:
                yield client
            finally:
                await client.close()
        finally:
            launch.abandon()
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _lending(self, first: Path, folder: Path) -> servers.Launch:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        for name in ("server.pem", "server.key"):
            write_private(folder / name, (first / name).read_bytes())
        servers.admit(folder, [self._me], carrying=True)
        return servers.start(
            folder, name=self._cluster.nats.expect, authority=config.trusted(self._home), store=first / "store"
        )


def _site(name: str, url: str, route: str, certificate: bytes) -> Site:
    return Site(
        name=name,
        url=url,
        route=route,
        pin=authorities.pin(certificate),
        fingerprint=authorities.fingerprint(certificate),
    )

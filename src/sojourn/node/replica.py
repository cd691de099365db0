"""A machine that has joined, and the control plane: it may be asked to carry one of its servers.

| asked by the host | what happens here |
|---|---|
| `site.prepare` | a key is made, and two ports are chosen; the answer is a request to have the key signed |
| `site.start` | with the certificate: the server starts, for the keeper alone, and waits for the others |

Nothing else is asked. That the server is part of the control plane this node hears from the registry, once that is
carried over, and then lets in the members; from then on it looks after the server as the host does after its own
(`upkeep`). Who asks must have the authority at hand: a certificate that the authority did not sign, for the key that
was made here, is refused. The authority's key never comes here, and neither does the keeper's.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn.errors import Unauthorized, Unavailable, WrongState
from sojourn.names import server as servers
from sojourn.names.directory import Directory, Value
from sojourn.names.ports import free_port
from sojourn.names.registry import Plane, Site
from sojourn.node import config, founding
from sojourn.node.config import Cluster, Layout
from sojourn.node.door import address
from sojourn.node.requests import Nothing
from sojourn.node.talk import Emit
from sojourn.node.upkeep import Upkeep, end
from sojourn.trust import authority as authorities
from sojourn.trust.credentials import write_private
from sojourn.trust.identity import NODE

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

log = logging.getLogger(__name__)


class Start(msgspec.Struct, kw_only=True):
    """Arguments of `site.start`."""

    certificate: bytes
    sites: list[Site]
    mine: str


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What a site answers to `site.prepare`: where its server will be, and the request to sign its key."""

    request: bytes
    url: str
    route: str


class Replica:
    """The part of a node that has joined."""

    def __init__(self, node: Node, home: Path, cluster: Cluster) -> None:
        self._node = node
        self._home = home
        self._cluster = cluster
        self._changed = asyncio.Event()
        self._upkeep = Upkeep(node, home, cluster)
        self._launch: servers.Launch | None = None
        self.peer_table: dict[str, tuple[type, Callable[[Any, Emit], Awaitable[Any]]]] = {
            "site.prepare": (Nothing, self._prepare),
            "site.start": (Start, self._start),
        }

    async def run(self) -> None:
        """For as long as the node lives: write down where the servers are, and look after the one that is here."""
        unlisten = self._node.directory.listen(self._heard)
        keeping: asyncio.Task[None] | None = None
        try:
            while True:
                self._changed.clear()
                known = note(self._home, self._node.directory, self._cluster)
                self._upkeep.look()
                if known is not None and known.ring is not None:
                    self._upkeep.admit()
                    if keeping is None:
                        log.info("a server of the control plane is here")
                        keeping = asyncio.create_task(self._upkeep.run())
                await self._changed.wait()
        finally:
            unlisten()
            if keeping is not None:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)

    async def close(self) -> None:
        """The node ends. A server that was expelled with it ends too."""
        if self._launch is not None:
            self._launch.reap()
        if self._node.membership.expelled(NODE, self._node.name):
            pid = servers.running(config.replica_folder(self._home))
            if pid is not None:
                await end(pid)

    def _heard(self, kind: str, name: str, old: Value, new: Value) -> None:
        if kind in ("member", "plane"):
            self._changed.set()

    # -- what the host asks ----------------------------------------------------------------------

    async def _prepare(self, asked: Nothing, emit: Emit) -> Any:
        folder = await self._emptied()
        host = await numeric(self._cluster.listen)
        key, request = await asyncio.to_thread(authorities.signing_request)
        write_private(folder / "server.key", key)
        client, route = free_port(host), free_port(host)
        return msgspec.to_builtins(
            Prepared(request=request, url=f"tls://{address(host, client)}", route=address(host, route)),
            builtin_types=(bytes,),
        )

    async def _start(self, asked: Start, emit: Emit) -> Any:
        folder = config.replica_folder(self._home)
        self._refuse_when_in_force()
        who = founding.nats(self._cluster.cluster)
        trusted = config.trusted(self._home).read_bytes()
        if not await asyncio.to_thread(authorities.issued, asked.certificate, trusted, who):
            raise Unauthorized("that certificate is not the authority's: no server is started with it")
        write_private(folder / "server.pem", asked.certificate)
        servers.admit(folder, [founding.keeper(self._cluster.cluster)], carrying=True)
        ring = Layout(sites=asked.sites, mine=self._cluster.joined).ring
        if ring is None:
            raise WrongState(f"{self._cluster.joined} is none of the sites")
        self._launch = await asyncio.to_thread(self._started, folder, ring)

    def _started(self, folder: Path, ring: servers.Ring) -> servers.Launch:
        launch = servers.start(
            folder, name=self._cluster.nats.expect, authority=config.trusted(self._home), ring=ring
        )
        launch.wait()
        return launch

    async def _emptied(self) -> Path:
        """The folder, without what an earlier attempt has left."""
        self._refuse_when_in_force()
        folder = config.replica_folder(self._home)
        pid = servers.running(folder)
        if pid is not None:
            await end(pid)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        return folder

    def _refuse_when_in_force(self) -> None:
        known = config.layout(self._home)
        if known is not None and known.ring is not None:
            raise WrongState("a server of the control plane runs here already")


def note(home: Path, directory: Directory, cluster: Cluster) -> Layout | None:
    """Write down where the servers are, as the registry says, without those whose machine was expelled."""
    plane = directory.plane()
    if plane is None:
        return config.layout(home)
    wanted = Layout(sites=without_expelled(plane, directory), mine=cluster.joined)
    if wanted != config.layout(home):
        config.write_layout(home, wanted)
    return wanted


def without_expelled(plane: Plane, directory: Directory) -> list[Site]:
    expelled = {member.name for member in directory.members() if member.role == NODE and member.expelled}
    return [site for site in plane.sites if site.name not in expelled]


async def numeric(host: str) -> str:
    """An address, where a host name was given: the other servers compare it with the certificate."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError as why:
        raise Unavailable(f"{host} is no address: {why}") from why
    return str(found[0][4][0])

"""An authority and members for tests that need no cluster: certificates, contexts, a NATS server that knows them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

from sojourn.names import server as servers
from sojourn.names.directory import Directory
from sojourn.names.nats_kv import NatsRegistry
from sojourn.names.registry import Change, Member
from sojourn.names.server import Server
from sojourn.node.membership import Membership
from sojourn.trust import contexts
from sojourn.trust.authority import Authority
from sojourn.trust.connection import Connection
from sojourn.trust.credentials import Credentials
from sojourn.trust.identity import NATS, NODE, Identity


class Circle:
    """One authority. Members are made when they are first asked for."""

    def __init__(self, folder: Path, cluster: str = "t") -> None:
        self.folder = folder
        self.cluster = cluster
        self.authority = Authority.create(folder / "authority", cluster)
        self.trusted = folder / "authority" / "ca.pem"
        self.serials: dict[Identity, str] = {}

    def who(self, name: str, role: str = NODE, cluster: str | None = None) -> Identity:
        return Identity(cluster or self.cluster, role, name)

    def credentials(self, who: Identity) -> Credentials:
        folder = self.folder / who.host
        if who not in self.serials:
            folder.mkdir()
            pair, self.serials[who] = self.authority.issue(who)
            pair.save(folder, "own")
        return Credentials(folder / "own.pem", folder / "own.key")

    def calling(self, who: Identity, *, names: bool = False) -> ssl.SSLContext:
        return contexts.calling(self.trusted, self.credentials(who), names=names)

    def serving(self, who: Identity) -> ssl.SSLContext:
        return contexts.serving(self.trusted, self.credentials(who))

    def membership(self, name: str, directory: Directory) -> Membership:
        who = self.who(name)
        return Membership(who, self.trusted, self.credentials(who), directory)

    def told(self, directory: Directory, who: Identity, *, expelled: float = 0.0) -> None:
        """Tell a directory of a member, as the registry would."""
        self.credentials(who)
        member = Member(role=who.role, name=who.name, serial=self.serials[who], expelled=expelled)
        directory.apply(Change(directory.revision + 1, "member", member.key, member))

    def nats(self, *members: Identity, port: int = -1) -> servers.Launch:
        """Begin to start a server that lets these in."""
        folder, who = self.folder / "nats", self.who("main", NATS)
        folder.mkdir(exist_ok=True)
        if who not in self.serials:
            pair, self.serials[who] = self.authority.issue(who)
            pair.save(folder, "server")
        servers.admit(folder, members)
        return servers.start(folder, name=who.host, authority=self.trusted, port=port)

    async def registry(self, server: Server, who: Identity) -> NatsRegistry:
        return await NatsRegistry.connect(server, who, tls=self.calling(who, names=True))


def sockets() -> tuple[Connection, Connection]:
    """Two ends of a TCP connection, still plain."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller = socket.create_connection(listener.getsockname())
        return Connection(caller), Connection(listener.accept()[0])


async def secured(circle: Circle) -> tuple[Connection, Connection]:
    """The same under TLS: n1 calls n2."""
    caller, listener = sockets()
    await asyncio.gather(
        caller.secure(circle.calling(circle.who("n1")), server=False),
        listener.secure(circle.serving(circle.who("n2")), server=True),
    )
    return caller, listener

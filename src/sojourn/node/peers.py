"""The doors between nodes: who may come in, and how to go out.

Concepts. A node listens on one TCP port and speaks TLS 1.3 there, both sides with a certificate of the cluster's
authority. The caller then says what the connection is for (`wire.greeting`): control requests on behalf of clients, or
one move. What it asks for it asks as whom its certificate names, and both sides look whether that one still is a
member.

Guarantees. Nothing of a stranger is decoded. A call goes to the address in the node's lease and speaks to that node
or to nobody; if the node is gone, so is its entry, and the call raises `NodeLost`. When a member is expelled its
connections end at once, in both directions.

TLS sessions are resumed, so that a move does not pay for a whole handshake; who may come in is looked at each time.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from sojourn.errors import NodeLost, ProtocolError, SojournError, TransferCut, Unauthorized
from sojourn.node.door import PATIENCE, Door, Welcomed, place
from sojourn.node.membership import Membership
from sojourn.node.talk import Channel, Emit, Session
from sojourn.trust.connection import Connection, refusal
from sojourn.trust.identity import CLIENT, Identity
from sojourn.trust.transport import ConnectionTransport
from sojourn.wire import framing, greeting

Arrive = Callable[[Connection], Awaitable[None]]
Serve = Callable[[Identity, str, dict[str, Any], Emit], Awaitable[Any]]


class Peers:
    """One node's door and its ways to the others.

    Args:
        membership: who belongs to the cluster, and this node's own certificate.
        serve: answers control requests of other members.
        arrive: takes over the connection of a move that comes in.
        address: where a node listens now, or None when it has no lease.
    """

    def __init__(
        self,
        membership: Membership,
        serve: Serve,
        arrive: Arrive,
        address: Callable[[str], str | None],
    ) -> None:
        self._membership = membership
        self._serve = serve
        self._arrive = arrive
        self._address = address
        self._door = Door("data plane", membership.serving(), self._greet, members=True)
        self._calling = membership.calling()
        self._resumable: dict[str, ssl.SSLSession] = {}  # by address
        # Every connection with a member, in either direction, and how to end it at once.
        self._open: dict[Connection, Callable[[], None]] = {}
        self._sessions: set[Session] = set()
        self._channels: dict[tuple[str, str], asyncio.Task[Channel]] = {}

    async def open(self, host: str = "127.0.0.1") -> str:
        """Listen; the address to call."""
        return await self._door.open(host)

    async def close(self) -> None:
        for task in self._channels.values():
            task.cancel()
        for session in list(self._sessions):
            session.close()
        await self._door.close()
        for end in list(self._open.values()):
            end()

    def expelled(self, who: Identity) -> None:
        """End every connection with that member."""
        for connection, end in list(self._open.items()):
            if connection.peer == who:
                end()

    # -- coming in -------------------------------------------------------------------------------

    async def _greet(self, connection: Connection) -> Welcomed:
        """What an authenticated caller wants. Raises Unauthorized, ProtocolError; the caller is told why."""
        assert connection.peer is not None
        try:
            purpose = greeting.purpose(await connection.read_exactly(greeting.GREETING))
            await self._membership.check(connection.peer)
            if connection.peer.role == CLIENT and purpose != greeting.CONTROL:
                raise Unauthorized(f"{connection.peer} may not move processes itself")
        except SojournError as why:
            await connection.write(greeting.verdict(why))
            raise
        self._note(connection)
        await connection.write(greeting.verdict(None))
        if purpose == greeting.CONTROL:
            serve = functools.partial(self._serve, connection.peer)
            self._carry(connection, Session(serve, self._sessions))
            return None
        return functools.partial(self._arrive, connection)

    def _note(self, connection: Connection) -> None:
        def forget() -> None:
            self._open.pop(connection, None)

        self._open[connection] = connection.cut
        connection.closed = forget

    def _carry(self, connection: Connection, protocol: asyncio.Protocol) -> None:
        self._open[connection] = ConnectionTransport(connection, protocol).abort

    # -- going out -------------------------------------------------------------------------------

    async def call(self, node: str, purpose: bytes) -> Connection:
        """A connection to `node`, both sides proved. Raises NodeLost, Unauthorized, ProtocolError."""
        address = self._address(node)
        if address is None:
            raise NodeLost(f"node {node} is not there", details={"node": node})
        host, port = place(address)
        connection = Connection(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
        try:
            async with asyncio.timeout(PATIENCE):
                await connection.connect((host, port))
                await connection.secure(self._calling, server=False, again=self._resumable.get(address))
                await self._introduce(connection, node, purpose)
        except (OSError, TimeoutError, TransferCut) as why:
            connection.close()
            said = refusal(why) if isinstance(why, ssl.SSLError) else why
            if isinstance(said, Unauthorized | ProtocolError):
                raise said from why
            raise NodeLost(
                f"node {node} at {address} does not answer: {said or type(said).__name__}",
                details={"node": node},
            ) from why
        except BaseException:
            connection.close()
            raise
        connection.address = address
        if connection.session is not None:
            self._resumable[address] = connection.session
        self._note(connection)
        return connection

    async def _introduce(self, connection: Connection, node: str, purpose: bytes) -> None:
        """Raises Unauthorized when somebody else answered, and what the other side refuses us for."""
        assert connection.peer is not None
        if connection.peer.name != node:
            raise Unauthorized(f"{connection.peer} answered at the address of node {node}")
        await self._membership.check(connection.peer)
        await connection.write(greeting.greeting(purpose))
        greeting.check_magic(await connection.read_exactly(len(greeting.MAGIC)))
        header = await connection.read_exactly(framing.HEADER.size)
        size = framing.length(header, cap=greeting.CAP)
        greeting.check_verdict(await connection.read_exactly(size))

    async def channel(self, node: str) -> Channel:
        """The control connection to `node`, made when there is none. Raises NodeLost."""
        key = (node, self._address(node) or "")
        task = self._channels.get(key)
        if task is None or (
            task.done() and (task.cancelled() or task.exception() or task.result().closed.is_set())
        ):
            task = self._channels[key] = asyncio.create_task(self._open_channel(node))
        return await asyncio.shield(task)

    async def _open_channel(self, node: str) -> Channel:
        connection = await self.call(node, greeting.CONTROL)
        channel = Channel(node)
        self._carry(connection, channel)
        return channel

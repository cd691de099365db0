"""The doors between nodes: who may come in, and how to go out.

Concepts. A node listens on one TCP port. Whoever calls proves that it knows the cluster's secret, in
messages of a fixed length, before anything it sends is decoded (`wire.handshake`), and says what the
connection is for: control requests on behalf of clients, or one move.

Guarantees. A stranger is refused after at most 97 bytes or 5 seconds, and at most `STRANGERS` may try at
once. A call goes to the address in the node's lease; if that node is gone, so is its entry, and the call
raises `NodeLost`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

from sojourn.errors import NodeLost, PeerError, TransferCut
from sojourn.image.stream import tune
from sojourn.node.talk import Channel, Serve, Session
from sojourn.wire import handshake

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds for a handshake
STRANGERS = 64

Arrive = Callable[[socket.socket], Awaitable[None]]


class Peers:
    """One node's door and its ways to the others.

    Args:
        secret: the cluster's.
        serve: answers control requests of other nodes.
        arrive: takes over the connection of a move that comes in.
        address: where a node listens now, or None when it has no lease.
    """

    def __init__(
        self, secret: bytes, serve: Serve, arrive: Arrive, address: Callable[[str], str | None]
    ) -> None:
        self._secret = secret
        self._serve = serve
        self._arrive = arrive
        self._address = address
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions: set[Session] = set()
        self._channels: dict[tuple[str, str], asyncio.Task[Channel]] = {}
        self._trying = 0

    async def open(self, host: str = "127.0.0.1") -> str:
        """Listen; the address to call."""
        self._listener = socket.create_server((host, 0), backlog=256)
        self._listener.setblocking(False)
        self._spawn(self._accept(self._listener))
        name, port = self._listener.getsockname()[:2]
        return f"{name}:{port}"

    async def close(self) -> None:
        for task in (*self._tasks, *self._channels.values()):
            task.cancel()
        if self._listener is not None:
            self._listener.close()
        for session in list(self._sessions):
            session.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- coming in -------------------------------------------------------------------------------

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(listener)
            if self._trying >= STRANGERS:
                sock.close()
                continue
            self._spawn(self._welcome(sock))

    async def _welcome(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._trying += 1
        handed_over = False
        try:
            tune(sock)
            listener = handshake.Listener(self._secret)
            async with asyncio.timeout(PATIENCE):
                await loop.sock_sendall(sock, listener.greeting)
                purpose, proof = listener.answer(await _exactly(sock, handshake.RESPONSE))
                await loop.sock_sendall(sock, proof)
            if purpose == handshake.CONTROL:
                await loop.connect_accepted_socket(lambda: Session(self._serve, self._sessions), sock)
                handed_over = True
            else:
                self._trying -= 1
                try:
                    await self._arrive(sock)
                finally:
                    self._trying += 1
        except (OSError, TimeoutError, PeerError) as why:
            log.warning("a caller was refused: %s", why or type(why).__name__)
        finally:
            self._trying -= 1
            if not handed_over:
                sock.close()

    # -- going out -------------------------------------------------------------------------------

    async def call(self, node: str, purpose: bytes) -> socket.socket:
        """A connection to `node`, both sides proved. Raises NodeLost, Unauthorized, ProtocolError."""
        address = self._address(node)
        if address is None:
            raise NodeLost(f"node {node} is not there", details={"node": node})
        loop = asyncio.get_running_loop()
        host, _, port = address.rpartition(":")
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            tune(sock)
            caller = handshake.Caller(self._secret, purpose)
            async with asyncio.timeout(PATIENCE):
                await loop.sock_connect(sock, (host, int(port)))
                greeting = await _exactly(sock, handshake.GREETING)
                await loop.sock_sendall(sock, caller.respond(greeting))
                caller.check(await _exactly(sock, handshake.PROOF))
        except (OSError, TimeoutError, TransferCut) as why:
            sock.close()
            raise NodeLost(
                f"node {node} at {address} does not answer: {why or type(why).__name__}",
                details={"node": node},
            ) from why
        except BaseException:
            sock.close()
            raise
        return sock

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
        sock = await self.call(node, handshake.CONTROL)
        _, channel = await asyncio.get_running_loop().create_connection(lambda: Channel(node), sock=sock)
        return channel

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _exactly(sock: socket.socket, count: int) -> bytes:
    """That many bytes. Raises TransferCut."""
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count:
        more = await loop.sock_recv(sock, count - len(data))
        if not more:
            raise TransferCut(f"the connection ended after {len(data)} of {count} bytes")
        data += more
    return data

"""The connection of one move: messages, and between them the bytes of images and blobs.

Both sides read and write the connection here rather than through a protocol: after an `Image` message the bytes
belong to `image.stream`, which receives them straight into memory that was reserved for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable

from sojourn.errors import ProtocolError, TransferCut
from sojourn.image import stream
from sojourn.trust.connection import Connection
from sojourn.wire import peer
from sojourn.wire.framing import HEADER, length

SENDING = 10.0  # seconds that a message may take to be sent
PROPOSAL = 10.0  # seconds that a node waits for the first message
FRESH = PROPOSAL / 2  # seconds until a link that nobody has spoken on is not relied on any more


class Link:
    """One side of a move's connection. One reader and one writer at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ahead = b""  # read from the connection, not yet used
        self._writing = asyncio.Lock()
        self.sent = 0  # bytes

    async def send(self, message: peer.Message) -> None:
        """Send one message. Raises TransferCut."""
        await self._send(peer.encode(message))

    async def send_bytes(self, message: peer.Image | peer.Blob, fd: int) -> None:
        """Send a message and the bytes that it announces. Raises TransferCut."""
        async with self._writing:
            await self._send_all(peer.encode(message))
            await stream.send(self._connection, fd, message.size)
            self.sent += stream.length_on_wire(message.size)

    async def receive(self) -> peer.Message:
        """The next message. Raises TransferCut, ProtocolError."""
        size = length(await self._exactly(HEADER.size), cap=peer.CAP)
        return peer.decode(await self._exactly(size))

    async def receive_bytes(self, room: stream.Room, size: int) -> None:
        """The bytes that a message announced, checked. Raises TransferCut, BadImage."""
        mine = stream.length_on_wire(size)
        early, self._ahead = self._ahead[:mine], self._ahead[mine:]
        await stream.receive(self._connection, room, size, early)

    @property
    def peer(self) -> str:
        """The member at the other end, as its certificate names it."""
        return self._connection.peer.name if self._connection.peer else ""

    @property
    def touched(self) -> bool:
        """Whether something was received that is no whole message yet."""
        return bool(self._ahead)

    @property
    def address(self) -> str:
        """What was called: a daemon that is started anew has another, so this is the one that answered."""
        return self._connection.address

    @property
    def busy(self) -> bool:
        """Whether something is being sent."""
        return self._writing.locked()

    def cut(self) -> None:
        """End the connection for both sides, at once."""
        self._connection.cut()

    def close(self) -> None:
        self._connection.close()

    async def _send(self, data: bytes) -> None:
        async with self._writing:
            await self._send_all(data)

    async def _send_all(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(SENDING):
                await self._connection.write(data)
        except (OSError, TimeoutError, ValueError) as why:  # ValueError: closed here
            raise TransferCut(f"the connection ended: {why or type(why).__name__}") from why
        self.sent += len(data)

    async def _exactly(self, count: int) -> bytes:
        while len(self._ahead) < count:
            try:
                more = await self._connection.read(max(65536, count - len(self._ahead)))
            except (OSError, ValueError) as why:
                raise TransferCut(f"the connection ended: {why}") from why
            if not more:
                raise TransferCut("the other side closed the connection")
            self._ahead += more
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        return data


class Opening(contextlib.AbstractAsyncContextManager["Opening"]):
    """A link that is opened while what is to be said first on it is still being found out: to connect and to prove who
    one is takes as long as to survey a program and to write a record, and neither needs the other.

    A link that was not taken by the end of the context is closed.
    """

    def __init__(self, call: Callable[[], Awaitable[Link]]) -> None:
        self._call = call
        self._began = time.monotonic()
        self._task: asyncio.Task[Link] | None = asyncio.ensure_future(self._open())

    async def _open(self) -> Link:
        return await self._call()

    async def take(self) -> Link:
        """The link, for whoever takes it first; another one where the other side may have tired of waiting.
        Raises what the call raises.
        """
        task, self._task = self._task, None
        if task is not None:
            link = await task
            if time.monotonic() - self._began < FRESH:
                return link
            link.close()
        return await self._call()

    async def __aexit__(self, *_: object) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, Link):
            outcome.close()


def check_epoch(message: peer.Message, epoch: int) -> None:
    """Refuse a message of another attempt. Raises ProtocolError."""
    if message.epoch != epoch:
        raise ProtocolError(f"{type(message).__name__} carries epoch {message.epoch}, not {epoch}")


def boot_id() -> str:
    """Names the running kernel: where it is the same, monotonic clocks can be compared."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return os.uname().nodename


def mounts() -> str:
    """Names the mount namespace that this process is in."""
    try:
        return os.readlink("/proc/self/ns/mnt")
    except OSError:
        return ""

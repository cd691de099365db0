"""A listening socket that strangers can reach: TLS first, then a greeting, and little patience for both.

Guarantees. Until it is known who is there, a caller has `PATIENCE` seconds and a place among `STRANGERS`; whoever comes
when all places are taken is hung up on. What a stranger sends is read in messages of a fixed or capped length, so it
costs bounded memory. Nothing that comes in here ends the listener: it outlives a lack of descriptors.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

from sojourn.errors import PeerError, SojournError, Unavailable
from sojourn.trust.connection import Connection

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds until a caller has proved who it is
STRANGERS = 64
BREATH = 0.1  # seconds after the system had no descriptor left

Welcomed = Callable[[], Awaitable[None]] | None
Greet = Callable[[Connection], Awaitable[Welcomed]]
"""Finds out what a caller wants; what to do with it then. None: the connection is somebody's, or closed."""


class Door:
    """One listener.

    Args:
        name: for the log.
        context: of the listening side.
        greet: told of each connection once it is secure.
        members: only who shows a certificate comes in.
    """

    def __init__(self, name: str, context: ssl.SSLContext, greet: Greet, *, members: bool) -> None:
        self._name = name
        self._context = context
        self._greet = greet
        self._members = members
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._trying = 0

    async def open(self, host: str, port: int = 0) -> str:
        """Listen; the address to call. Raises Unavailable."""
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, port), family=family, backlog=256)
        except OSError as why:
            raise Unavailable(f"cannot listen on {host} port {port}: {why}") from why
        self._listener.setblocking(False)
        self._spawn(self._accept(self._listener))
        return address(host, self._listener.getsockname()[1])

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError as why:
                log.error("nobody can be let in at the %s: %s", self._name, why)
                await asyncio.sleep(BREATH)
                continue
            if self._trying >= STRANGERS:
                sock.close()
                continue
            self._trying += 1
            self._spawn(self._welcome(sock))

    async def _welcome(self, sock: socket.socket) -> None:
        go_on: Welcomed = None
        try:
            connection = Connection(sock)
            try:
                async with asyncio.timeout(PATIENCE):
                    await connection.secure(self._context, server=True, known=self._members)
                    go_on = await self._greet(connection)
            except BaseException:
                connection.close()
                raise
        except (OSError, TimeoutError, PeerError) as why:
            log.warning("a caller was refused at the %s: %s", self._name, why or type(why).__name__)
        finally:
            self._trying -= 1
        if go_on is not None:
            try:
                await go_on()
            except (OSError, SojournError) as why:
                log.warning("a connection at the %s ended: %s", self._name, why)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def place(text: str) -> tuple[str, int]:
    """Host and port of an address. Raises ValueError."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)

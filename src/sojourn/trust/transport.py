"""An asyncio transport over a `Connection`, for the protocols that small messages go through (`node.talk`).

Reads as long as there is something, since TLS may hold decrypted bytes that no socket is readable for. What cannot be
written waits in a buffer; past `HIGH` bytes the protocol is asked to pause. TLS wants the same bytes again after it
had no room, which the buffer gives.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sojourn.trust.connection import Connection

READ = 64 << 10
TURNS = 8  # reads in a row before others get their turn
HIGH = 256 << 10
CLOSING = 5.0  # seconds for the last bytes to leave


class ConnectionTransport(asyncio.Transport):
    """Owns the connection from now on; the protocol hears of it at once."""

    def __init__(self, connection: Connection, protocol: asyncio.Protocol) -> None:
        super().__init__({"peer": connection.peer})
        self._connection = connection
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._fd = connection.fileno()
        self._room = memoryview(bytearray(READ))
        self._waiting = bytearray()  # to be written
        self._paused = False
        self._closing = False
        self._over = False
        protocol.connection_made(self)
        self._loop.add_reader(self._fd, self._readable)
        self._loop.call_soon(self._readable)

    # -- what protocols use ----------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._over or self._closing:
            return
        idle = not self._waiting
        self._waiting += data
        if idle:
            self._writable()
        if self._waiting and not self._over:
            if idle:
                self._loop.add_writer(self._fd, self._writable)
            if len(self._waiting) > HIGH and not self._paused:
                self._paused = True
                self._protocol.pause_writing()

    def close(self) -> None:
        """Write what waits, then end."""
        if self._closing or self._over:
            return
        self._closing = True
        if self._waiting:
            self._loop.call_later(CLOSING, self._end, None)
        else:
            self._end(None)

    def abort(self) -> None:
        self._end(None)

    def is_closing(self) -> bool:
        return self._closing or self._over

    def get_write_buffer_size(self) -> int:
        return len(self._waiting)

    # -- below -----------------------------------------------------------------------------------

    def _readable(self) -> None:
        for _ in range(TURNS):
            if self._over:
                return
            try:
                count = self._connection.read_into(self._room)
            except BlockingIOError:
                return
            except OSError as why:
                return self._end(why)
            if not count:
                return self._end(None)
            self._protocol.data_received(bytes(self._room[:count]))
        self._loop.call_soon(self._readable)

    def _writable(self) -> None:
        while self._waiting:
            try:
                with memoryview(self._waiting) as view:
                    count = self._connection.write_some(view)
            except BlockingIOError:
                return
            except OSError as why:
                return self._end(why)
            del self._waiting[:count]
        if self._over:
            return
        self._loop.remove_writer(self._fd)
        if self._paused:
            self._paused = False
            self._protocol.resume_writing()
        if self._closing:
            self._end(None)

    def _end(self, why: Exception | None) -> None:
        if self._over:
            return
        self._over = True
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._waiting.clear()
        self._connection.close()
        self._loop.call_soon(self._lost, why)

    def _lost(self, why: Any) -> None:
        self._protocol.connection_lost(why)

"""Sockets: an ordinary one, each of whose calls parks the thread instead of blocking the LWP.

    async with await threads.connect("example.org", 80) as connection:
        await connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        status = await connection.readline()

    async for connection in threads.listen("127.0.0.1", 8000):
        group.spawn(serve, connection)
"""

from __future__ import annotations

import errno
import os
import socket
from types import TracebackType
from typing import Any, Self

from sojourn.errors import UsageError
from sojourn.threads.descriptors import PIECE, offload, ready
from sojourn.threads.face import scheduler_of
from sojourn.threads.poller import READ, WRITE, Direction
from sojourn.threads.thread import Steps, Wait, operation

LONGEST_LINE = 1 << 20  # bytes; a line that is longer is an error, not a full memory

SKIPS = 15  # of a socket that had nothing when it was tried first: then that is left out so often
INTERNET = (int(socket.AF_INET), int(socket.AF_INET6))
kind_of, family_of = socket.SocketType.type.__get__, socket.SocketType.family.__get__  # without making enums of them


class Socket:
    """A socket of any family and type. Two threads may use it at once if one receives and the other sends; several that
    send hold a `Lock` while they do, since of two messages sent at once one may end up inside of the other.
    """

    def __init__(self, raw: socket.socket) -> None:
        raw.setblocking(False)
        self.raw = raw
        self._poller = scheduler_of().poller
        self._reading = Direction(self._poller, raw.fileno(), READ)
        self._writing = Direction(self._poller, raw.fileno(), WRITE)
        # TCP gives all that is there: a piece that is shorter than what was asked for has left nothing behind it.
        self._stream = kind_of(raw) == socket.SOCK_STREAM and family_of(raw) in INTERNET
        self._drained = False
        self._skips = 0  # so often need not be tried first what has failed
        self._sending = False  # a thread is in the middle of what it sends
        self._buffer = bytearray()  # what `readline` and its like have received too much

    def fileno(self) -> int:
        return self.raw.fileno()

    @property
    def address(self) -> Any:
        """Its own: of the internet (host, port, …), where a port of 0 has become one that was free."""
        return self.raw.getsockname()

    @operation
    def recv(self, size: int = PIECE) -> Steps[bytes]:
        """What is there, `size` bytes at most; b"" when the other side has ended."""
        if not self._buffer:
            return (yield from self._receive(size))
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    @operation
    def _receive(self, size: int) -> Steps[bytes]:
        if self._skips and self._drained:  # nothing can be there that the poller will not tell
            self._skips -= 1
            self._drained = False
            wait = Wait(self._reading)
            yield wait
            if wait.value is not None:
                raise wait.value
        while True:
            try:
                data = self.raw.recv(size)
            except BlockingIOError:
                self._skips = SKIPS
            else:
                self._drained = self._stream and 0 < len(data) < size
                return data
            wait = Wait(self._reading)
            yield wait
            if wait.value is not None:
                raise wait.value

    @operation
    def recvfrom(self, size: int = PIECE) -> Steps[tuple[bytes, Any]]:
        while True:
            try:
                return self.raw.recvfrom(size)
            except BlockingIOError:
                yield from ready(self._reading)

    @operation
    def send(self, data: bytes | memoryview) -> Steps[int]:
        """A part of it; how much."""
        while True:
            try:
                return self.raw.send(data)
            except BlockingIOError:
                yield from ready(self._writing)

    @operation
    def sendall(self, data: bytes | memoryview) -> Steps[None]:
        """All of it; waits for room. Raises UsageError while another thread is in the middle of what it sends."""
        if self._sending:
            raise UsageError(
                "two threads send on one socket at once", advice="hold a Lock of the socket's around sendall()"
            )
        try:
            sent = self.raw.send(data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return
        rest = memoryview(data)[sent:]
        self._sending = True
        try:
            while rest:
                try:
                    rest = rest[self.raw.send(rest) :]
                except BlockingIOError:
                    yield from ready(self._writing)
        finally:
            self._sending = False

    @operation
    def sendto(self, data: bytes, address: Any) -> Steps[int]:
        while True:
            try:
                return self.raw.sendto(data, address)
            except BlockingIOError:
                yield from ready(self._writing)

    @operation
    def accept(self) -> Steps[tuple[Socket, Any]]:
        while True:
            try:
                raw, address = self.raw.accept()
            except BlockingIOError:
                yield from ready(self._reading)
            except ConnectionAbortedError:  # it went away while it stood in the queue
                continue
            else:
                return Socket(raw), address

    @operation
    def connect(self, address: Any) -> Steps[None]:
        """To an address, not a name: that is what `threads.connect` looks up."""
        try:
            self.raw.connect(address)
        except BlockingIOError:
            try:
                self.raw.connect(address)  # on this machine it has answered by now
                return
            except BlockingIOError:
                yield from ready(self._writing)
            except OSError as error:
                if error.errno == errno.EISCONN:
                    return
                raise
            if error := self.raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(error, os.strerror(error)) from None

    async def readline(self) -> bytes:
        """Up to and with the end of the line; less only at the end."""
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            if start > LONGEST_LINE:
                raise UsageError(f"a line of more than {LONGEST_LINE} bytes")
            piece = await self._more()
            if not piece:
                end = start - 1
                break
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    async def readexactly(self, size: int) -> bytes:
        """So many bytes. Raises EOFError when the other side ends before."""
        while len(self._buffer) < size:
            if not await self._more():
                raise EOFError(f"{size} bytes were wanted, {len(self._buffer)} came")
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    @operation
    def _more(self) -> Steps[bytes]:
        piece = yield from self._receive(PIECE)
        self._buffer += piece
        return piece

    def close(self) -> None:
        """Who waits for it gets OSError."""
        if self.raw.fileno() >= 0:
            self._poller.forget(self.raw.fileno())
        self.raw.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Listener(Socket):
    """A socket that others connect to: `async for connection in listener`, until it is closed."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Socket:
        try:
            return (await self.accept())[0]
        except OSError as error:
            if error.errno == errno.EBADF:
                raise StopAsyncIteration from None
            raise


async def getaddrinfo(host: str | None, port: int | str, **keywords: Any) -> list[Any]:
    """As `socket.getaddrinfo`, which asks name servers and may take long: then on a kernel-level thread."""
    try:  # a number needs no server
        flags = keywords.get("flags", 0) | socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return socket.getaddrinfo(host, port, **{**keywords, "flags": flags})
    except socket.gaierror:
        pass
    return await offload(socket.getaddrinfo, host, port, **keywords)


async def connect(host: str, port: int | str) -> Socket:
    """A TCP connection: the first address of the name that answers."""
    failures: list[OSError] = []
    for family, kind, protocol, _, address in await getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = Socket(socket.socket(family, kind, protocol))
        try:
            connection.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await connection.connect(address)
        except OSError as error:
            connection.close()
            failures.append(error)
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    if len(failures) == 1:
        raise failures[0]
    raise OSError(f"no address of {host} answers: {', '.join(str(error) for error in failures)}")


def listen(host: str, port: int, *, backlog: int = 1024) -> Listener:
    """A socket for TCP connections to this address, which is numeric."""
    return Listener(socket.create_server((host, port), backlog=backlog))


def socketpair() -> tuple[Socket, Socket]:
    one, other = socket.socketpair()
    return Socket(one), Socket(other)

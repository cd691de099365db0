"""A connected socket, under TLS or plain, for short messages and for images.

Concepts. The socket never blocks. `read_into` and `write_some` do one step and raise BlockingIOError when there is
nothing to do yet; the coroutines wait for that with the event loop, the threads of `image.stream` with `poll`. A lock
holds one OpenSSL call at a time, since an image may be on its way out in a thread while the loop listens for an
answer, and a TLS connection is no place for two threads at once; each call is short.

Guarantees. Nothing a peer sends is given out before `secure` has verified its certificate; `peer` names it then. The
end of the stream is the end, however it came about: every message has a length and every image its digests, so a
connection that was cut cannot pass for one that was closed.

Rejected: asyncio's TLS. It decrypts through buffers of its own and cannot be read from a thread, which costs an image
two copies; and `sock_recv` does not take TLS sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from sojourn._util import clock
from sojourn.errors import ProtocolError, TransferCut, Unauthorized
from sojourn.trust import identity
from sojourn.trust.identity import Identity

T = TypeVar("T")
BUFFER = 4 << 20  # of the socket
_DATED = {9: "is not valid yet", 10: "has expired"}  # what OpenSSL says of certificates by the wall clock


class Connection:
    """One socket; whoever makes one owns it. One reader and one writer at a time."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._sock = sock
        self._lock = threading.Lock()
        self.peer: Identity | None = None  # whom TLS has proved to be there
        self.address = ""  # what was called, as the registry has it
        self.closed: Callable[[], None] | None = None  # told once

    # -- one step --------------------------------------------------------------------------------

    def read_into(self, into: memoryview | bytearray) -> int:
        """Some bytes; 0 at the end. Raises BlockingIOError, OSError."""
        with self._lock:
            try:
                return self._sock.recv_into(into)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise BlockingIOError from None

    def write_some(self, data: memoryview | bytes | bytearray) -> int:
        """How many were taken; after BlockingIOError the same bytes have to be offered again. Raises OSError."""
        with self._lock:
            try:
                return self._sock.send(data)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise BlockingIOError from None

    def fileno(self) -> int:
        return self._sock.fileno()

    def cut(self) -> None:
        """End whatever is being sent or received, for both sides."""
        with contextlib.suppress(OSError):  # it was not connected any more
            # Not the TLS socket's own: that one would go on in plain text, with whatever is still to be read.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        self._sock.close()
        told, self.closed = self.closed, None
        if told is not None:
            told()

    # -- in the event loop -----------------------------------------------------------------------

    async def connect(self, place: tuple[str, int]) -> None:
        """Call somebody. Raises OSError."""
        await asyncio.get_running_loop().sock_connect(self._sock, place)

    async def secure(
        self,
        context: ssl.SSLContext,
        *,
        server: bool,
        again: ssl.SSLSession | None = None,
        known: bool = True,
    ) -> None:
        """Go on under TLS; `again` resumes an earlier session. With `known` the other side must have shown a
        certificate, and `peer` names it.

        Raises:
            Unauthorized: the other side is none of the cluster, or does not take us for one.
            ProtocolError: what it speaks is not TLS 1.3. OSError, TransferCut.
        """
        tls = context.wrap_socket(
            self._sock, server_side=server, do_handshake_on_connect=False, session=again
        )
        self._sock = tls
        try:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await self._ready(select.POLLIN)
                except ssl.SSLWantWriteError:
                    await self._ready(select.POLLOUT)
        except ssl.SSLError as why:
            raise refusal(why) from why
        if known:
            self.peer = identity.of_peer(tls)

    @property
    def session(self) -> ssl.SSLSession | None:
        """What resumes this connection's TLS session, once the other side has said something."""
        return self._sock.session if isinstance(self._sock, ssl.SSLSocket) else None

    async def read(self, limit: int) -> bytes:
        """Up to `limit` bytes; none at the end. Raises OSError."""
        buffer = bytearray(limit)
        count = await self._step(lambda: self.read_into(buffer), select.POLLIN)
        return bytes(memoryview(buffer)[:count])

    async def read_exactly(self, count: int) -> bytes:
        """That many bytes. Raises TransferCut, OSError."""
        data = b""
        while len(data) < count:
            more = await self.read(count - len(data))
            if not more:
                raise TransferCut(f"the connection ended after {len(data)} of {count} bytes")
            data += more
        return data

    async def write(self, data: bytes) -> None:
        """All of it. Raises OSError."""
        with memoryview(data) as view:
            sent = 0
            while sent < len(view):
                with view[sent:] as rest:
                    sent += await self._step(lambda rest=rest: self.write_some(rest), select.POLLOUT)

    async def _step(self, step: Callable[[], T], event: int) -> T:
        while True:
            try:
                return step()
            except BlockingIOError:
                await self._ready(event)

    async def _ready(self, event: int) -> None:
        loop, fd = asyncio.get_running_loop(), self._sock.fileno()
        if fd < 0:
            raise OSError("the connection was closed here")
        ready: asyncio.Future[None] = loop.create_future()
        add, remove = (
            (loop.add_reader, loop.remove_reader)
            if event == select.POLLIN
            else (loop.add_writer, loop.remove_writer)
        )
        add(fd, lambda: None if ready.done() else ready.set_result(None))
        try:
            await ready
        finally:
            remove(fd)

    # -- in a thread -----------------------------------------------------------------------------

    def wait(self, event: int, stall: float) -> None:
        """Wait until the socket is ready. Raises TransferCut when nothing happens for that many seconds."""
        if self._sock.fileno() < 0:
            raise TransferCut("the connection was closed here")
        poll = select.poll()
        poll.register(self._sock, event)
        until = monotonic() + stall
        while not poll.poll(500):
            if monotonic() > until:
                raise TransferCut(f"no byte for {stall:.0f} s inside an image")


def refusal(why: ssl.SSLError) -> Unauthorized | ProtocolError | TransferCut:
    """What an error of TLS means to us."""
    if isinstance(why, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return TransferCut("the connection ended")
    reason = (why.reason or str(why)).lower().replace("_", " ")
    if isinstance(why, ssl.SSLCertVerificationError) and why.verify_code in _DATED:
        return Unauthorized(
            f"the other side's certificate {_DATED[why.verify_code]}, by this machine's clock: "
            f"{clock.shown(clock.wall())}",
            advice="compare the clocks of both machines, and set the one that is wrong",
        )
    if isinstance(why, ssl.SSLCertVerificationError):
        return Unauthorized(
            f"a certificate that this cluster's authority has not signed: {why.verify_message}"
        )
    if "certificate expired" in reason:
        return Unauthorized(
            "by the other side's clock our certificate has expired",
            advice="compare the clocks of both machines, and set the one that is wrong",
        )
    if "certificate" in reason or "unknown ca" in reason:
        return Unauthorized(f"no membership of this cluster was proved: {reason}")
    return ProtocolError(f"not TLS 1.3 as members speak it: {reason}")

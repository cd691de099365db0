"""An image from one descriptor into another, over a connected socket: near the speed of plain TCP, checked on the way.

Concepts. The sender reads a chunk into a buffer that stays in the processor's cache, digests it there, and sends it
with its digest. The receiver has a `Room`, memory that was reserved and mapped before the freeze, receives each chunk
straight into its place and digests it while it is still in the cache. So the downtime holds one copy by each half of
the kernel and two cheap looks, and sender and receiver work at the same time.

Each transfer of size runs in a thread of its own with plain system calls, which release the interpreter lock; sockets
stay non-blocking, and the threads wait with `poll`. `cut` (a shutdown of the socket) ends either at once.

Guarantees. `receive` returns only when every byte was checked. Nothing is kept beyond the announced size.

Rejected, by measurement: `sendfile` and a mapped source (25,600 page faults for 100 MB cost more than the copy into a
hot buffer saves); digests in a thread of their own (the hand-over of chunks that have left the cache costs what it
gains); `splice` into the file (the kernel copies all the same).
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import select
import socket
from collections.abc import Callable
from time import monotonic

from sojourn.errors import BadImage, TransferCut
from sojourn.image.chunks import CHUNK, DIGEST, digest, spans

STALL = 10.0  # seconds without a byte after which a transfer counts as cut
SMALL = 256 << 10  # bytes up to which a thread costs more than it saves; less than a chunk
BUFFER = 4 << 20  # of the socket


class Room:
    """Memory for an image that is yet to come: a memory file whose pages exist and are mapped.

    Args:
        expected: bytes; more is made when the image turns out larger, at the price of doing it then.
    """

    def __init__(self, expected: int) -> None:
        self.fd = os.memfd_create("image", os.MFD_CLOEXEC)
        self._map: mmap.mmap | None = None
        try:
            if expected > SMALL:
                os.posix_fallocate(self.fd, 0, expected)
                self._map = mmap.mmap(self.fd, expected, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        except BaseException:
            os.close(self.fd)
            raise

    def fit(self, size: int) -> mmap.mmap:
        """The mapping, at least `size` bytes long; the file has exactly that size."""
        if self._map is None or len(self._map) < size:
            self._unmap()
            os.posix_fallocate(self.fd, 0, size)
            self._map = mmap.mmap(self.fd, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        os.ftruncate(self.fd, size)
        return self._map

    def close(self) -> None:
        """Give the memory back; whoever duplicated the descriptor keeps the file."""
        self._unmap()
        os.close(self.fd)

    def _unmap(self) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None


def tune(sock: socket.socket) -> None:
    """Make a connected socket fit for images and for short messages."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)


def cut(sock: socket.socket) -> None:
    """End whatever is being sent or received."""
    with contextlib.suppress(OSError):  # it was not connected any more
        sock.shutdown(socket.SHUT_RDWR)


def length_on_wire(size: int) -> int:
    """How many bytes a stream of `size` bytes takes with its digests."""
    return size + DIGEST * len(list(spans(size)))


async def send(sock: socket.socket, fd: int, size: int) -> None:
    """Send the first `size` bytes of `fd` with their digests. Raises TransferCut, BadImage (it is shorter)."""
    if size > SMALL:
        await _threaded(sock, lambda: _send(sock, fd, size))
        return
    data = os.pread(fd, size, 0)
    if len(data) != size:
        raise BadImage(f"the image has {len(data)} bytes, not {size}")
    try:
        async with asyncio.timeout(STALL):
            await asyncio.get_running_loop().sock_sendall(sock, data + digest(data, 0) if size else b"")
    except (OSError, TimeoutError) as why:
        raise TransferCut(f"the connection ended while {size} bytes were sent: {why}") from why


async def receive(sock: socket.socket, room: Room, size: int, ahead: bytes = b"") -> None:
    """Receive `size` bytes into `room` and check them; its file has that size then.

    `ahead` was read from the socket already, and is part of them. Raises TransferCut, BadImage.
    """
    if size > SMALL:
        into = room.fit(size)
        await _threaded(sock, lambda: _receive(sock, into, size, ahead))
        return
    wanted, data = length_on_wire(size), bytearray(ahead)
    try:
        async with asyncio.timeout(STALL):
            while len(data) < wanted:
                got = await asyncio.get_running_loop().sock_recv(sock, wanted - len(data))
                if not got:
                    raise ConnectionResetError("end of stream")
                data += got
    except (OSError, TimeoutError) as why:
        raise TransferCut(f"the connection ended {len(data)} bytes into an image of {size}: {why}") from why
    if size:
        _check(bytes(data[:size]), 0, bytes(data[size:]))
    os.ftruncate(room.fd, 0)
    os.pwrite(room.fd, data[:size], 0)


async def _threaded(sock: socket.socket, transfer: Callable[[], None]) -> None:
    """Run a transfer in a thread; when this task is cancelled the transfer is cut, and waited for."""
    work = asyncio.ensure_future(asyncio.to_thread(transfer))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        cut(sock)
        await asyncio.wait((work,))
        if not work.cancelled():
            work.exception()
        raise


def _send(sock: socket.socket, fd: int, size: int) -> None:
    buffer = bytearray(CHUNK + DIGEST)
    with memoryview(buffer) as view:
        for at, length in spans(size):
            with view[:length] as piece:
                if os.preadv(fd, [piece], at) != length:
                    raise BadImage(f"the image ends before byte {at + length} of {size}")
                buffer[length : length + DIGEST] = digest(piece, at)
            with view[: length + DIGEST] as whole:
                _send_all(sock, whole)


def _receive(sock: socket.socket, into: mmap.mmap, size: int, ahead: bytes) -> None:
    early, told = memoryview(ahead), bytearray(DIGEST)
    with memoryview(into) as view:
        for at, length in spans(size):
            with view[at : at + length] as piece:
                early = _receive_all(sock, piece, early)
                early = _receive_all(sock, memoryview(told), early)
                _check(piece, at, bytes(told))


def _check(piece: bytes | memoryview, at: int, told: bytes) -> None:
    if digest(piece, at) != told:
        raise BadImage(f"the image is damaged between bytes {at} and {at + len(piece)}")


def _send_all(sock: socket.socket, data: memoryview) -> None:
    sent = 0
    while sent < len(data):
        try:
            sent += sock.send(data[sent:])
        except BlockingIOError:
            _wait(sock, select.POLLOUT)
        except OSError as why:
            raise TransferCut(f"the connection ended while an image was sent: {why}") from why


def _receive_all(sock: socket.socket, into: memoryview, early: memoryview) -> memoryview:
    """Fill `into`, from `early` first; what is left of `early`."""
    got = min(len(into), len(early))
    into[:got] = early[:got]
    early = early[got:]
    while got < len(into):
        try:
            count = sock.recv_into(into[got:])
        except BlockingIOError:
            _wait(sock, select.POLLIN)
            continue
        except OSError as why:
            raise TransferCut(f"the connection ended inside an image: {why}") from why
        if not count:
            raise TransferCut("the connection ended inside an image")
        got += count
    return early


def _wait(sock: socket.socket, event: int) -> None:
    """Wait until the socket is ready. Raises TransferCut when nothing happens for too long."""
    if sock.fileno() < 0:
        raise TransferCut("the connection was closed here")
    poll = select.poll()
    poll.register(sock, event)
    until = monotonic() + STALL
    while not poll.poll(500):
        if monotonic() > until:
            raise TransferCut(f"no byte for {STALL:.0f} s inside an image")

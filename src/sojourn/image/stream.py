"""An image from one descriptor into another, over a connection between members, checked on the way.

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
import mmap
import os
import select
from collections.abc import Callable

from sojourn.errors import BadImage, TransferCut
from sojourn.image.chunks import CHUNK, DIGEST, digest, spans
from sojourn.trust.connection import Connection

STALL = 10.0  # seconds without a byte after which a transfer counts as cut
SMALL = 256 << 10  # bytes up to which a thread costs more than it saves; less than a chunk


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


def length_on_wire(size: int) -> int:
    """How many bytes a stream of `size` bytes takes with its digests."""
    return size + DIGEST * len(list(spans(size)))


async def send(connection: Connection, fd: int, size: int) -> None:
    """Send the first `size` bytes of `fd` with their digests. Raises TransferCut, BadImage (it is shorter)."""
    if size > SMALL:
        await _threaded(connection, lambda: _send(connection, fd, size))
        return
    data = os.pread(fd, size, 0)
    if len(data) != size:
        raise BadImage(f"the image has {len(data)} bytes, not {size}")
    try:
        async with asyncio.timeout(STALL):
            await connection.write(data + digest(data, 0) if size else b"")
    except (OSError, TimeoutError) as why:
        raise TransferCut(f"the connection ended while {size} bytes were sent: {why}") from why


async def receive(connection: Connection, room: Room, size: int, ahead: bytes = b"") -> None:
    """Receive `size` bytes into `room` and check them; its file has that size then.

    `ahead` was read from the socket already, and is part of them. Raises TransferCut, BadImage.
    """
    if size > SMALL:
        into = room.fit(size)
        await _threaded(connection, lambda: _receive(connection, into, size, ahead))
        return
    wanted, data = length_on_wire(size), bytearray(ahead)
    try:
        async with asyncio.timeout(STALL):
            while len(data) < wanted:
                got = await connection.read(wanted - len(data))
                if not got:
                    raise ConnectionResetError("end of stream")
                data += got
    except (OSError, TimeoutError) as why:
        raise TransferCut(f"the connection ended {len(data)} bytes into an image of {size}: {why}") from why
    if size:
        _check(bytes(data[:size]), 0, bytes(data[size:]))
    os.ftruncate(room.fd, 0)
    os.pwrite(room.fd, data[:size], 0)


async def _threaded(connection: Connection, transfer: Callable[[], None]) -> None:
    """Run a transfer in a thread; when this task is cancelled the transfer is cut, and waited for."""
    work = asyncio.ensure_future(asyncio.to_thread(transfer))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        connection.cut()
        await asyncio.wait((work,))
        if not work.cancelled():
            work.exception()
        raise


def _send(connection: Connection, fd: int, size: int) -> None:
    buffer = bytearray(CHUNK + DIGEST)
    with memoryview(buffer) as view:
        for at, length in spans(size):
            with view[:length] as piece:
                if os.preadv(fd, [piece], at) != length:
                    raise BadImage(f"the image ends before byte {at + length} of {size}")
                buffer[length : length + DIGEST] = digest(piece, at)
            with view[: length + DIGEST] as whole:
                _send_all(connection, whole)


def _receive(connection: Connection, into: mmap.mmap, size: int, ahead: bytes) -> None:
    early, told = memoryview(ahead), bytearray(DIGEST)
    with memoryview(into) as view:
        for at, length in spans(size):
            with view[at : at + length] as piece:
                early = _receive_all(connection, piece, early)
                early = _receive_all(connection, memoryview(told), early)
                _check(piece, at, bytes(told))


def _check(piece: bytes | memoryview, at: int, told: bytes) -> None:
    if digest(piece, at) != told:
        raise BadImage(f"the image is damaged between bytes {at} and {at + len(piece)}")


def _send_all(connection: Connection, data: memoryview) -> None:
    sent = 0
    while sent < len(data):
        try:
            sent += connection.write_some(data[sent:])
        except BlockingIOError:
            connection.wait(select.POLLOUT, STALL)
        except OSError as why:
            raise TransferCut(f"the connection ended while an image was sent: {why}") from why


def _receive_all(connection: Connection, into: memoryview, early: memoryview) -> memoryview:
    """Fill `into`, from `early` first; what is left of `early`."""
    got = min(len(into), len(early))
    into[:got] = early[:got]
    early = early[got:]
    while got < len(into):
        try:
            count = connection.read_into(into[got:])
        except BlockingIOError:
            connection.wait(select.POLLIN, STALL)
            continue
        except OSError as why:
            raise TransferCut(f"the connection ended inside an image: {why}") from why
        if not count:
            raise TransferCut("the connection ended inside an image")
        got += count
    return early

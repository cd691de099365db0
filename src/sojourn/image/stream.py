"""An image from one descriptor into another, over a connected socket: near the speed of plain TCP, checked
on the way.

Concepts. The sender maps the image and sends each chunk and then its digest; while the kernel sends chunk
n, another thread digests chunk n + 1. The receiver maps a memory file that was reserved before (`reserve`,
off the downtime) and receives straight into it; while chunk n + 1 arrives, another thread checks chunk n.
So a byte is copied once by each kernel half and read once by each digest, and the digests overlap with the
transfer where there are cores for both.

Both run in a thread of their own with plain system calls, since an event loop would touch every wake-up;
sockets stay non-blocking, and the threads wait with `poll`. `cut` (a shutdown of the socket) ends either at
once.

Guarantees. `receive` returns only when every byte was checked. Nothing is kept but the announced size.

Rejected: `sendfile` (the pages are shared with the socket until they are sent, but the digest needs them in
the cache anyway, and it was no faster on loopback); hashing inline (adds its time to the downtime);
`splice` into the file (the kernel copies all the same).
"""

from __future__ import annotations

import asyncio
import mmap
import os
import select
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic

from sojourn.errors import BadImage, TransferCut
from sojourn.image.chunks import DIGEST, digest, spans

STALL = 10.0  # seconds without a byte after which a transfer counts as cut
SMALL = 256 << 10  # bytes up to which a thread costs more than it saves; less than a chunk
BUFFER = 4 << 20  # of the socket


def reserve(size: int) -> int:
    """A memory file of `size` bytes whose pages exist already. The descriptor is the caller's to close."""
    fd = os.memfd_create("image", os.MFD_CLOEXEC)
    if size > 0:
        os.posix_fallocate(fd, 0, size)
    return fd


def tune(sock: socket.socket) -> None:
    """Make a connected socket fit for images and for short messages."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)


def cut(sock: socket.socket) -> None:
    """End whatever is being sent or received."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it was not connected any more


async def send(sock: socket.socket, fd: int, size: int) -> None:
    """Send the first `size` bytes of `fd` with their digests. Raises TransferCut."""
    if size <= SMALL:
        data = os.pread(fd, size, 0)
        if len(data) != size:
            raise BadImage(f"the image has {len(data)} bytes, not {size}")
        whole = data + digest(data, 0) if size else b""
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(sock, whole), STALL)
        except (OSError, TimeoutError) as why:
            raise TransferCut(f"the connection ended while {size} bytes were sent: {why}") from why
        return
    await _threaded(sock, _send, sock, fd, size)


async def receive(sock: socket.socket, fd: int, size: int, ahead: bytes = b"") -> None:
    """Receive `size` bytes into `fd` and check them. `ahead` was read from the socket already, and is part
    of it.

    Raises TransferCut, BadImage.
    """
    os.ftruncate(fd, size)
    if size <= SMALL:
        wanted = length_on_wire(size)
        data = bytearray(ahead)
        loop = asyncio.get_running_loop()
        try:
            while len(data) < wanted:
                got = await asyncio.wait_for(loop.sock_recv(sock, wanted - len(data)), STALL)
                if not got:
                    raise ConnectionResetError("end of stream")
                data += got
        except (OSError, TimeoutError) as why:
            raise TransferCut(
                f"the connection ended {len(data)} bytes into an image of {size}: {why}"
            ) from why
        if size:
            _check(bytes(data[:size]), 0, bytes(data[size:]))
            os.pwrite(fd, data[:size], 0)
        return
    await _threaded(sock, _receive, sock, fd, size, ahead)


def length_on_wire(size: int) -> int:
    """How many bytes a stream of `size` bytes takes with its digests."""
    return size + DIGEST * len(list(spans(size)))


async def _threaded(sock: socket.socket, function: object, *args: object) -> None:
    """Run a transfer in a thread; when this task is cancelled the transfer is cut, and waited for."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args))  # pyright: ignore[reportArgumentType]
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        cut(sock)
        await asyncio.wait((work,))
        if not work.cancelled():
            work.exception()
        raise


def _send(sock: socket.socket, fd: int, size: int) -> None:
    with mmap.mmap(fd, size, access=mmap.ACCESS_READ) as image, memoryview(image) as view:
        with ThreadPoolExecutor(1, thread_name_prefix="digest") as digests:
            coming: list[Future[bytes]] = []
            plan = list(spans(size))
            for number, (at, length) in enumerate(plan):
                if not coming:
                    coming.append(digests.submit(_digest_span, view, at, length))
                if number + 1 < len(plan):
                    coming.append(digests.submit(_digest_span, view, *plan[number + 1]))
                with view[at : at + length] as piece:
                    _send_all(sock, piece)
                with memoryview(coming.pop(0).result()) as tail:
                    _send_all(sock, tail)


def _receive(sock: socket.socket, fd: int, size: int, ahead: bytes) -> None:
    early = memoryview(ahead)
    with mmap.mmap(fd, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE) as image, memoryview(image) as view:
        with ThreadPoolExecutor(1, thread_name_prefix="digest") as digests:
            checks: list[Future[None]] = []
            told = bytearray(DIGEST)
            for at, length in spans(size):
                with view[at : at + length] as piece:
                    early = _receive_all(sock, piece, early)
                early = _receive_all(sock, memoryview(told), early)
                checks.append(digests.submit(_check_span, view, at, length, bytes(told)))
                while checks and checks[0].done():
                    checks.pop(0).result()
            for check in checks:
                check.result()


def _digest_span(view: memoryview, at: int, length: int) -> bytes:
    with view[at : at + length] as piece:
        return digest(piece, at)


def _check_span(view: memoryview, at: int, length: int, told: bytes) -> None:
    with view[at : at + length] as piece:
        _check(piece, at, told)


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

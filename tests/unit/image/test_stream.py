"""Images over real connections, under TLS and plain: whole, damaged, cut, and as fast as they must be."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import closing

import pytest

from sojourn.errors import BadImage, ProtocolError, TransferCut
from sojourn.image import stream
from sojourn.image.chunks import CHUNK, DIGEST, LARGEST, digest, spans
from sojourn.trust.connection import Connection
from tests.circle import Circle, secured, sockets

SIZES = [0, 1, 20_000, stream.SMALL, stream.SMALL + 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5]


Connect = Callable[[], Awaitable[tuple[Connection, Connection]]]


@pytest.fixture(scope="module", params=["plain", "tls"])
def connect(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Connect:
    """Makes the two ends of a connection."""
    circle = Circle(tmp_path_factory.mktemp("circle"))

    async def plain() -> tuple[Connection, Connection]:
        return sockets()

    return plain if request.param == "plain" else lambda: secured(circle)


def filled(data: bytes) -> int:
    fd = os.memfd_create("source")
    assert os.pwrite(fd, data, 0) == len(data)
    return fd


def content(room: stream.Room) -> bytes:
    """All of the file."""
    return os.pread(room.fd, os.fstat(room.fd).st_size, 0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ahead", [0, 1000])
def test_arrives_whole(connect: Connect, size: int, ahead: int) -> None:
    data = random.Random(size).randbytes(size)

    async def main() -> bytes:
        a, b = await connect()
        source, target = filled(data), stream.Room(size // 2)
        with closing(a), closing(b):
            sending = asyncio.create_task(stream.send(a, source, size))
            early = b""
            if ahead and size:
                early = await b.read(min(ahead, size))
            await stream.receive(b, target, size, early)
            await sending
            with pytest.raises(BlockingIOError):
                b.read_into(bytearray(1))
        got = content(target)
        os.close(source)
        target.close()
        return got

    assert asyncio.run(main()) == data


@pytest.mark.parametrize("size", [20_000, 2 * CHUNK + 7])
@pytest.mark.parametrize("where", [0.0, 0.5, 0.999])
def test_one_damaged_byte_is_found(connect: Connect, size: int, where: float) -> None:
    data = random.Random(1).randbytes(size)
    wire = bytearray(b"".join(data[a : a + n] + digest(data[a : a + n], a) for a, n in spans(size)))
    wire[int(where * len(wire))] ^= 1

    async def main() -> None:
        a, b = await connect()
        target = stream.Room(size)
        with closing(a), closing(b):
            sending = asyncio.create_task(a.write(bytes(wire)))
            with pytest.raises(BadImage):
                await stream.receive(b, target, size)
            await sending
        target.close()

    asyncio.run(main())


def test_chunks_cannot_change_places() -> None:
    assert digest(b"x", 0) != digest(b"x", CHUNK)


@pytest.mark.parametrize("size", [20_000, 2 * CHUNK])
def test_a_cut_is_noticed_by_both(connect: Connect, size: int) -> None:
    async def main() -> None:
        a, b = await connect()
        source, target = filled(bytes(size)), stream.Room(size)
        with closing(a), closing(b):
            receiving = asyncio.create_task(stream.receive(b, target, size))
            await a.write(bytes(size // 2))
            a.cut()
            with pytest.raises(TransferCut):
                await receiving
            with pytest.raises(TransferCut):
                await stream.send(a, source, size)
        os.close(source)
        target.close()

    asyncio.run(main())


def test_cancelling_ends_the_transfer(connect: Connect) -> None:
    async def main() -> None:
        a, b = await connect()
        target = stream.Room(CHUNK)
        with closing(a), closing(b):
            receiving = asyncio.create_task(stream.receive(b, target, CHUNK))
            await a.write(bytes(1000))
            receiving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiving
        target.close()

    asyncio.run(main())


def test_absurd_sizes_are_refused() -> None:
    with pytest.raises(ProtocolError):
        list(spans(LARGEST + 1))
    with pytest.raises(ProtocolError):
        list(spans(-1))
    assert stream.length_on_wire(CHUNK + 1) == CHUNK + 1 + 2 * DIGEST

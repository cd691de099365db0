"""Mutual TLS, against the same data plane over plain TCP, in turn in the same run.

A handshake and a transfer are measured between two endpoints of the data plane (`trust.connection`, `image.stream`),
the caller in this process and the other in a child; small moves between the nodes of two clusters, one of which is
`bench.plain`'s.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import ssl
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console
from rich.progress import track

from bench.figure import Figure, interleaved, median, percentile, timed
from bench.plain import PlainCluster
from sojourn.client import Process
from sojourn.image import stream
from sojourn.node import config
from sojourn.testing import LocalCluster
from sojourn.trust import contexts
from sojourn.trust.connection import Connection

SIZE = 100 << 20
DONE = b"!"
# There are two of them at a time, and neither is to take a processor from the other's move.
IDLE = "import time\nnumber = 0\nwhile True:\n    number += 1\n    time.sleep(0.001)\n"


def measure(local: LocalCluster, console: Console, *, handshakes: int, transfers: int, moves: int) -> list[Figure]:
    serving, calling = (
        make(config.trusted(local.home), config.credentials(local.home, node))
        for make, node in zip((contexts.serving, contexts.calling), local.nodes, strict=False)
    )
    return [
        *_handshakes(console, serving, calling, handshakes),
        *_transfers(console, serving, calling, transfers),
        *_moves(console, local, moves),
    ]


# -- a handshake ---------------------------------------------------------------


def _handshakes(
    console: Console, serving: ssl.SSLContext, calling: ssl.SSLContext, rounds: int
) -> list[Figure]:
    console.log("handshakes")

    async def answer(connection: Connection, secure: bool) -> None:
        if secure:
            await connection.secure(serving, server=True)
        await connection.write(await connection.read_exactly(1))

    with _Other(lambda connection: answer(connection, True)) as other, _Other(lambda c: answer(c, False)) as plain:
        session: list[ssl.SSLSession | None] = [None]

        async def call(port: int, context: ssl.SSLContext | None, again: ssl.SSLSession | None = None) -> None:
            """Until the first word of ours has been answered."""
            connection = await _called(port)
            if context is not None:
                await connection.secure(context, server=False, again=again)
            await connection.write(DONE)
            await connection.read_exactly(1)
            session[0] = connection.session
            connection.close()

        def whole() -> float:
            return timed(lambda: asyncio.run(call(other.port, calling)))

        def resumed() -> float:
            return timed(lambda: asyncio.run(call(other.port, calling, session[0])))

        def tcp() -> float:
            return timed(lambda: asyncio.run(call(plain.port, None)))

        def loop() -> float:
            return timed(lambda: asyncio.run(asyncio.sleep(0)))

        values = interleaved(rounds, tcp, whole, loop)
        again: list[float] = []
        for _ in range(rounds):
            whole()
            again.append(resumed())
        bare = median(values[2])
    floor, first, second = ((median(each) - bare) * 1000 for each in (values[0], values[1], again))
    return [
        Figure("connection, mutual TLS", first, "ms", floor, "plain TCP", "", None, rounds),
        Figure("connection, TLS resumed", second, "ms", floor, "plain TCP", "", None, rounds),
    ]


# -- a transfer ---------------------------------------------------------------


def _transfers(
    console: Console, serving: ssl.SSLContext, calling: ssl.SSLContext, rounds: int
) -> list[Figure]:
    console.log(f"{SIZE >> 20} MB")

    async def take(connection: Connection, secure: bool) -> None:
        if secure:
            await connection.secure(serving, server=True)
        room = await asyncio.to_thread(stream.Room, SIZE)
        await connection.write(DONE)
        await stream.receive(connection, room, SIZE)
        await connection.write(DONE)
        room.close()

    source = os.memfd_create("bench")
    for _ in range(0, SIZE, 1 << 20):
        os.write(source, os.urandom(1 << 20))

    async def give(port: int, context: ssl.SSLContext | None) -> float:
        connection = await _called(port)
        if context is not None:
            await connection.secure(context, server=False)
        await connection.read_exactly(1)
        began = asyncio.get_running_loop().time()
        await stream.send(connection, source, SIZE)
        await connection.read_exactly(1)
        seconds = asyncio.get_running_loop().time() - began
        connection.close()
        return seconds

    with _Other(lambda connection: take(connection, True)) as other, _Other(lambda c: take(c, False)) as plain:
        floors, values = interleaved(
            rounds,
            lambda: asyncio.run(give(plain.port, None)),
            lambda: asyncio.run(give(other.port, calling)),
        )
    os.close(source)
    rate, floor = SIZE / median(values) / 1e6, SIZE / median(floors) / 1e6
    return [Figure(f"{SIZE >> 20} MB over mutual TLS", rate, "MB/s", floor, "plain TCP", "", None, rounds)]


# -- a move ---------------------------------------------------------------


def _moves(console: Console, local: LocalCluster, moves: int) -> list[Figure]:
    with PlainCluster(nodes=2) as plain, tempfile.TemporaryDirectory(prefix="sojourn-bench-") as folder:
        program = Path(folder, "small.py")
        program.write_text(IDLE)
        sides = [_Mover(cluster, program) for cluster in (plain, local)]
        for _ in track(range(moves), description="moves", console=console, transient=True):
            for side in sides:
                side.move()
        for side in sides:
            side.end()
    floor, with_tls = ([percentile(values, 50) for values in (side.whole, side.down)] for side in sides)
    return [
        Figure("whole move, mutual TLS", with_tls[0], "ms", floor[0], "plain TCP", "", None, moves),
        Figure("downtime, mutual TLS", with_tls[1], "ms", floor[1], "plain TCP", "", None, moves),
    ]


class _Mover:
    """A small program that goes to and fro."""

    def __init__(self, cluster: LocalCluster, program: Path) -> None:
        self._nodes = cluster.nodes[:2]
        self._process: Process = cluster.client.run(program, python=sys.executable, node=self._nodes[0])
        self.whole: list[float] = []
        self.down: list[float] = []
        for node in reversed(self._nodes):  # makes baselines and templates
            self._process.move(node)

    def move(self) -> None:
        report = self._process.move(self._nodes[(len(self.whole) + 1) % 2])
        self.whole.append(report.total_ms)
        self.down.append(report.downtime_ms)

    def end(self) -> None:
        self._process.kill()
        self._process.rm()


# -- the other endpoint ---------------------------------------------------------------


class _Other:
    """A child that serves one connection after another, until the block is left."""

    def __init__(self, serve: Callable[[Connection], Awaitable[None]]) -> None:
        self._serve = serve
        self.port = 0
        self._pid = 0

    def __enter__(self) -> _Other:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._ending, end = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(self._ending)
            try:
                self._run(listener, end)
            finally:
                os._exit(0)
        listener.close()
        os.close(end)
        return self

    def _run(self, listener: socket.socket, end: int) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(end, select.POLLERR)
        while all(fd == listener.fileno() for fd, _ in poll.poll()):
            sock, _ = listener.accept()
            asyncio.run(self._served(sock))

    async def _served(self, sock: socket.socket) -> None:
        connection = Connection(sock)
        try:
            await self._serve(connection)
            await connection.read(1)  # its end
        finally:
            connection.close()

    def __exit__(self, *_: object) -> None:
        os.close(self._ending)
        os.waitpid(self._pid, 0)


async def _called(port: int) -> Connection:
    connection = Connection(socket.socket())
    await connection.connect(("127.0.0.1", port))
    return connection

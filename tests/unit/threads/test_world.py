"""Sockets, pipes, files, names, child processes, asyncio's libraries, other processes; with both pollers."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sojourn import threads

from .conftest import Run

POLLERS = pytest.mark.parametrize("portable", [False, True], ids=["edges", "levels"])


async def echo(connection: threads.Socket) -> None:
    async with connection:
        while data := await connection.recv():
            await connection.sendall(data)


@POLLERS
def test_echo(run: Run, kind: str, portable: bool) -> None:
    async def main() -> None:
        listener = threads.listen("127.0.0.1", 0)
        _, port = listener.address
        big = os.urandom(1 << 18)

        async def serves() -> None:
            async with threads.Group() as group:
                async for connection in listener:
                    group.spawn(echo, connection)

        async def asks(number: int) -> None:
            async with await threads.connect("127.0.0.1", port) as connection:
                for turn in range(5):
                    await connection.sendall(b"%d %d\n" % (number, turn))
                    assert await connection.readline() == b"%d %d\n" % (number, turn)
                sender = threads.spawn(connection.sendall, big)
                assert await connection.readexactly(len(big)) == big
                await sender

        server = threads.spawn(serves)
        async with threads.Group() as group:
            for number in range(10):
                group.spawn(asks, number)
        listener.close()
        await server

    run(main, kind=kind, portable=portable)


@POLLERS
def test_ends_of_connections(run: Run, portable: bool) -> None:
    async def main() -> None:
        one, other = threads.socketpair()
        await one.sendall(b"a line\nand more")
        one.raw.shutdown(socket.SHUT_WR)
        assert await other.readline() == b"a line\n"
        assert await other.recv(3) == b"and"
        assert await other.readline() == b" more"
        with pytest.raises(EOFError):
            await other.readexactly(1)
        waits = threads.spawn(one.recv)
        while waits.state != "waiting":
            await threads.switch()
        one.close()
        with pytest.raises(OSError, match="closed while"):
            await waits
        other.close()
        with pytest.raises(OSError):
            await threads.connect("127.0.0.1", 9)  # nobody is there

    run(main, portable=portable)


def test_two_that_send_at_once_are_told(run: Run) -> None:
    """What one of them sends would end up inside of what the other does."""

    async def main() -> None:
        one, other = threads.socketpair()
        big = bytes(1 << 22)
        first = threads.spawn(one.sendall, big)
        while first.state != "waiting":
            await threads.switch()
        with pytest.raises(threads.UsageError, match="two threads send"):
            await one.sendall(b"x")
        assert await other.readexactly(len(big)) == big
        await first
        await one.sendall(b"x")
        assert await other.recv() == b"x"
        one.close()
        other.close()

    run(main)


@POLLERS
def test_an_end_that_comes_with_the_last_piece_is_found(run: Run, portable: bool) -> None:
    """Both are told by one edge, which has been used up when the piece is read."""

    async def main() -> None:
        listener = threads.listen("127.0.0.1", 0)
        connecting = threads.spawn(threads.connect, *listener.raw.getsockname())
        served, _ = await listener.accept()
        async with listener, served, await connecting as connection:
            for number in range(3):
                waits = threads.spawn(connection.recv)
                while waits.state != "waiting":
                    await threads.switch()
                await served.sendall(b"%d" % number)
                assert await waits == b"%d" % number
            waits = threads.spawn(connection.recv)
            while waits.state != "waiting":
                await threads.switch()
            served.raw.send(b"last")  # nobody looks at descriptors in between
            served.close()
            with threads.timeout(20):
                assert await waits == b"last"
                assert await connection.recv() == b""

    run(main, kind="user", portable=portable)


def test_datagrams(run: Run) -> None:
    async def main() -> None:
        here, there = (threads.Socket(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        async with here, there:
            here.raw.bind(("127.0.0.1", 0))
            waits = threads.spawn(here.recvfrom)
            await threads.switch()
            await there.sendto(b"hello", here.raw.getsockname())
            assert (await waits)[0] == b"hello"

    run(main)


@POLLERS
def test_pipes(run: Run, portable: bool) -> None:
    async def main() -> None:
        reading, writing = threads.pipe()
        data = os.urandom(1 << 19)  # more than a pipe holds
        async with reading:
            async with threads.Group() as group, writing:
                reader = group.spawn(reading.read_all)
                await writing.write(data)
                writing.close()
            assert reader.result() == data

    run(main, portable=portable)


@POLLERS
def test_a_wait_for_a_descriptor_can_be_cancelled(run: Run, portable: bool) -> None:
    async def main() -> None:
        reading, writing = threads.pipe()
        async with reading, writing:
            for _ in range(3):
                with pytest.raises(TimeoutError), threads.timeout(0.002):
                    await reading.read()
            await writing.write(b"x")
            assert await reading.read() == b"x"
            with pytest.raises(TimeoutError), threads.timeout(0.002):
                await threads.readable(reading.fileno())

    run(main, portable=portable)


def test_files_and_names(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with await threads.open_file(tmp_path / "file", "w+") as file:
            await file.write("one\ntwo\n")
            await file.flush()
            await file.seek(0)
            assert await file.readline() == "one\n"
            assert [line async for line in file] == ["two\n"]
            assert await file.read() == ""
        with pytest.raises(FileNotFoundError):
            await threads.open_file(tmp_path / "other")
        addresses = await threads.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert addresses

    run(main)


def test_child_processes(run: Run, kind: str) -> None:
    async def main() -> None:
        done = await threads.call(["sh", "-c", "cat; echo bad >&2; exit 3"], input=b"good")
        assert (done.returncode, done.stdout, done.stderr) == (3, b"good", b"bad\n")
        with pytest.raises(subprocess.CalledProcessError):
            await threads.call(["false"], check=True)
        async with threads.Child(["sleep", "3600"]) as child:
            child.terminate()
            assert await child.wait() == -15
        with pytest.raises(TimeoutError), threads.timeout(0.05):
            async with threads.Child(["sleep", "3600"]) as child:
                await child.wait()
        assert child.returncode == -9

    run(main, kind=kind)


def test_libraries_of_asyncio(run: Run) -> None:
    begun: list[int] = []

    async def adds(one: int, other: int) -> int:
        await asyncio.sleep(0.001)
        return one + other

    async def fails() -> None:
        raise LookupError("over there")

    async def stays(ended: list[int]) -> None:
        try:
            begun.append(1)
            await asyncio.sleep(3600)
        finally:
            ended.append(1)

    async def main() -> None:
        assert await threads.aio(adds(1, 2)) == 3
        several = [threads.spawn(threads.aio, adds(number, number)) for number in range(20)]
        assert [await one for one in several] == [2 * number for number in range(20)]
        with pytest.raises(LookupError, match="over there"):
            await threads.aio(fails())
        ended: list[int] = []
        waits = threads.spawn(threads.aio, stays(ended))
        while not begun:
            await threads.sleep(0.001)
        waits.cancel()
        await waits.finished()
        while not ended:  # the loop has to have its turn
            await threads.aio(adds(0, 0))
        left = threads.spawn(threads.aio, stays(ended))  # cancelled with the scheduler
        while left.state != "waiting":
            await threads.switch()

    run(main)


def test_computing_elsewhere() -> None:
    """In a program of its own, since `multiprocessing` keeps a process and a pipe for itself until the end."""
    program = """
import math
from sojourn import threads
async def main():
    made = [threads.compute(math.factorial, number) for number in (3, 4, 5)]
    print([await thread for thread in made])
    try:
        await threads.compute(math.factorial, -1)
    except ValueError:
        print("raised there")
if __name__ == "__main__":
    threads.run(main)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[6, 24, 120]\nraised there\n", "")


def test_a_dump_tells_everything() -> None:
    program = """
import os, signal, sys, time
from sojourn import threads
async def waits(lock):
    async with lock: pass
async def blocks(reading):
    os.read(reading, 1)
dumped = threads.Event()
async def main():
    lock = threads.Lock("cache")
    reading, writing = os.pipe()
    await lock.acquire()
    async with threads.Group("workers") as group:
        waiter = group.spawn(waits, lock, name="waiter")
        blocker = group.spawn(blocks, reading, name="blocker")
        while waiter.state != "waiting" or blocker.state != "blocked":
            await threads.switch()
        os.kill(os.getpid(), signal.SIGUSR1)
        while not dumped.is_set():
            await threads.sleep(0.001)
        os.write(writing, b"x")
        lock.release()
class Out:
    def write(self, text): return sys.stdout.write(text)
    def flush(self): sys.stdout.flush(); threads.post(dumped.set)
threads.dump_on(signal.SIGUSR1, Out())
threads.run(main, debug=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    for expected in (
        "scheduler of kind activations",
        "  main  ",
        "    group workers",
        "waiter  waiting for <lock cache held by main>, spawned at <string>:",
        "in waits",
        "blocker  blocked on lwp-",
        "in blocks",
    ):
        assert expected in done.stdout, done.stdout
    assert "threads/lwp.py" not in done.stdout

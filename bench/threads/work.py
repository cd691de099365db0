"""`python -m bench.threads.work PEER WORK N`: one piece of work by one way of having threads, in a process of its
own; the numbers as JSON on stdout.

Microseconds are of processor time, all threads of the process together: what it costs, whoever else is on the machine.

| work | what is measured |
|---|---|
| `create` | create, run and finish: microseconds each |
| `memory` | N alive at once, all waiting: bytes each |
| `switch` | two that only let each other run: microseconds for each switch |
| `pingpong` | an item to another and back, through two channels: microseconds one way |
| `fanin` | ten put into one channel, one gets: microseconds an item |
| `late` | N sleep 50 ms each time while 8 block in `time.sleep(0.1)` all the time: p50 and p99 of being late, in ms |
| `echo` | N connections, which ask and are answered in turn, both sides in one process: microseconds a round trip |
"""

from __future__ import annotations

import functools
import json
import os
import queue
import resource
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

pc = time.perf_counter
cpu = time.process_time
BLOCKERS, BLOCK, NAP, LATE_FOR = 8, 0.1, 0.05, 3.0
ROUNDS = 5  # of each connection of `echo`


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def lateness(late: list[float]) -> dict[str, float]:
    late.sort()
    return {"p50": late[len(late) // 2] * 1e3, "p99": late[int(len(late) * 0.99)] * 1e3}


class Coroutines:
    """What asyncio, trio and ours have in common: coroutines, and something to make them run with."""

    def __init__(
        self,
        spawn: Callable[[list[tuple[Any, ...]]], Awaitable[None]],
        sleep: Callable[[float], Awaitable[Any]],
        channel: Callable[[], tuple[Callable[[Any], Awaitable[Any]], Callable[[], Awaitable[Any]]]],
        event: Callable[[], Any],
        echo: Callable[[int], Awaitable[float]],
    ) -> None:
        self.together, self.sleep, self.channel, self.event, self.echo = spawn, sleep, channel, event, echo

    async def work(self, what: str, count: int) -> dict[str, float]:
        return await getattr(self, what)(count)

    async def create(self, count: int) -> dict[str, float]:
        async def nothing() -> None:
            pass

        began = cpu()
        await self.together([(nothing,)] * count)
        return {"us": (cpu() - began) / count * 1e6}

    async def memory(self, count: int) -> dict[str, float]:
        event, measured = self.event(), 0

        async def waits() -> None:
            await event.wait()

        async def measures() -> None:
            nonlocal measured
            await self.sleep(0.2)
            measured = resident()
            event.set()

        before = resident()
        await self.together([(waits,)] * count + [(measures,)])
        return {"bytes": (measured - before) / count}

    async def switch(self, count: int) -> dict[str, float]:
        sleep = self.sleep

        async def switches() -> None:
            for _ in range(count):
                await sleep(0)

        began = cpu()
        await self.together([(switches,)] * 2)
        return {"us": (cpu() - began) / count / 2 * 1e6}

    async def pingpong(self, count: int) -> dict[str, float]:
        (put, get), (put_back, get_back) = self.channel(), self.channel()

        async def pings() -> None:
            for _ in range(count):
                await put(1)
                await get_back()

        async def pongs() -> None:
            for _ in range(count):
                await put_back(await get())

        began = cpu()
        await self.together([(pings,), (pongs,)])
        return {"us": (cpu() - began) / count / 2 * 1e6}

    async def fanin(self, count: int) -> dict[str, float]:
        put, get = self.channel()

        async def puts() -> None:
            for _ in range(count // 10):
                await put(1)

        async def gets() -> None:
            for _ in range(count // 10 * 10):
                await get()

        began = cpu()
        await self.together([(puts,)] * 10 + [(gets,)])
        return {"us": (cpu() - began) / count * 1e6}

    async def late(self, count: int) -> dict[str, float]:
        late: list[float] = []
        end = pc() + LATE_FOR

        async def naps(number: int) -> None:
            await self.sleep(NAP * number / count)
            while (began := pc()) < end:
                await self.sleep(NAP)
                late.append(pc() - began - NAP)

        async def blocks() -> None:
            while pc() < end:
                time.sleep(BLOCK)
                await self.sleep(0)

        await self.together([(naps, number) for number in range(count)] + [(blocks,)] * BLOCKERS)
        return lateness(late)

    async def echo(self, count: int) -> dict[str, float]:  # replaced in __init__
        raise NotImplementedError


def ours(kind: str) -> Callable[[str, int], dict[str, float]]:
    from sojourn import threads

    async def together(calls: list[tuple[Any, ...]]) -> None:
        async with threads.Group() as group:
            for call in calls:
                group.spawn(*call)

    def channel() -> Any:
        made: Any = threads.Channel(100)
        return made.put, made.get

    async def echo(count: int) -> dict[str, float]:
        listener = threads.listen("127.0.0.1", 0)
        address = listener.raw.getsockname()

        async def answers(connection: threads.Socket) -> None:
            async with connection:
                while data := await connection.recv(4096):
                    await connection.sendall(data)

        async def serves() -> None:
            async with threads.Group() as group:
                async for connection in listener:
                    group.spawn(answers, connection)

        async def asks() -> None:
            async with await threads.connect(*address) as connection:
                await ready.wait()
                for _ in range(ROUNDS):
                    await connection.sendall(b"hello")
                    await connection.recv(4096)

        ready = threads.Barrier(count)
        server = threads.spawn(serves)
        began = cpu()
        await together([(asks,)] * count)
        took = cpu() - began
        listener.close()
        await server
        return {"us": took / count / ROUNDS * 1e6}

    peer = Coroutines(together, threads.sleep, channel, threads.Event, echo)  # type: ignore[arg-type]
    return lambda what, count: threads.run(peer.work, what, count, kind=kind)


def asyncios(runner: str) -> Callable[[str, int], dict[str, float]]:
    import asyncio

    async def together(calls: list[tuple[Any, ...]]) -> None:
        async with asyncio.TaskGroup() as group:
            for function, *args in calls:
                group.create_task(function(*args))

    def channel() -> Any:
        made: asyncio.Queue[Any] = asyncio.Queue(100)
        return made.put, made.get

    async def echo(count: int) -> dict[str, float]:
        async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
            writer.close()

        async def asks() -> None:
            reader, writer = await asyncio.open_connection(*address)
            await ready.wait()
            for _ in range(ROUNDS):
                writer.write(b"hello")
                await writer.drain()
                await reader.read(4096)
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answers, "127.0.0.1", 0, backlog=1024)
        address = server.sockets[0].getsockname()
        ready = asyncio.Barrier(count)
        began = cpu()
        await together([(asks,)] * count)
        took = cpu() - began
        server.close()
        return {"us": took / count / ROUNDS * 1e6}

    peer = Coroutines(together, asyncio.sleep, channel, asyncio.Event, echo)  # type: ignore[arg-type]
    if runner == "uvloop":
        import uvloop

        return lambda what, count: uvloop.run(peer.work(what, count))
    return lambda what, count: asyncio.run(peer.work(what, count))


def trios() -> Callable[[str, int], dict[str, float]]:
    import trio

    async def together(calls: list[tuple[Any, ...]]) -> None:
        async with trio.open_nursery() as nursery:
            for call in calls:
                nursery.start_soon(*call)

    def channel() -> Any:
        send, receive = trio.open_memory_channel(100)
        return send.send, receive.receive

    async def echo(count: int) -> dict[str, float]:
        async def answers(stream: Any) -> None:
            async for data in stream:
                await stream.send_all(data)

        async def asks() -> None:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            for _ in range(ROUNDS):
                await stream.send_all(b"hello")
                await stream.receive_some(4096)
            await stream.aclose()

        async with trio.open_nursery() as nursery:
            serve = functools.partial(trio.serve_tcp, answers, 0, host="127.0.0.1")
            listeners = await nursery.start(serve)
            port = listeners[0].socket.getsockname()[1]
            began = cpu()
            await together([(asks,)] * count)
            took = cpu() - began
            nursery.cancel_scope.cancel()
        return {"us": took / count / ROUNDS * 1e6}

    peer = Coroutines(together, trio.sleep, channel, trio.Event, echo)  # type: ignore[arg-type]
    return lambda what, count: trio.run(peer.work, what, count)


class Blocking:
    """Threads that are called as functions: of the kernel, and gevent's."""

    def __init__(
        self, together: Any, sleep: Any, queue: Any, event: Any, connect: Any, listen: Any, block: Any
    ) -> None:
        self.together, self.sleep, self.queue, self.event = together, sleep, queue, event
        self.connect, self.listen, self.block = connect, listen, block

    def __call__(self, what: str, count: int) -> dict[str, float]:
        return getattr(self, what)(count)

    def create(self, count: int) -> dict[str, float]:
        began = cpu()
        self.together([(int,)] * count)
        return {"us": (cpu() - began) / count * 1e6}

    def memory(self, count: int) -> dict[str, float]:
        event, measured = self.event(), 0

        def measures() -> None:
            nonlocal measured
            self.sleep(0.2)
            measured = resident()
            event.set()

        before = resident()
        self.together([(event.wait,)] * count + [(measures,)])
        return {"bytes": (measured - before) / count}

    def switch(self, count: int) -> dict[str, float]:
        def switches() -> None:
            for _ in range(count):
                self.sleep(0)

        began = cpu()
        self.together([(switches,)] * 2)
        return {"us": (cpu() - began) / count / 2 * 1e6}

    def pingpong(self, count: int) -> dict[str, float]:
        there, back = self.queue(100), self.queue(100)

        def pings() -> None:
            for _ in range(count):
                there.put(1)
                back.get()

        def pongs() -> None:
            for _ in range(count):
                back.put(there.get())

        began = cpu()
        self.together([(pings,), (pongs,)])
        return {"us": (cpu() - began) / count / 2 * 1e6}

    def fanin(self, count: int) -> dict[str, float]:
        channel = self.queue(100)

        def puts() -> None:
            for _ in range(count // 10):
                channel.put(1)

        def gets() -> None:
            for _ in range(count // 10 * 10):
                channel.get()

        began = cpu()
        self.together([(puts,)] * 10 + [(gets,)])
        return {"us": (cpu() - began) / count * 1e6}

    def late(self, count: int) -> dict[str, float]:
        late: list[float] = []
        end = pc() + LATE_FOR

        def naps(number: int) -> None:
            self.sleep(NAP * number / count)
            while (began := pc()) < end:
                self.sleep(NAP)
                late.append(pc() - began - NAP)

        def blocks() -> None:
            while pc() < end:
                self.block(BLOCK)
                self.sleep(0)

        self.together([(naps, number) for number in range(count)] + [(blocks,)] * BLOCKERS)
        return lateness(late)

    def echo(self, count: int) -> dict[str, float]:
        listener = self.listen()
        address = listener.getsockname()

        def answers(connection: Any) -> None:
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(data)

        def serves() -> None:
            self.together([(accepts,)] * 1)

        def accepts() -> None:
            self.together([(answers, listener.accept()[0]) for _ in range(count)])

        def asks() -> None:
            with self.connect(address) as connection:
                for _ in range(ROUNDS):
                    connection.sendall(b"hello")
                    connection.recv(4096)

        began = cpu()
        self.together([(serves,)] + [(asks,)] * count)
        took = cpu() - began
        listener.close()
        return {"us": took / count / ROUNDS * 1e6}


def kernel() -> Callable[[str, int], dict[str, float]]:
    def together(calls: list[tuple[Any, ...]]) -> None:
        made = [threading.Thread(target=function, args=args) for function, *args in calls]
        for thread in made:
            thread.start()
        for thread in made:
            thread.join()

    def listen() -> socket.socket:
        return socket.create_server(("127.0.0.1", 0), backlog=1024)

    threading.stack_size(1 << 18)
    return Blocking(
        together, time.sleep, queue.Queue, threading.Event, socket.create_connection, listen, time.sleep
    )


def gevents() -> Callable[[str, int], dict[str, float]]:
    import gevent
    import gevent.event
    import gevent.queue
    import gevent.socket

    def together(calls: list[tuple[Any, ...]]) -> None:
        gevent.joinall([gevent.spawn(*call) for call in calls])

    def listen() -> Any:
        made = gevent.socket.socket()
        made.bind(("127.0.0.1", 0))
        made.listen(1024)
        return made

    event, connect = gevent.event.Event, gevent.socket.create_connection
    return Blocking(together, gevent.sleep, gevent.queue.Queue, event, connect, listen, time.sleep)


PEERS: dict[str, Callable[[], Callable[[str, int], dict[str, float]]]] = {
    "threads": lambda: ours("activations"),
    "threads-user": lambda: ours("user"),
    "threads-hybrid": lambda: ours("hybrid"),
    "threads-kernel": lambda: ours("kernel"),
    "uvloop": lambda: asyncios("uvloop"),
    "asyncio": lambda: asyncios("asyncio"),
    "trio": trios,
    "gevent": gevents,
    "kernel": kernel,
}


def main() -> None:
    peer, what, count = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(json.dumps(PEERS[peer]()(what, int(count))))


if __name__ == "__main__":
    main()

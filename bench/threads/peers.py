"""Who is measured, and how each has threads, channels and connections."""

from __future__ import annotations

import functools
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from bench.threads.styles import ROUNDS, Blocking, Coroutines, cpu


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

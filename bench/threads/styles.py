"""The works of `work`, in the two ways in which threads are written: as coroutines, and as functions that block."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

pc = time.perf_counter
cpu = time.process_time
BLOCKERS, BLOCK, NAP, LATE_FOR = 8, 0.1, 0.05, 3.0
ROUNDS = 20  # of each connection of `echo`
BATCH = 1000  # threads that are alive at once in `batches`; in `create` all are


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

    async def batches(self, count: int) -> dict[str, float]:
        async def nothing() -> None:
            pass

        began = cpu()
        for _ in range(count // BATCH):
            await self.together([(nothing,)] * BATCH)
        return {"us": (cpu() - began) / (count // BATCH * BATCH) * 1e6}

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

    def batches(self, count: int) -> dict[str, float]:
        began = cpu()
        for _ in range(count // BATCH):
            self.together([(int,)] * BATCH)
        return {"us": (cpu() - began) / (count // BATCH * BATCH) * 1e6}

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

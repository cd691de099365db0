"""`python -m bench switches`: what it costs to let somebody else run, and how often the kernel had to switch for it.

One sends a byte, the other answers, so many times; what is told is one way. Between processes of the operating system
through a pipe, a POSIX message queue, and shared memory with semaphores; between kernel-level threads through locks
and a queue; between user-level threads through channels and by `switch()`. The counts of context switches are the
kernel's own (`getrusage`, both sides together): voluntary ones, where somebody waited, and those that the kernel
forced.

The table has a bar for each, on a logarithmic scale; with matplotlib there is a picture in `out/` too.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import mmap
import multiprocessing
import os
import queue
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figure import Figure, interleaved, median
from sojourn import threads

Sides = tuple[Callable[[int], None], Callable[[int], None], Callable[[], None]]  # one, other, afterwards
pc = time.perf_counter


class Unavailable(Exception):
    """This machine does not have it."""


@dataclass
class Cost:
    """Of one switch."""

    us: float
    waited: float  # voluntary context switches of the kernel
    forced: float


def _switches(usage: resource.struct_rusage) -> tuple[int, int]:
    return usage.ru_nvcsw, usage.ru_nivcsw


def between_processes(make: Callable[[], Sides], count: int) -> Cost:
    one, other, afterwards = make()
    before = _switches(resource.getrusage(resource.RUSAGE_SELF))
    began = pc()
    child = os.fork()
    if not child:
        try:
            other(count)
        finally:
            os._exit(0)
    one(count)
    took = pc() - began
    _, _, usage = os.wait4(child, 0)
    after = _switches(resource.getrusage(resource.RUSAGE_SELF))
    afterwards()
    theirs = _switches(usage)
    waited, forced = (after[side] - before[side] + theirs[side] for side in (0, 1))
    return Cost(took / count / 2 * 1e6, waited / count / 2, forced / count / 2)


def within_process(run: Callable[[int], None], count: int) -> Cost:
    before = _switches(resource.getrusage(resource.RUSAGE_SELF))
    began = pc()
    run(count)
    took = pc() - began
    after = _switches(resource.getrusage(resource.RUSAGE_SELF))
    waited, forced = (after[side] - before[side] for side in (0, 1))
    return Cost(took / count / 2 * 1e6, waited / count / 2, forced / count / 2)


def pipes() -> Sides:
    (read_a, write_a), (read_b, write_b) = os.pipe(), os.pipe()

    def one(count: int) -> None:
        for _ in range(count):
            os.write(write_a, b"x")
            os.read(read_b, 1)

    def other(count: int) -> None:
        for _ in range(count):
            os.read(read_a, 1)
            os.write(write_b, b"x")

    return one, other, lambda: [os.close(fd) for fd in (read_a, write_a, read_b, write_b)] and None


class _Attributes(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_long), ("most", ctypes.c_long), ("size", ctypes.c_long), ("now", ctypes.c_long))


def message_queues() -> Sides:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "mq_open"):
        raise Unavailable("the C library has no mq_open")
    made: list[int] = []
    for side in ("a", "b"):
        name = f"/sojourn-bench-{os.getpid()}-{side}".encode()
        attributes = _Attributes(0, 4, 8, 0)
        descriptor = libc.mq_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, ctypes.byref(attributes))
        if descriptor < 0:
            raise Unavailable(f"no message queues here: {os.strerror(ctypes.get_errno())}")
        libc.mq_unlink(name)
        made.append(descriptor)
    there, back = made
    buffer = ctypes.create_string_buffer(8)

    def one(count: int) -> None:
        for _ in range(count):
            libc.mq_send(there, b"x", 1, 0)
            libc.mq_receive(back, buffer, 8, None)

    def other(count: int) -> None:
        for _ in range(count):
            libc.mq_receive(there, buffer, 8, None)
            libc.mq_send(back, b"x", 1, 0)

    return one, other, lambda: [os.close(fd) for fd in made] and None


def shared_memory() -> Sides:
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    there, back = multiprocessing.Semaphore(0), multiprocessing.Semaphore(0)

    def one(count: int) -> None:
        for number in range(count):
            memory[0] = number & 255
            there.release()
            back.acquire()

    def other(count: int) -> None:
        for number in range(count):
            there.acquire()
            assert memory[0] == number & 255
            back.release()

    return one, other, memory.close


def locks(count: int) -> None:
    there, back = threading.Lock(), threading.Lock()
    there.acquire()
    back.acquire()

    def answers() -> None:
        for _ in range(count):
            there.acquire()
            back.release()

    other = threading.Thread(target=answers)
    other.start()
    for _ in range(count):
        there.release()
        back.acquire()
    other.join()


def queues(count: int) -> None:
    there: queue.SimpleQueue[int] = queue.SimpleQueue()
    back: queue.SimpleQueue[int] = queue.SimpleQueue()

    def answers() -> None:
        for _ in range(count):
            back.put(there.get())

    other = threading.Thread(target=answers)
    other.start()
    for _ in range(count):
        there.put(1)
        back.get()
    other.join()


def channels(kind: str) -> Callable[[int], None]:
    async def main(count: int) -> None:
        there, back = threads.Channel[int](1), threads.Channel[int](1)

        async def answers() -> None:
            for _ in range(count):
                await back.put(await there.get())

        other = threads.spawn(answers)
        for _ in range(count):
            await there.put(1)
            await back.get()
        await other

    return lambda count: threads.run(main, count, kind=kind)


def switching(count: int) -> None:
    async def turns() -> None:
        for _ in range(count):
            await threads.switch()

    async def main() -> None:
        async with threads.Group() as group:
            group.spawn(turns)
            group.spawn(turns)

    threads.run(main, kind="user")


WAYS: dict[str, tuple[Callable[[int], Cost], int]] = {  # what, and how many round trips of it
    "processes: pipe": (lambda count: between_processes(pipes, count), 10_000),
    "processes: message queue": (lambda count: between_processes(message_queues, count), 10_000),
    "processes: shared memory, semaphores": (lambda count: between_processes(shared_memory, count), 10_000),
    "kernel threads: lock": (lambda count: within_process(locks, count), 10_000),
    "kernel threads: queue": (lambda count: within_process(queues, count), 10_000),
    "user threads, each on an LWP: channel": (lambda count: within_process(channels("kernel"), count), 3_000),
    "user threads, activations: channel": (lambda count: within_process(channels("activations"), count), 30_000),
    "user threads: channel": (lambda count: within_process(channels("user"), count), 30_000),
    "user threads: switch()": (lambda count: within_process(switching, count), 100_000),
}


def measure(console: Console, out: Path, *, rounds: int, scale: float = 1.0) -> list[Figure]:
    names: list[str] = []
    sides: list[Callable[[], float]] = []
    seen: dict[str, list[Cost]] = {}
    for name, (way, count) in WAYS.items():
        count = max(100, int(count * scale))
        try:
            way(10)
        except Unavailable as why:
            console.log(f"switches: left out {name}: {why}")
            continue

        def side(name: str = name, way: Any = way, count: int = count) -> float:
            cost = way(count)
            seen.setdefault(name, []).append(cost)
            return cost.us

        names.append(name)
        sides.append(side)
    interleaved(rounds, *sides)
    costs = {
        name: Cost(*(median([getattr(cost, field) for cost in seen[name]]) for field in ("us", "waited", "forced")))
        for name in names
    }
    console.print(_table(costs))
    _picture(costs, out / "switches.png", console)
    floor = costs["processes: pipe"].us
    return [Figure(f"switch: {name}", cost.us, "us", floor, "pipe", "", None, rounds) for name, cost in costs.items()]


def _table(costs: dict[str, Cost]) -> Table:
    table = Table(title="What a switch costs, one way")
    for head in ("between", "us", "", "kernel switches: waited", "forced"):
        table.add_column(head, justify="left" if head in ("between", "") else "right")
    least = min(cost.us for cost in costs.values())
    for name, cost in costs.items():
        bar = "█" * (1 + round(8 * math.log10(cost.us / least)))
        table.add_row(name, f"{cost.us:.2f}", bar, f"{cost.waited:.2f}", f"{cost.forced:.3f}")
    return table


def _picture(costs: dict[str, Cost], path: Path, console: Console) -> None:
    try:
        import matplotlib
    except ImportError:
        console.print("no picture without matplotlib (pip install 'sojourn[demo]')")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(costs)[::-1]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
    left.barh(names, [costs[name].us for name in names], color="tab:blue")
    left.set(xscale="log", xlabel="microseconds, one way", title="What a switch costs")
    right.barh(names, [costs[name].waited for name in names], color="tab:green", label="waited")
    waited = [costs[name].waited for name in names]
    right.barh(names, [costs[name].forced for name in names], left=waited, color="tab:red", label="forced")
    right.set(xlabel="context switches of the kernel, for each", title="What the kernel had to do")
    right.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    console.print(f"picture in {path}")

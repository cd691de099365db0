"""Many threads that block, switch, wait, cancel each other and take from each other, by a seed: nothing is lost,
nothing runs twice at once, and afterwards nothing is left (which `run` looks at).
"""

from __future__ import annotations

import os
import random
import resource
import sys
import time

import pytest

from sojourn import threads

from .conftest import KINDS, Run

HASTY = threads.Rules(tick=0.0002, slice=0.001, pin_after=3, offence=0.05, lease=0.02)


async def storm(seed: int, workers: int, steps: int) -> None:
    """Tokens are passed on, through channels and under locks, by threads of which some are cancelled."""
    choose = random.Random(seed)
    channel = threads.Channel[int](4)
    lock, semaphore, event = threads.Lock(), threads.Semaphore(2), threads.Event()
    put: list[int] = []
    got: list[int] = []
    running: set[int] = set()

    async def works(number: int, pick: random.Random) -> None:
        for step in range(steps):
            assert number not in running
            running.add(number)
            match pick.randrange(8):
                case 0:
                    time.sleep(pick.random() * 0.002)  # blocks
                case 1:
                    sum(range(pick.randrange(20_000)))  # computes
                case _:
                    pass
            running.discard(number)
            match pick.randrange(6):
                case 0:
                    token = number * steps + step
                    await channel.put(token)
                    put.append(token)
                case 1:
                    async with lock:
                        await threads.switch()
                case 2:
                    async with semaphore:
                        await threads.sleep(pick.random() * 0.001)
                case 3:
                    try:
                        with threads.timeout(0.0005):
                            await event.wait()
                    except TimeoutError:
                        pass
                case 4:
                    event.set()
                    event.clear()
                case _:
                    await threads.switch()

    async def gets() -> None:
        async for token in channel:
            got.append(token)

    reader = threads.spawn(gets)
    made = [threads.spawn(works, number, random.Random(choose.random())) for number in range(workers)]
    doomed = choose.sample(made, workers // 4)
    for thread in doomed:
        await threads.sleep(choose.random() * 0.003)
        thread.cancel()
    for thread in made:
        await thread.finished()
        assert thread.state in ("done", "cancelled"), thread
        if thread.state == "cancelled":
            assert thread in doomed
    channel.close()
    await reader
    # A put that was cancelled has not happened; one that has happened was got, once.
    assert len(got) == len(set(got)) and set(put) <= set(got)
    assert not lock.locked() and semaphore.value == 2


@pytest.mark.parametrize("kind", KINDS)
def test_storms(run: Run, seed: int, thorough: bool, kind: str) -> None:
    for number in range(60 if thorough else 3):
        lwps = {"hybrid": 3, "activations": 1 + number % 3}.get(kind)
        run(storm, seed + number, 24, 20, kind=kind, lwps=lwps, rules=HASTY)


def test_storms_with_a_short_switch_interval(run: Run, seed: int, thorough: bool) -> None:
    """The interpreter changes threads at nearly every bytecode: what is not atomic shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(40 if thorough else 2):
            run(storm, seed + number, 16, 12, kind="hybrid", lwps=4, rules=HASTY)
            run(storm, seed + number, 16, 12, lwps=3, rules=HASTY)
    finally:
        sys.setswitchinterval(before)


def test_what_is_stolen_runs_once(run: Run, seed: int) -> None:
    """All threads begin in one queue; LWPs without work take from it."""
    ran: list[int] = []

    async def marks(number: int) -> None:
        for _ in range(number % 5):
            await threads.switch()
        ran.append(number)

    async def main() -> None:
        async with threads.Group() as group:
            for number in range(2000):
                group.spawn(marks, number)

    run(main, kind="hybrid", lwps=4)
    assert sorted(ran) == list(range(2000))


def test_no_leaks_over_many_switches(run: Run, thorough: bool) -> None:
    """Memory, descriptors and LWPs after ten million switches (a hundred thousand without --thorough)."""
    rounds = 100 if thorough else 1

    async def passes(first: threads.Channel[int], second: threads.Channel[int]) -> None:
        async for item in first:
            await second.put(item)

    async def main() -> tuple[int, int, int]:
        first, second = threads.Channel[int](), threads.Channel[int]()
        other = threads.spawn(passes, first, second)
        marks: list[int] = []
        for _ in range(rounds + 1):
            for item in range(30_000):  # three switches each
                await first.put(item)
                await second.get()
                await threads.switch()
            marks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        first.close()
        await other
        return marks[0], marks[-1], len(threads.scheduler_of().lwps)

    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    begin, end, lwps = run(main, debug=False)
    assert end - begin < 8192, f"grew from {begin} to {end} KB"
    assert lwps <= 8
    if before:
        assert len(os.listdir("/proc/self/fd")) == before

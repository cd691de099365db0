"""Threads that block, compute, wait, cancel and take from each other, by a seed. Needs no pytest, so that other
interpreters run it, too.
"""

from __future__ import annotations

import random
import time

from sojourn import threads

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

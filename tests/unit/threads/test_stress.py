"""Many threads that block, switch, wait, cancel each other and take from each other, by a seed: nothing is lost,
nothing runs twice at once, and afterwards nothing is left (which `run` looks at).
"""

from __future__ import annotations

import os
import resource
import sys

import pytest

from sojourn import threads

from .conftest import KINDS, Run
from .storms import HASTY, storm


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


def test_a_hundred_thousand_at_once(run: Run) -> None:
    async def main() -> int:
        gate, done = threads.Event(), 0

        async def waits() -> None:
            nonlocal done
            await gate.wait()
            done += 1  # one processor: nobody comes in between

        async with threads.Group() as group:
            made = [group.spawn(waits) for _ in range(100_000)]
            while made[-1].state != "waiting":
                await threads.switch()
            assert all(thread.alive for thread in made)
            gate.set()
        assert all(thread.state == "done" for thread in made)
        return done

    assert run(main, kind="user", debug=False) == 100_000


@pytest.mark.parametrize("kind", KINDS)
def test_no_leaks_over_many_switches(run: Run, thorough: bool, kind: str) -> None:
    """Memory, descriptors and LWPs after ten million switches (fifty thousand without --thorough)."""
    least, apiece = (10_000_000, 30_000) if thorough else (50_000, 5_000)
    if kind == "kernel" and not thorough:
        least //= 10  # each is one of the kernel's

    async def passes(first: threads.Channel[int], second: threads.Channel[int]) -> None:
        async for item in first:
            await second.put(item)

    async def main() -> tuple[int, int, int]:
        first, second = threads.Channel[int](), threads.Channel[int]()
        me, other = threads.current(), threads.spawn(passes, first, second)
        marks: list[int] = []
        while not marks[1:] or me.switches + other.switches < least:
            for item in range(apiece):
                await first.put(item)
                await second.get()
                await threads.switch()
            marks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        first.close()
        await other
        return marks[0], marks[-1], len(threads.scheduler_of().lwps)

    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    begin, end, lwps = run(main, debug=False, kind=kind)
    assert end - begin < 8192, f"grew from {begin} to {end} KB"
    assert lwps <= 8
    if before:
        assert len(os.listdir("/proc/self/fd")) == before

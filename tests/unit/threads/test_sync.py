"""The primitives: between threads of every kind, with cancellation and time limits."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sojourn import threads

from .conftest import Run


def test_a_lock_excludes(run: Run, kind: str) -> None:
    async def main() -> int:
        lock, count = threads.Lock("count"), 0

        async def adds() -> None:
            nonlocal count
            for _ in range(20):
                async with lock:
                    seen = count
                    await threads.switch()
                    count = seen + 1

        def adds_too() -> None:
            nonlocal count
            for _ in range(20):
                threads.wait(lock.acquire())
                seen = count
                threads.wait(threads.switch())
                count = seen + 1
                lock.release()

        async with threads.Group() as group:
            for _ in range(4):
                group.spawn(adds)
                group.spawn(adds_too)
        assert not lock.locked() and "free" in repr(lock)
        return count

    assert run(main, kind=kind) == 160


def test_who_is_cancelled_does_not_get_the_lock(run: Run) -> None:
    async def main() -> None:
        lock = threads.Lock("one")
        await lock.acquire()
        assert "held by main" in repr(lock) and not lock.try_acquire()
        first, second = threads.spawn(lock.acquire), threads.spawn(lock.acquire)
        while len(lock.waiting()) < 2:
            await threads.switch()
        first.cancel()
        lock.release()
        await second
        assert first.state == "cancelled" and lock.owner is second
        lock.release()
        with pytest.raises(threads.WrongState, match="not held"):
            lock.release()

    run(main, kind="user")


def test_events(run: Run, kind: str) -> None:
    async def main() -> int:
        event, passed = threads.Event(), 0

        async def waits() -> None:
            nonlocal passed
            await event.wait()
            passed += 1

        async with threads.Group() as group:
            for _ in range(5):
                group.spawn(waits)
            group.spawn(event.set)
        event.clear()
        with pytest.raises(TimeoutError), threads.timeout(0.005):
            await event.wait()
        return passed

    assert run(main, kind=kind) == 5


def test_a_semaphore_lets_so_many_pass(run: Run, kind: str) -> None:
    async def main() -> int:
        semaphore, inside, most = threads.Semaphore(3, bound=3), 0, 0
        lock = threads.Lock()

        async def passes() -> None:
            nonlocal inside, most
            async with semaphore:
                async with lock:
                    inside += 1
                    most = max(most, inside)
                await threads.switch()
                async with lock:
                    inside -= 1

        async with threads.Group() as group:
            for _ in range(20):
                group.spawn(passes)
        assert semaphore.value == 3
        with pytest.raises(threads.WrongState, match="only 3"):
            semaphore.release()
        return most

    assert 1 <= run(main, kind=kind) <= 3


def test_conditions(run: Run, kind: str) -> None:
    async def main() -> list[int]:
        condition, items, taken = threads.Condition(), [], []

        async def takes() -> None:
            async with condition:
                await condition.wait_for(lambda: items)
                taken.append(items.pop())

        async with threads.Group() as group:
            for _ in range(6):
                group.spawn(takes)
            for item in range(6):
                async with condition:
                    items.append(item)
                    condition.notify()
                await threads.switch()
        with pytest.raises(threads.WrongState, match="not held"):
            condition.notify_all()
        return sorted(taken)

    assert run(main, kind=kind) == [0, 1, 2, 3, 4, 5]


def test_a_condition_that_was_cancelled_holds_its_lock(run: Run) -> None:
    async def main() -> None:
        condition = threads.Condition()
        with pytest.raises(TimeoutError), threads.timeout(0.01):
            async with condition:
                try:
                    await condition.wait()
                finally:
                    assert condition.lock.owner is threads.current()
        assert not condition.lock.locked()

    run(main)


def test_barriers(run: Run, kind: str) -> None:
    async def main() -> None:
        barrier, places = threads.Barrier(4), []

        async def meets() -> None:
            for _ in range(3):
                places.append(await barrier.wait())

        async with threads.Group() as group:
            for _ in range(4):
                group.spawn(meets)
        assert sorted(places) == sorted([0, 1, 2, 3] * 3)

    run(main, kind=kind)


def test_a_barrier_breaks_with_who_is_cancelled(run: Run) -> None:
    async def main() -> None:
        barrier = threads.Barrier(3)
        stays, goes = threads.spawn(barrier.wait), threads.spawn(barrier.wait)
        while barrier.waiting < 2:
            await threads.switch()
        goes.cancel()
        with pytest.raises(threads.BrokenBarrier):
            await stays
        assert barrier.broken
        with pytest.raises(threads.BrokenBarrier):
            await barrier.wait()
        barrier.reset()
        others = [threads.spawn(barrier.wait) for _ in range(2)]
        await barrier.wait()
        for other in others:
            await other

    run(main)


@pytest.mark.parametrize("capacity", [0, 1, 3, None])
def test_channels_keep_every_item(run: Run, kind: str, capacity: int | None) -> None:
    async def main() -> list[int]:
        channel = threads.Channel[int](capacity)
        got: list[int] = []

        async def puts(first: int) -> None:
            for item in range(first, first + 10):
                await channel.put(item)

        def puts_too(first: int) -> None:
            for item in range(first, first + 10):
                threads.wait(channel.put(item))

        async def gets() -> None:
            async for item in channel:
                got.append(item)

        readers = [threads.spawn(gets) for _ in range(3)]
        async with threads.Group() as group:
            group.spawn(puts, 0)
            group.spawn(puts, 10)
            group.spawn(puts_too, 20)
        channel.close()
        for reader in readers:
            await reader
        with pytest.raises(threads.Closed):
            await channel.put(0)
        return sorted(got)

    assert run(main, kind=kind) == list(range(30))


def test_a_full_channel_holds_back(run: Run) -> None:
    async def main() -> None:
        channel = threads.Channel[int](1)
        channel.put_nowait(1)
        with pytest.raises(threads.Full):
            channel.put_nowait(2)
        waits = threads.spawn(channel.put, 2)
        await threads.switch()
        assert waits.alive and channel.get_nowait() == 1
        await waits
        assert channel.get_nowait() == 2
        with pytest.raises(threads.Empty):
            channel.get_nowait()
        last = threads.spawn(channel.get)
        while last.state != "waiting":
            await threads.switch()
        channel.close()
        with pytest.raises(threads.Closed):
            await last

    run(main)


def test_ranks_and_circles(run: Run) -> None:
    async def main() -> None:
        low, high = threads.Lock("low", rank=1), threads.Lock("high", rank=2)
        async with low, high:
            pass
        async with high:
            with pytest.raises(threads.RankError, match="low of rank 1 while it holds lock high"):
                await low.acquire()
        one, two = threads.Lock("one"), threads.Lock("two")

        async def other() -> None:
            async with two:
                await one.acquire()
                one.release()

        await one.acquire()
        thread = threads.spawn(other, name="other")
        while thread.state != "waiting":
            await threads.switch()
        with pytest.raises(threads.Deadlock, match="other has lock two"):
            await two.acquire()
        one.release()
        await thread

    run(main)
    run(_ranks_cost_nothing_without_debug, debug=False)


STUCK = """
import sys, threading
from sojourn import threads

async def main():
    channel, event = threads.Channel(), threads.Event()
    async with threads.Group("workers") as group:
        first = group.spawn(channel.get, name="first")
        group.spawn(threads.wait, event.wait(), name="second")
        group.spawn(first.join, name="third")

def elsewhere(event, begun):
    begun.set()
    event.wait()

if sys.argv[2] == "watched":        # somebody else is there, who might do something
    begun, released = threading.Event(), threading.Event()
    threading.Thread(target=elsewhere, args=(released, begun)).start()
    begun.wait()
    from sojourn.threads import stuck
    look = stuck.look
    def looks(scheduler):
        if len(stuck._waiting(scheduler)) == 4:
            assert not look(scheduler)
            scheduler.main.cancel("looked at")
            released.set()
        return False
    stuck.look = looks
try:
    threads.run(main, kind=sys.argv[1], debug=True)
except BaseExceptionGroup as errors:
    print(*errors.exceptions)
except BaseException as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("others", ["alone", "watched"])
def test_who_waits_for_nobody_is_told(kind: str, others: str) -> None:
    """In a process of its own, which has no kernel-level threads but its own; with one, nothing can be known."""
    command = [sys.executable, "-c", STUCK, kind, others]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    if others == "watched":
        assert done.stdout == "Cancelled looked at\n"
        return
    assert done.stdout.startswith("Deadlock nobody can ever go on: main waits for 3 threads of group workers; ")
    assert "first waits for <channel 0 of any number>" in done.stdout
    assert "second waits for <event awaited by 1>" in done.stdout and "third waits for the end of first" in done.stdout


ENDING = """
import time
from sojourn import threads
from sojourn.threads import stuck

looks = []
look = stuck.look
stuck.look = lambda scheduler: looks.append(look(scheduler))

async def ends():
    pass

async def main():
    root = threads.scheduler_of().root
    left = root.left

    def lingers(thread):
        left(thread)
        before = len(looks)
        while len(looks) < before + 2:
            time.sleep(0.01)

    root.left = lingers
    await threads.spawn(ends)
    root.left = left

threads.run(main, kind="hybrid", lwps=2, debug=True)
print(any(looks))
"""


def test_who_is_about_to_be_woken_up_is_not_stuck() -> None:
    """A thread has left its group, and its LWP has yet to wake up who joins it. In a process of its own, as above."""
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("False\n", "")


async def _ranks_cost_nothing_without_debug() -> None:
    low, high = threads.Lock(rank=1), threads.Lock(rank=2)
    async with high, low:
        assert threads.current().local is None

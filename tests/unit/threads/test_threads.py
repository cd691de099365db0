"""Threads of every kind: results, errors, groups, cancellation, time limits, context."""

from __future__ import annotations

import contextvars
import gc
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from sojourn import threads
from sojourn.errors import UsageError, WrongState

from .conftest import Run


async def double(number: int) -> int:
    await threads.switch()
    return 2 * number


def triple(number: int) -> int:
    return 3 * number


async def fail(error: BaseException) -> None:
    await threads.switch()
    raise error


def test_results_of_both_kinds(run: Run, kind: str) -> None:
    async def main() -> list[int]:
        user, kernel = threads.spawn(double, 4), threads.spawn(triple, 4)
        return [await user, await kernel.join(), user.result(), kernel.result()]

    assert run(main, kind=kind) == [8, 12, 8, 12]


def test_handles(run: Run) -> None:
    async def main() -> None:
        event = threads.Event()
        named, other = threads.spawn(event.wait, name="waits"), threads.spawn(double, 1)
        assert (named.name, other.name.split("-")[0], other.alive) == ("waits", "double", True)
        with pytest.raises(WrongState, match="has not ended"):
            named.result()
        await other
        assert (other.state, named.state, threads.current().state) == ("done", "waiting", "running")
        assert other.name.startswith("double-")
        event.set()
        await named.finished()
        assert "waits done" in repr(named)

    run(main)


def test_errors_reach_who_joins(run: Run, kind: str) -> None:
    async def main() -> None:
        failed = threads.spawn(fail, ValueError("no"), name="tries")
        for _ in range(2):  # however often
            with pytest.raises(ValueError, match="no") as caught:
                await failed
        assert any("in thread tries" in note for note in caught.value.__notes__)
        assert failed.state == "failed"

    run(main, kind=kind)


def test_errors_that_nobody_joins_are_told(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        failed = threads.spawn(fail, KeyError("lonely"), name="tries")
        await failed.finished()

    run(main)
    gc.collect()  # its traceback refers to itself
    told = capsys.readouterr().err
    assert "in thread tries, which nobody has joined" in told and "lonely" in told


def test_run_raises_what_main_raises_and_ends_the_rest(run: Run, kind: str) -> None:
    ended: list[str] = []

    async def stays() -> None:
        try:
            await threads.sleep_forever()
        finally:
            ended.append("stays")

    async def main() -> None:
        threads.spawn(stays)
        await threads.sleep(0.01)
        raise LookupError("main")

    with pytest.raises(LookupError, match="main"):
        run(main, kind=kind)
    assert ended == ["stays"]


def test_a_group_waits_for_its_own(run: Run, kind: str) -> None:
    async def main() -> list[int]:
        done: list[int] = []

        async def work(number: int) -> None:
            await threads.sleep(0.002 * number)
            done.append(number)

        async with threads.Group("workers") as group:
            for number in range(5):
                group.spawn(work, number)
            group.spawn(done.append, 9)
        return sorted(done)

    assert run(main, kind=kind) == [0, 1, 2, 3, 4, 9]


def test_a_failure_cancels_the_group(run: Run, kind: str) -> None:
    async def main() -> None:
        async with threads.Group() as group:
            others = [group.spawn(threads.sleep_forever) for _ in range(3)]
            group.spawn(fail, ValueError("one"))
            try:
                await threads.sleep_forever()
            finally:
                states.extend(others)

    states: list[Any] = []
    with pytest.raises(ExceptionGroup) as caught:
        run(main, kind=kind)
    assert [repr(error) for error in caught.value.exceptions] == ["ValueError('one')"]
    assert [thread.state for thread in states] == ["cancelled"] * 3


def test_several_failures_come_together(run: Run) -> None:
    async def main() -> None:
        async def fails_in_the_end() -> None:
            try:
                await threads.sleep_forever()
            finally:
                raise KeyError("two")

        async with threads.Group() as group:
            group.spawn(fails_in_the_end)
            await threads.sleep(0.01)
            raise ValueError("one")

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert sorted(type(error).__name__ for error in caught.value.exceptions) == ["KeyError", "ValueError"]


def test_a_cancelled_group_stays_cancelled(run: Run) -> None:
    async def main() -> str:
        async def holds() -> None:
            async with threads.Group() as group:
                children.append(group.spawn(threads.sleep_forever))
                entered.set()

        children: list[Any] = []
        entered = threads.Event()
        holder = threads.spawn(holds)
        await entered.wait()
        assert holder.cancel()
        await holder.finished()
        assert not holder.cancel()
        return f"{holder.state} {children[0].state}"

    assert run(main) == "cancelled cancelled"


def test_a_thread_that_was_not_begun_never_runs(run: Run) -> None:
    async def marks() -> None:
        ran.append(1)

    async def main() -> str:
        thread = threads.spawn(marks)
        thread.cancel()
        await thread.finished()
        return thread.state

    ran: list[int] = []
    assert run(main, kind="user") == "cancelled"
    assert not ran


def test_a_plain_function_is_cancelled_at_its_next_line(run: Run) -> None:
    def computes() -> None:
        begun.set()
        while True:
            pass

    async def main() -> str:
        thread = threads.spawn(computes)
        await begun.wait()
        thread.cancel()
        await thread.finished()
        return thread.state

    begun = threads.Event()
    assert run(main) == "cancelled"


def test_plain_functions_leave_the_interpreter_as_it_was() -> None:
    """Up to 3.12 something raised in a thread can leave a flag up, for all threads and for good; on 3.11 a traced
    function then never gets past its first instruction.
    """
    program = """
import sys
from sojourn import threads

async def main():
    await threads.spawn(int).join()
    computing = threads.spawn(computes)
    await threads.sleep(0.01)
    computing.cancel()
    await computing.finished()

def computes():
    while True: pass

def traced(): pass

threads.run(main())
sys.settrace(lambda frame, event, arg: print(event))
traced()
sys.settrace(None)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "call\n"


def test_a_plain_function_is_cancelled_where_it_waits(run: Run, kind: str) -> None:
    def waits() -> str:
        begun.set()
        try:
            threads.wait(threads.sleep_forever())
        except threads.Cancelled:
            threads.wait(threads.sleep(0.001))  # told once
            return "cleaned up"
        return "not reached"

    async def main() -> str:
        thread = threads.spawn(waits)
        await begun.wait()
        thread.cancel()
        return await thread

    begun = threads.Event()
    assert run(main, kind=kind) == "cleaned up"


def test_time_limits(run: Run, kind: str) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError, match=r"0\.01 s"), threads.timeout(0.01):
            await threads.sleep_forever()
        with pytest.raises(TimeoutError), threads.timeout(0.01), threads.timeout(60):
            await threads.Channel[int]().get()
        with threads.timeout(60) as limit:
            limit.reschedule(None)
            await threads.sleep(0.001)
        assert not limit.expired
        with pytest.raises(TimeoutError), threads.timeout(60) as limit:
            limit.reschedule(0.01)
            await threads.sleep_forever()
        assert limit.expired
        with pytest.raises(TimeoutError):
            async with threads.Group(timeout=0.01) as group:
                group.spawn(threads.sleep_forever)

    run(main, kind=kind)


def test_a_limit_that_is_over_is_over(run: Run) -> None:
    async def main() -> None:
        for _ in range(50):
            try:
                with threads.timeout(0.0005):
                    await threads.sleep(0.0005)
            except TimeoutError:
                pass
            await threads.sleep(0.0001)  # where a late one would come up

    run(main)


def test_context_and_locals(run: Run, kind: str) -> None:
    variable = contextvars.ContextVar("variable", default="none")
    local = threads.Local()

    async def child() -> tuple[str, bool]:
        inherited, own = variable.get(), hasattr(local, "value")
        variable.set("child")
        local.value = "child"
        await threads.switch()
        assert (variable.get(), local.value) == ("child", "child")
        return inherited, own

    def plain() -> tuple[str, bool]:
        inherited, own = variable.get(), hasattr(local, "value")
        variable.set("plain")
        local.value = "plain"
        return inherited, own

    async def main() -> None:
        variable.set("main")
        local.value = "main"
        assert await threads.spawn(child) == ("main", False)
        assert await threads.spawn(plain) == ("main", False)
        assert (variable.get(), local.value) == ("main", "main")
        del local.value
        with pytest.raises(AttributeError):
            local.value  # noqa: B018

    run(main, kind=kind)


def test_wait_from_kernel_threads_that_are_none_of_ours(run: Run) -> None:
    def outside(lock: threads.Lock, channel: threads.Channel[int]) -> None:
        threads.wait(lock.acquire())
        lock.release()
        threads.wait(channel.put(7))

    async def main() -> int:
        lock, channel = threads.Lock(), threads.Channel[int](1)
        await lock.acquire()
        other = threading.Thread(target=outside, args=(lock, channel))
        other.start()
        await threads.sleep(0.01)
        lock.release()
        got = await channel.get()
        await threads.spawn(other.join)
        with pytest.raises(UsageError, match="use await"):
            threads.wait(lock.acquire())
        return got

    assert run(main) == 7


def test_wait_with_a_limit(run: Run) -> None:
    def waits() -> str:
        with pytest.raises(TimeoutError):
            threads.wait(threads.Event().wait(), timeout=0.01)
        with pytest.raises(TimeoutError), threads.timeout(0.01):
            threads.wait(threads.Event().wait())
        threads.wait(threads.sleep(0.001), timeout=60)
        return "late"

    async def main() -> str:
        return await threads.spawn(waits)

    assert run(main) == "late"


def test_a_scheduler_beside_other_code() -> None:
    with threads.Scheduler(debug=True) as scheduler:
        thread = scheduler.spawn(double, 21)
        assert threads.wait(thread.join()) == 42
        stays = scheduler.spawn(threads.sleep_forever)
    assert stays.state == "cancelled"
    with pytest.raises(WrongState, match="takes no threads"):
        scheduler.spawn(triple, 1)


def test_what_is_no_thread(run: Run) -> None:
    with pytest.raises(UsageError, match="no kind"):
        threads.run(double, 1, kind="fibers")
    with pytest.raises(UsageError, match="2 LWPs"):
        threads.Scheduler("user", 2)

    async def main() -> None:
        with pytest.raises(UsageError, match="neither"):
            threads.spawn(3)  # type: ignore[arg-type]
        with pytest.raises(WrongState, match="run\\(\\) in a thread"):
            threads.run(double, 1)
        group = threads.Group()
        async with group:
            pass
        with pytest.raises(WrongState, match="not open"):
            group.spawn(double, 1)

    run(main)
    with pytest.raises(WrongState, match="no thread"):
        threads.current()


def test_turns_come_at_their_time(run: Run) -> None:
    async def main() -> list[int]:
        began, seen = time.monotonic(), []
        async for number in threads.every(0.005):
            assert time.monotonic() - began >= 0.005 * number
            seen.append(number)
            if number >= 5:
                return seen
        return []

    seen = run(main)
    assert seen == sorted(set(seen)) and seen[0] == 0

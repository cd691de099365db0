"""An LWP that blocks gives its threads to another; who blocked, where and for how long is told."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from sojourn import threads

from .conftest import Run

PATIENT = threads.Rules(pin_after=1000)  # nobody is pinned


async def until(event: threads.Event) -> None:
    await event.wait()


def test_a_blocking_call_stalls_nobody(run: Run) -> None:
    """The blocked thread is let go by one that could not run if it were stalled."""

    async def main() -> None:
        reading, writing = os.pipe()

        async def blocks() -> None:
            assert os.read(reading, 1) == b"x"

        async def frees() -> None:
            os.write(writing, b"x")

        async with threads.Group() as group:
            group.spawn(blocks, name="blocks")
            group.spawn(frees)
        os.close(reading)
        os.close(writing)

    run(main)


def test_many_block_at_once(run: Run) -> None:
    async def main() -> int:
        pipes = [os.pipe() for _ in range(8)]
        switched = 0

        async def blocks(reading: int) -> None:
            for _ in range(3):
                assert os.read(reading, 1)
                await threads.switch()

        async def frees() -> None:
            nonlocal switched
            for _ in range(3):
                for _, writing in pipes:
                    os.write(writing, b"x")
                    await threads.switch()
                    switched += 1

        async with threads.Group() as group:
            for reading, _ in pipes:
                group.spawn(blocks, reading)
            group.spawn(frees)
        for pipe in pipes:
            for descriptor in pipe:
                os.close(descriptor)
        return switched

    assert run(main) == 24


def test_upcalls_tell_who_where_and_how_long(run: Run) -> None:
    told: list[threads.Upcall] = []

    reading, writing = os.pipe()

    async def blocks() -> None:
        os.read(reading, 1)  # here

    def tell(upcall: threads.Upcall) -> None:
        if upcall.thread.name == "sleeper":
            told.append(upcall)
            if upcall.event == "blocked":
                os.write(writing, b"x")

    async def main() -> str:
        ends = [threads.upcall(event, tell) for event in ("blocked", "unblocked", "preempted")]
        await threads.spawn(blocks, name="sleeper")
        for end in ends:
            end()
        return str(threads.report())

    report = run(main, rules=PATIENT)
    os.close(reading)
    os.close(writing)
    blocked, unblocked = told
    assert (blocked.event, unblocked.event) == ("blocked", "unblocked")
    assert blocked.verdict is threads.Verdict.BLOCKED and blocked.frame is not None
    source = Path(__file__).read_text().splitlines()
    assert "# here" in source[blocked.place.line - 1] and blocked.place == unblocked.place
    assert 0 < blocked.seconds < unblocked.seconds and blocked.call in ("read", "system call 0", "")
    assert "sleeper" in str(unblocked) and "test_activations.py" in str(unblocked)
    assert "sleeper" in report and "test_activations.py" in report


def test_a_warning_names_the_line(run: Run) -> None:
    async def main() -> None:
        while not caught:  # however late the monitor is on a machine with much to do
            time.sleep(0.05)
            await threads.switch()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(main, warn=0.02, rules=PATIENT)
    warning = next(one for one in caught if one.category is threads.BlockingWarning)
    assert warning.filename == __file__ and "thread main blocked" in str(warning.message)


def test_who_computes_is_told_apart_and_loses_its_processor(run: Run) -> None:
    """Each that computes is ended by another thread, which could not run otherwise."""
    told: list[threads.Upcall] = []
    stop = False

    async def computes() -> None:
        while not stop:
            pass

    async def stops() -> None:
        nonlocal stop
        stop = True

    def seen() -> list[threads.Upcall]:
        return [one for one in told if one.thread.name == "computes"]

    async def main() -> None:
        nonlocal stop
        threads.upcall("preempted", told.append)
        threads.upcall("blocked", told.append)
        for _ in range(100):  # beside neighbours who take the processors not each is seen for what it is
            stop = False
            async with threads.Group() as group:
                group.spawn(computes, name="computes")
                group.spawn(stops)
            if any(one.verdict is threads.Verdict.COMPUTING for one in seen()):
                return

    run(main, rules=threads.Rules(pin_after=1000, slice=0.01), lwps=1)
    assert any(one.verdict is threads.Verdict.COMPUTING for one in seen()), [str(one) for one in told]
    assert all(one.seconds >= 0.01 for one in seen() if one.event == "preempted")


def test_c_code_without_the_lock_gives_its_processor_away(run: Run) -> None:
    """A digest of much data is made with the interpreter lock released."""
    told: list[threads.Upcall] = []

    async def main() -> None:
        if not threads.scheduler_of().locked:
            pytest.skip("without a lock, C and Python are alike")
        threads.upcall("blocked", told.append)
        threads.upcall("preempted", told.append)
        while not told:  # however late the monitor is on a machine with much to do
            hashlib.sha256(bytes(1 << 26))
            await threads.switch()

    run(main)
    assert all(one.verdict in (threads.Verdict.COMPUTING, threads.Verdict.RELEASED) for one in told)


def test_offenders_are_pinned_and_let_go_again(run: Run) -> None:
    async def offends(improved: threads.Event) -> None:
        me = threads.current()
        while me.home is None:
            time.sleep(0.02)
            await threads.switch()
        was_pinned.append(True)
        while me.home is not None:  # it blocks no more
            await threads.switch()
        improved.set()

    async def main() -> int:
        improved = threads.Event()
        async with threads.Group() as group:
            group.spawn(offends, improved)
            await improved.wait()
        return threads.report().pinned

    was_pinned: list[bool] = []
    assert run(main, rules=threads.Rules(lease=0.05)) >= 1
    assert was_pinned == [True]


def test_nobody_looks_under_other_kinds(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(threads.WrongState, match="nobody looks"):
            threads.upcall("blocked", print)
        assert threads.report().rows() == []

    run(main, kind="hybrid")


def test_what_an_upcall_raises_goes_no_further(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[Any] = []

    def raises(upcall: Any) -> None:
        told.append(upcall)
        raise ValueError("in an upcall")

    async def main() -> None:
        threads.upcall("blocked", raises)
        while not told:
            time.sleep(0.05)
            await threads.switch()

    run(main, rules=PATIENT)
    assert "in an upcall" in capsys.readouterr().err


def test_there_is_no_such_upcall(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(threads.UsageError, match="no upcall"):
            threads.upcall("asleep", print)

    run(main)


def test_spare_lwps_are_used_again(run: Run) -> None:
    async def main() -> int:
        scheduler = threads.scheduler_of()
        most = 0
        for _ in range(10):
            time.sleep(0.005)
            await threads.switch()
            most = max(most, len(scheduler.lwps))
        return most

    assert run(main, rules=PATIENT) <= 4

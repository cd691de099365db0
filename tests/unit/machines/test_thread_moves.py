"""Programs with threads between machines: the kernel's word before the commit, and who is late."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sojourn.errors import Pinned, Unmovable
from sojourn.frames.threads import kernel
from sojourn.machines.python import proc
from sojourn.resources.log import Log

from .conftest import VENVS, machine_in, within
from .moves import hop
from .test_moves import begun, lines

WITHIN = 30.0
READER = """
import os, threading
def reading():
    while os.read(0, 1):
        pass
thread = threading.Thread(target=reading)
thread.start()
os.write(1, b"%d\\n" % thread.native_id)
thread.join()
"""


@contextmanager
def stopped(child: subprocess.Popen[bytes]) -> Iterator[None]:
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        yield
    finally:
        child.send_signal(signal.SIGCONT)


def reads(task: str, native: int, *, after: str = "") -> str:
    """The line of a thread that waits in `read`, and has read something since `after`."""
    end = time.monotonic() + WITHIN
    while not (line := kernel.proof_line(task, native)).startswith("0 ") or line == after:
        assert time.monotonic() < end, line
        time.sleep(0.001)
    return line


def test_a_call_that_has_consumed_something_is_told_from_one_that_waits() -> None:
    child = subprocess.Popen([sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None and child.stdout is not None
    task, native = f"/proc/{child.pid}/task", int(child.stdout.readline())
    line = reads(task, native)
    with stopped(child):
        assert proc.still_wait(child.pid, [(native, line)])
    child.stdin.write(b"x")
    child.stdin.flush()
    later = reads(task, native, after=line)  # it waits in the same call again, in between it has read
    assert later.split()[:4] == line.split()[:4]  # number and arguments; what else is in registers does not matter
    with stopped(child):
        assert not proc.still_wait(child.pid, [(native, line)])
        assert proc.still_wait(child.pid, [(native, later)])
        assert not proc.still_wait(child.pid, [(native, later), (child.pid + 1_000_000, later)])
    child.stdin.close()
    assert child.wait(WITHIN) == 0
    child.stdout.close()


def test_without_the_kernels_word_nothing_is_believed() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait(WITHIN)
    assert proc.still_wait(child.pid, [])
    with pytest.raises(Unmovable, match="does not say"):
        proc.still_wait(child.pid, [(child.pid, "202 0x1")])


RESTLESS = """
import os, threading, time
counts = [0] * 8
held = [list(range(number, number + 10)) for number in range(40_000)]
def restless(number):
    while not os.path.exists("go"):
        time.sleep(0.002 * (number + 1))
        counts[number] += 1
threads = [threading.Thread(target=restless, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
print("ready", flush=True)
for thread in threads:
    thread.join()
print(all(counts), len(held), threading.active_count())
"""


def test_threads_that_wake_up_all_the_time_are_captured_true(state: Path, tmp_path: Path) -> None:
    async def work() -> str:
        async with machine_in(state / "a") as a, machine_in(state / "b") as b:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, VENVS[0], tmp_path, RESTLESS, log)
            await lines(log, b"ready")
            for epoch, (source, target) in enumerate(((a, b), (b, a), (a, b)), 2):
                host, _ = await hop(host, source, target, log, epoch, deadline=WITHIN)
            (tmp_path / "go").touch()
            end = await host.wait()
            assert (end.code, end.signal) == (0, None)
            return log.content().decode()

    assert within(work()).split() == ["ready", "True", "40000", "1"]


LATE = """
import os, threading
def slow(item):
    while not os.path.exists("go"):
        pass
    return item
def sorting():
    print(sorted([3, 1, 2], key=slow), flush=True)
def largest():
    started.wait()
    print(max([3, 1, 2], key=slow), flush=True)
started = threading.Event()
threads = [threading.Thread(target=each) for each in (sorting, largest)]
for thread in threads:
    thread.start()
    started.set()
print("ready", flush=True)
for thread in threads:
    thread.join()
"""


def test_every_thread_that_is_late_is_named(state: Path, tmp_path: Path) -> None:
    async def work() -> str:
        async with machine_in(state / "a") as a:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, VENVS[0], tmp_path, LATE, log)
            await lines(log, b"ready")
            with pytest.raises(Pinned) as caught:
                await host.freeze(deadline=1.0)
            reasons = caught.value.reasons
            assert len(reasons) == 2, reasons
            for words in (("program.py:8", "sorted()"), ("program.py:11", "max()")):
                assert any(all(word in reason for word in words) for reason in reasons), reasons
            (tmp_path / "go").touch()
            end = await host.wait()
            assert (end.code, end.signal) == (0, None)
            return log.content().decode()

    assert sorted(within(work()).split()) == sorted(["ready", "[1,", "2,", "3]", "3"])

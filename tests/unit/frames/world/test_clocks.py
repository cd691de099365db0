"""Clocks over moves between machines that booted at different times: each resume in a time namespace of its own.

Both ways are tried: where the thawed process may enter a time namespace, and where it may not (without CAP_SYS_ADMIN,
as for most users), so that the functions of `time` are changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from frozen_program import SOURCE, survive
from hypothesis import given
from hypothesis import strategies as st

from sojourn.frames.world.clocks import SLACK, shifts

OTHER_BOOT = """
import ctypes, os, sys
sys.path.insert(0, {source!r})
from sojourn._util import kernel
kernel.enter_time({seconds} * 10**9, {seconds} * 10**9)
if {barred}:
    assert ctypes.CDLL(None).prctl(24, 21, 0, 0, 0) == 0  # CAP_SYS_ADMIN out of the bounding set: lost at exec
os.execv(sys.argv[1], sys.argv[1:])
"""


def booted(seconds: int, *, barred: bool) -> Sequence[str]:
    """A machine whose clocks are so far ahead of this one's; `barred`: where nobody may enter a time namespace."""
    text = OTHER_BOOT.format(source=str(SOURCE), seconds=seconds, barred=barred)
    return [sys.executable, "-c", text]


def needs_root() -> None:
    if os.geteuid() != 0 or not Path("/proc/self/timens_offsets").exists():
        pytest.skip("another boot is played by a time namespace, which takes root and a kernel that has them")


PROGRAM = """
import pickle, queue, sys, threading, time
from time import monotonic, process_time_ns
import sched, timeit

names = "monotonic perf_counter process_time thread_time".split()
functions = [getattr(time, name + end) for name in names for end in ("", "_ns")]
clocks = [time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME, time.CLOCK_PROCESS_CPUTIME_ID, time.CLOCK_THREAD_CPUTIME_ID]
kept = list(map(repr, functions))

def reading():
    found = [f() / (1e9 if f.__name__.endswith("_ns") else 1) for f in functions]
    return found + [time.clock_gettime(c) for c in clocks] + [time.clock_gettime_ns(c) / 1e9 for c in clocks]

while process_time_ns() < 6 * 10**8:
    pass
assert all(f.__self__ is time for f in functions), "a process that never moved has the plain functions"
alarms = sched.scheduler()
alarm = alarms.enter(3000, 1, print)
wall = time.time()
for move in range({moves}):
    before = reading()
    freeze()
    after = reading()
    for a, b in zip(before, after, strict=True):
        assert a <= b < a + 60, (move, before, after)
    again = reading()
    assert all(b <= c for b, c in zip(after, again)), "clocks go on"
assert 2900 < alarm.time - alarms.timefunc() <= 3000, "a deadline is as far away as before, but for the moves"
assert 0 <= time.time() - wall < 60, "the wall clock is nobody's to change"
assert list(map(repr, functions)) == kept
assert monotonic is time.monotonic is threading._time and queue.time is monotonic and process_time_ns is functions[5]
assert pickle.loads(pickle.dumps(functions)) == functions
for wrong in (lambda: monotonic(1), lambda: time.clock_gettime(), lambda: time.clock_gettime("x")):
    try:
        wrong()
    except TypeError as error:
        assert "_gettime" in str(error) or "monotonic" in str(error) or "int" in str(error)
    else:
        raise AssertionError
print("done")
"""


@pytest.mark.parametrize("barred", [False, True], ids=["namespace", "functions"])
def test_clocks_go_on_over_boots(tmp_path: Path, barred: bool) -> None:
    needs_root()
    places = [booted(seconds, barred=barred) for seconds in (5_000_000, 3, 80_000)]
    printed = survive(PROGRAM.replace("{moves}", "3"), tmp_path, places=places)
    assert printed.endswith("done\n")


def test_clocks_of_one_boot_stay_plain(tmp_path: Path) -> None:
    survive(
        """
        import time
        before = time.monotonic(), time.process_time()
        freeze()
        assert before[0] <= time.monotonic() and before[1] <= time.process_time()
        assert time.monotonic.__self__ is time and time.perf_counter_ns.__self__ is time
        """,
        tmp_path,
    )


def test_what_waits_in_c_keeps_its_remaining_time(tmp_path: Path) -> None:
    """The rest of a sleep and of a timer, on a machine whose clock is elsewhere."""
    needs_root()
    survive(
        """
        import signal, time, select
        rang = []
        signal.signal(signal.SIGALRM, lambda *_: rang.append(time.monotonic()))
        signal.setitimer(signal.ITIMER_REAL, 1.5)
        began = time.monotonic()
        freeze()
        while not rang:
            select.select([], [], [], 0.05)
        assert 1.4 <= rang[0] - began < 30, rang[0] - began
        """,
        tmp_path,
        places=[booted(1_000_000, barred=False)],
    )


SPAN = st.integers(0, 10**18)


@given(SPAN, SPAN, SPAN, SPAN)
def test_no_clock_ever_goes_back(mono: int, boot: int, mono_here: int, boot_here: int) -> None:
    wanted = {"monotonic": mono, "boottime": boot, "process": 5, "thread": 7}
    now = {"monotonic": mono_here, "boottime": boot_here, "process": 9, "thread": 1}
    found = shifts(wanted, now)
    after = {name: now[name] + found.get(name, 0) for name in now}
    assert all(wanted[name] <= after[name] <= wanted[name] + SLACK for name in now)
    assert (after["process"], after["thread"]) == (5, 7)

"""Threads brought to rest, captured, and made again; each program in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from sojourn.frames.incall import blocking_call
from sojourn.frames.memory import Memory
from sojourn.frames.record import Stack
from sojourn.frames.sites import Elsewhere
from sojourn.frames.threads import kernel, parking, states
from sojourn.frames.threads.gathering import Gathering
from sojourn.frames.threads.parking import Parking

pytestmark = pytest.mark.skipif(
    len(sys._current_frames()) > 1,
    reason="this process has another thread already (a pytest worker's); tests/unit/test_other_versions.py runs them",
)
WITHIN = 30.0


def until(condition: Any) -> None:
    """Wait for what other threads do."""
    end = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.001)


@contextmanager
def running(*functions: Any) -> Iterator[list[threading.Thread]]:
    """Threads that run these, which return when told to stop."""
    made = [threading.Thread(target=each, daemon=True) for each in functions]
    for each in made:
        each.start()
    try:
        yield made
    finally:
        STOP.set()
        for each in made:
            each.join(WITHIN)
        STOP.clear()
        assert not any(each.is_alive() for each in made)


STOP = threading.Event()


def computing() -> None:
    number = 0
    while not STOP.is_set():
        number = max(number, len("abc") + number % 3)


def sorting() -> None:
    def key(number: int) -> int:
        return -number

    while not STOP.is_set():
        sorted(range(300), key=key)


def waiting() -> None:
    STOP.wait()


def sleeping() -> None:
    while not STOP.is_set():
        time.sleep(0.05)


def gathered(gathering: Gathering) -> Stack:
    """All other threads; tried again as a node would."""
    stack, end = Stack(), time.monotonic() + WITHIN
    while True:
        try:
            gathering.gather(sys._getframe())
            gathering.join(stack)
            return stack
        except Elsewhere as late:
            assert time.monotonic() < end, late
            time.sleep(0.01)


def is_blocked(thread: threading.Thread) -> bool:
    frame: FrameType | None = sys._current_frames().get(thread.ident or 0)
    if frame is None or thread.native_id is None:
        return False
    found, call = blocking_call(frame), kernel.look(thread.native_id)
    if found is None or call is None:
        return False
    with Memory() as memory:
        return kernel.waits_in(call, found.kind, found.receiver, memory)


def names(stack: Stack) -> list[str]:
    return [each.records[-1].name for each in stack.threads]


def test_without_other_threads_there_is_nothing_to_do() -> None:
    gathering = Gathering()
    gathering.gather(sys._getframe())
    stack = Stack()
    gathering.join(stack)
    assert stack.threads == [] and gathering.proof == [] and gathering.holds()


def test_threads_that_compute_stand_still_and_go_on() -> None:
    counted = [0]

    def counting() -> None:
        while not STOP.is_set():
            counted[0] += 1

    with running(counting, computing, sorting):
        gathering = Gathering()
        try:
            stack = gathered(gathering)
            assert len(stack.threads) == 3
            assert {"counting", "computing"} <= {r.name for t in stack.threads for r in t.records}
            before = counted[0]
            time.sleep(0.2)
            assert counted[0] == before
        finally:
            gathering.release()
        until(lambda: counted[0] > before)


def test_many_that_wait_do_not_keep_those_that_compute_from_coming_to_rest() -> None:
    with running(*[computing] * 3, *[waiting] * 60):
        gathering = Gathering()
        try:
            assert len(gathered(gathering).threads) == 63
        finally:
            gathering.release()


def test_nothing_remains_installed() -> None:
    with running(computing, waiting) as made:
        for _ in range(5):
            gathering = Gathering()
            gathered(gathering)
            gathering.release()
        frames = sys._current_frames()
        assert [frames[each.ident or 0].f_trace for each in made] == [None, None]
        assert not any(frames[each.ident or 0].f_trace_opcodes for each in made)
        monitoring = getattr(sys, "monitoring", None)
        assert monitoring is None or not any(monitoring.get_tool(tool) == "sojourn" for tool in range(6))


def test_a_thread_that_waits_is_proven_to_wait() -> None:
    with running(waiting) as (thread,):
        until(lambda: is_blocked(thread))
        gathering = Gathering()
        try:
            stack = gathered(gathering)
            assert names(stack)[0] == "wait"
            ((native, line),) = gathering.proof
            assert native == thread.native_id and line.startswith("202 ")
            assert gathering.holds()
            STOP.set()  # it is woken up: what was captured is not true any more
            until(lambda: kernel.proof_line("/proc/self/task", native) != line)
            assert not gathering.holds()
        finally:
            gathering.release()


def test_a_lock_that_was_given_meanwhile_is_not_waited_for() -> None:
    """The thread is behind its call, with the lock in hand, and waits for the interpreter only."""
    lock = threading.Lock()
    lock.acquire()

    def taking() -> None:
        with lock:
            STOP.wait()

    with running(taking) as (thread,):
        until(lambda: is_blocked(thread))
        gathering = Gathering()
        interval = sys.getswitchinterval()
        sys.setswitchinterval(100)
        try:
            lock.release()  # from here on it has the lock, or will have it, and cannot run
            sys.setswitchinterval(interval)
            stack = gathered(gathering)
            assert lock.locked()
            assert names(stack) == ["wait"] or gathering.proof == []  # on its way, or parked; not in `acquire`
        finally:
            sys.setswitchinterval(interval)
            gathering.release()


def test_sleepers_that_wake_up_all_the_time_are_caught() -> None:
    with running(*[sleeping] * 8):
        gathering = Gathering()
        for _ in range(20):
            stack = gathered(gathering)
            assert len(stack.threads) == 8
            good = gathering.holds()
            gathering.release()
            if good:
                break
        else:
            pytest.fail("they woke up each time")


def test_who_does_not_come_to_rest_is_named_and_the_others_go_on() -> None:
    reading, writing = os.pipe()
    counted = [0]

    def counting() -> None:
        while not STOP.is_set():
            counted[0] += 1

    def stuck() -> None:
        with open(reading, "rb", closefd=False) as pipe:
            pipe.read(100)

    with running(stuck, counting) as (thread, _):
        until(lambda: thread.native_id and (call := kernel.look(thread.native_id)) and call.number == 0)
        gathering = Gathering()
        with pytest.raises(Elsewhere) as late:
            gathering.gather(sys._getframe())
        described = [pin.describe() for pin in late.value.pins]
        assert any("in test_who" in each and "stuck" in each and "BufferedReader.read" in each for each in described), (
            described
        )
        assert all(f"{Path(__file__).name}:" in each for each in described)
        before = counted[0]
        until(lambda: counted[0] > before)
        gathering.release()
        os.write(writing, bytes(100))
    os.close(reading)
    os.close(writing)


class Hesitant(Parking):
    """Its threads are interrupted right after they have seen that they may go on by themselves."""

    kept = property(lambda self: self.shut or self.hesitate(), lambda self, shut: setattr(self, "shut", shut))

    def __init__(self) -> None:
        self.shut = False
        self.reading, self.writing = os.pipe()
        self.hesitates = threading.Event()
        super().__init__()

    def hesitate(self) -> bool:
        self.hesitates.set()
        os.read(self.reading, 1)
        return False


def test_who_is_about_to_go_on_by_itself_does_not_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "HOLD", 0.001)
    counted = [0]

    def counting() -> None:
        while not STOP.is_set():
            counted[0] += 1

    with running(counting) as (thread,):
        gathering, hesitant = Gathering(), Hesitant()
        gathering._parking = hesitant
        (state,) = states.others()
        hesitant.arm(state, sys._current_frames()[state.ident])
        assert hesitant.hesitates.wait(WITHIN)
        with pytest.raises(Elsewhere):
            gathering.gather(sys._getframe())
        os.write(hesitant.writing, bytes(1000))  # nobody hesitates any more
        before = counted[0]
        until(lambda: counted[0] > before)
        assert len(gathered(gathering).threads) == 1 and thread.is_alive()
        gathering.release()
    os.close(hesitant.reading)
    os.close(hesitant.writing)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="an event is of a frame here: who has just come does not park")
def test_who_comes_while_the_kernel_is_asked_is_not_forgotten() -> None:
    made: list[threading.Thread] = []

    class Crowded(Parking):
        def stands(self, state: states.State, memory: Memory) -> bool:
            if not made:
                made.append(threading.Thread(target=computing, daemon=True))
                made[0].start()
                until(lambda: "computing" in names_of(made[0]))
            return super().stands(state, memory)

    with running(computing):
        gathering = Gathering()
        gathering._parking = Crowded()
        try:
            assert len(gathered(gathering).threads) == 2
        finally:
            gathering.release()
            STOP.set()
            made[0].join(WITHIN)


def names_of(thread: threading.Thread) -> set[str]:
    """Of the functions that it is in."""
    frame, found = sys._current_frames().get(thread.ident or 0), set[str]()
    while frame is not None:
        found.add(frame.f_code.co_name)
        frame = frame.f_back
    return found


def test_while_one_is_held_nobody_else_is_stopped() -> None:
    reading, writing = os.pipe()

    def stuck() -> None:
        with open(reading, "rb", closefd=False) as pipe:
            pipe.read(100)
        STOP.wait()

    with running(stuck, computing) as (thread, other):
        until(lambda: thread.native_id and (call := kernel.look(thread.native_id)) and call.number == 0)
        gathering = Gathering()
        with pytest.raises(Elsewhere):
            gathering.gather(sys._getframe())
        for _ in range(20):  # nobody is armed again, let alone stopped
            with pytest.raises(Elsewhere) as late:
                gathering.gather(sys._getframe())
            assert [pin.frame.f_code.co_name for pin in late.value.pins] == ["stuck"]
            assert gathering._parking is not None and set(gathering._parking._armed) == {thread.ident}
        os.write(writing, bytes(100))
        assert len(gathered(gathering).threads) == 2 and other.is_alive()
        gathering.release()
    os.close(reading)
    os.close(writing)


def test_what_a_thread_handles_and_keeps_is_its_own() -> None:
    local = threading.local()
    local.word = "main"
    kept: list[int] = []

    def handling() -> None:
        local.word = "its own"
        kept.append(threading.get_ident())
        try:
            raise KeyError("handled")
        except KeyError:
            STOP.wait()

    with running(handling) as (thread,):
        until(lambda: is_blocked(thread))
        assert repr(states.handled()[kept[0]]) == "KeyError('handled')"
        assert states.local_dicts(local) == [(kept[0], {"word": "its own"})]
        assert [each.native for each in states.others()] == [thread.native_id]


def test_an_image_that_lies_about_its_threads_is_refused(tmp_path: Path) -> None:
    script = """
        from sojourn.errors import BadImage
        from sojourn.frames import api
        for rows in (7, [7], [{"daemon": 1, "joined": True}], [{}] * 20_000):
            try:
                api._thread_rows(rows)
            except BadImage:
                continue
            raise SystemExit(f"{rows!r} was believed")
        """
    source = Path(__file__).resolve().parents[3] / "src"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env={**os.environ, "PYTHONPATH": str(source)}, check=False
    )
    assert done.returncode == 0

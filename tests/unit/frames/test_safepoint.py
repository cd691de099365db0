"""The trigger: exact boundaries, pins that move outward, blocking calls, and nothing left behind."""

from __future__ import annotations

import _imp
import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from types import FrameType
from typing import Any

import pytest

from sojourn._util import interrupts
from sojourn.frames.boundary import Pin
from sojourn.frames.capture import Mode, capture_stack
from sojourn.frames.layout import VERSION
from sojourn.frames.record import Stack
from sojourn.frames.resume import build
from sojourn.frames.safepoint import SIGNAL, SafePoint, displaced_by
from sojourn.frames.sites import Elsewhere


class Late(SafePoint):
    """A signal comes between an event and what is done at it, and its handler takes the request back."""

    def _attempt(self, frame: FrameType, mode: Mode) -> None:
        self.cancel()
        super()._attempt(frame, mode)


class Driver:
    """A handler like the host's, and a program run under it."""

    def __init__(self) -> None:
        self.point = SafePoint()
        self.base: FrameType | None = None
        self.stacks: list[tuple[Mode, Stack]] = []
        self.pins: list[str] = []
        self.taps = 0
        self.until = 1

    def handler(self, number: int, frame: FrameType | None) -> None:
        assert frame is not None
        self.taps += 1
        if self.point.active:
            self.point.retap(frame)
        elif len(self.stacks) < self.until:
            self.point.request(self.callback, frame)
        if pinned := self.point.pinned():
            self.pins.append(pinned)
        self.point.keep_pausing(frame)

    def callback(self, frame: FrameType, mode: Mode) -> bool:
        self.stacks.append((mode, capture_stack(frame, base=self.base, mode=mode, waited=self.point.waited)))
        return True

    def run(self, program: Callable[..., Any], *args: Any) -> Any:
        self.base = sys._getframe()
        return program(*args)

    def resume(self) -> Any:
        return build(self.stacks[-1][1].records)()


class HeldElsewhere(Driver):
    """Other threads hold it back, for as long as `held` says."""

    held, attempts = True, 0

    def callback(self, frame: FrameType, mode: Mode) -> bool:
        self.attempts += 1
        if self.held:
            raise Elsewhere([Pin(frame, "it runs")])
        return super().callback(frame, mode)


def test_while_other_threads_hold_it_back_the_program_is_tried_once_for_each_signal() -> None:
    driver = HeldElsewhere()
    former = signal.signal(SIGNAL, driver.handler)

    def program() -> int:
        total = number = 0
        while number < 999:
            number += 1
            total += number
            if number in (200, 400, 600):
                driver.held = number < 600
                tap()
        return total

    try:
        assert driver.run(program) == 499_500
    finally:
        signal.signal(SIGNAL, former)
    assert driver.attempts == 3
    assert [mode for mode, _ in driver.stacks] == ["exact"] and driver.resume() == 499_500
    assert not driver.point.active


@pytest.fixture
def driver() -> Iterator[Driver]:
    made = Driver()
    former = signal.signal(SIGNAL, made.handler)
    yield made
    made.point.cancel()
    signal.signal(SIGNAL, former)
    assert made.point.failure is None


tap = partial(signal.raise_signal, SIGNAL)  # no frame of its own


class Taps:
    """A child that sends the signal again and again until it is told to stop."""

    def __init__(self, every: float = 0.005, number: int = SIGNAL) -> None:
        self._reading, self._writing = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self._writing)
                while not select.select([self._reading], [], [], every)[0]:
                    os.kill(parent, number)
            finally:
                os._exit(0)
        os.close(self._reading)

    def __enter__(self) -> Taps:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._writing)
        os.waitpid(self.pid, 0)


def nothing_is_installed() -> None:
    if VERSION >= (3, 12):
        assert "sojourn" not in [sys.monitoring.get_tool(tool) for tool in range(6)]


def test_a_loop_is_captured_where_it_stands(driver: Driver) -> None:
    def loop(n: int) -> int:
        total = i = 0
        while i < n:
            i += 1
            total += i
            if i == 50:
                tap()
        return total

    assert driver.run(loop, 100) == 5050
    (mode, stack), = driver.stacks
    assert mode == "exact" and [r.name for r in stack.records] == ["loop"]
    assert driver.resume() == 5050
    nothing_is_installed()


def test_where_an_exception_for_a_thread_was_taken_back(driver: Driver) -> None:
    """CPython keeps looking for it. A traced function of 3.11 would do nothing else."""
    try:
        ctypes.pythonapi["PyThreadState_SetAsyncExc"](ctypes.c_ulong(threading.get_ident()), None)
        assert driver.run(lambda: (tap(), [i + 1 for i in range(3)])) == (None, [1, 2, 3])
    finally:
        interrupts.settle()  # on 3.12 the flag is still up
    assert driver.stacks


def test_an_import_is_waited_out_whoever_began_it(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        @property
        def find_spec(self) -> Callable[..., None]:
            held.append(_imp.lock_held())
            tap()
            return lambda *_: None

    def finds() -> bool:
        return find_spec("sojourn_nowhere") is None

    held: list[bool] = []
    monkeypatch.setattr(sys, "meta_path", [Finder()])
    assert driver.run(finds)
    (mode, stack), = driver.stacks
    assert held == [True]  # an import would not go on where it is not
    assert mode == "exact" and "_find_spec" not in [r.name for r in stack.records]


def test_a_pin_moves_the_event_outward(driver: Driver) -> None:
    def key(n: int) -> int:
        if n == 3:
            tap()
        return -n

    def sorts() -> list[int]:
        return sorted(range(6), key=key)

    assert driver.run(sorts) == [5, 4, 3, 2, 1, 0]
    (mode, stack), = driver.stacks
    assert mode == "exact" and [r.name for r in stack.records] == ["sorts"]
    assert driver.resume() == [5, 4, 3, 2, 1, 0]


def test_a_pin_names_frame_line_and_callable(driver: Driver) -> None:
    def key(n: int) -> int:
        tap()
        return n + 0

    def sorts() -> list[int]:
        return sorted([2, 1], key=key)

    driver.run(sorts)
    line = sorts.__code__.co_firstlineno + 1
    assert any(f"test_safepoint.py:{line} in " in pin and pin.endswith("held by sorted()") for pin in driver.pins)
    assert driver.point.pinned() is None


def test_a_class_body_is_a_pin(driver: Driver) -> None:
    def defines() -> type:
        class Body:
            tap()
            inside = 1

        return Body

    assert driver.run(defines).inside == 1
    assert [r.name for r in driver.stacks[0][1].records] == ["defines"]


def test_a_wait_for_input_is_captured_and_waits_again(driver: Driver) -> None:
    reading, writing = os.pipe()

    def reads() -> bytes:
        return os.read(reading, 1)

    def feed(number: int, frame: FrameType | None) -> None:
        if any(mode == "reexecute" for mode, _ in driver.stacks):
            driver.until = 0
            os.write(writing, b"xy")
            signal.setitimer(signal.ITIMER_REAL, 0)

    driver.until = sys.maxsize  # the first may come before the read is begun
    former = signal.signal(signal.SIGALRM, feed)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        with Taps():
            assert driver.run(reads) == b"x"
    finally:
        signal.signal(signal.SIGALRM, former)
    stack = next(stack for mode, stack in driver.stacks if mode == "reexecute")
    assert build(stack.records)() == b"y"


def test_a_read_that_may_have_read_a_part_is_named(driver: Driver) -> None:
    reading, writing = os.pipe()
    file = open(reading, "rb")  # noqa: SIM115

    def reads() -> bytes:
        return file.read(2)

    def feed(number: int, frame: FrameType | None) -> None:
        if named():
            os.write(writing, b"xy")
            signal.setitimer(signal.ITIMER_REAL, 0)

    def named() -> bool:
        return any(pin.endswith("of which it may have read a part, in BufferedReader.read()") for pin in driver.pins)

    driver.until = sys.maxsize  # the first may come before the read is begun
    former = signal.signal(signal.SIGALRM, feed)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        with Taps():
            assert driver.run(reads) == b"xy"
    finally:
        signal.signal(signal.SIGALRM, former)
        file.close()
    assert named()
    assert driver.stacks[0][0] == "exact"


def test_a_sleep_is_captured_and_sleeps_the_rest(driver: Driver) -> None:
    def sleeps() -> str:
        time.sleep(0.4)
        return "awake"

    with Taps(0.1):
        assert driver.run(sleeps) == "awake"
    assert driver.stacks[0][0] == "reexecute"
    start = time.monotonic()
    left = driver.stacks[0][1].records[-1].values[-1]
    assert 0.2 < left < 0.32
    assert driver.resume() == "awake"
    assert time.monotonic() - start >= left - 0.001


def _selects() -> str:
    select.select([], [], [], 0.6)
    return "awake"


def _locks() -> str:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(True, 0.6)
    return "awake"


@pytest.mark.parametrize("program", [_selects, _locks])
def test_a_wait_is_captured_with_the_rest_of_its_timeout(driver: Driver, program: Callable[[], str]) -> None:
    with Taps(0.3):
        assert driver.run(program) == "awake"
    assert driver.stacks[0][0] == "reexecute"
    left = next(value for value in driver.stacks[0][1].records[-1].values if type(value) is float)
    assert 0 <= left <= 0.31, "not the whole timeout again"
    assert driver.resume() == "awake"


def test_a_pause_goes_on_until_another_signal(driver: Driver) -> None:
    seen: list[int] = []
    ended: list[int] = []  # how many had been seen when it did

    def pauses() -> None:
        while driver.taps < 3 or not ended:
            signal.pause()
            ended.append(len(seen))

    former = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    try:
        with Taps(0.01):
            signal.setitimer(signal.ITIMER_REAL, 0.15, 0.05)  # one that comes right behind ours does not end it
            driver.run(pauses)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert all(now > before for before, now in zip([0, *ended], ended, strict=False))
    mode, stack = driver.stacks[0]
    assert mode == "reexecute" and [r.name for r in stack.records] == ["pauses"]
    assert signal.set_wakeup_fd(-1) == -1


def test_a_handlers_exception_ends_a_pause(driver: Driver) -> None:
    class Stop(Exception):
        pass

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stop

    def pauses() -> None:
        signal.pause()

    former = signal.signal(signal.SIGALRM, stop)
    try:
        with Taps(0.01), pytest.raises(Stop):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            driver.run(pauses)
    finally:
        signal.signal(signal.SIGALRM, former)


def test_an_armed_frame_that_ends_is_replaced(driver: Driver) -> None:
    refused: list[str] = []

    def callback(frame: FrameType, mode: Mode) -> bool:
        if frame.f_code.co_name == "short":
            refused.append(frame.f_code.co_name)
            return False
        return driver.callback(frame, mode)

    def short() -> None:
        driver.point.request(callback, sys._getframe())

    def long() -> int:
        short()
        tap()
        return 5

    assert driver.run(long) == 5
    assert refused
    assert [r.name for r in driver.stacks[0][1].records] == ["long"]


def test_cancel_leaves_the_programs_tracing_as_it_was(driver: Driver) -> None:
    events: list[tuple[str, int]] = []

    def tracer(frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_name in ("traced", "inner"):
            events.append((event, frame.f_lineno - frame.f_code.co_firstlineno))
        return tracer

    def inner() -> int:
        return 1

    def traced(ask: bool) -> tuple[Any, ...]:
        frame = sys._getframe()
        if ask:
            driver.point.request(driver.callback, frame)
        total = inner()
        total += inner()
        return total, frame.f_trace, frame.f_trace_lines, frame.f_trace_opcodes

    former = sys.gettrace()
    sys.settrace(tracer)
    try:
        first = driver.run(traced, False)
        plain = [each for each in events if each[1] != 3]
        events.clear()
        second = driver.run(traced, True)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(former)
    assert first == second
    assert [each for each in events if each[1] != 3] == plain
    assert len(driver.stacks) == 1


def test_no_trace_function_is_seen_while_one_waits(driver: Driver) -> None:
    def key(n: int) -> int:
        if not seen:
            tap()
        seen.append(sys.gettrace())
        return -n

    def sorts() -> list[int]:
        return sorted(range(6), key=key)

    seen: list[Any] = []
    former = sys.gettrace()
    assert driver.run(sorts) == [5, 4, 3, 2, 1, 0]
    assert seen == [former] * 6
    assert [r.name for r in driver.stacks[0][1].records] == ["sorts"]
    assert sys.gettrace() is former


def test_a_trace_function_that_is_put_back_disturbs_nothing(driver: Driver) -> None:
    """As `doctest.run` does: what it has saved is what it sets."""

    def key(n: int) -> int:
        if n == 0:
            tap()
        saved = sys.gettrace()
        sys.settrace(lambda *_: None)
        sys.settrace(saved)
        if n:
            tap()
        return -n

    def sorts() -> list[int]:
        return sorted(range(6), key=key)

    former = sys.gettrace()
    assert driver.run(sorts) == [5, 4, 3, 2, 1, 0]
    assert [r.name for r in driver.stacks[0][1].records] == ["sorts"]
    assert sys.gettrace() is former


@pytest.mark.skipif(VERSION >= (3, 12), reason="sys.monitoring has room for both")
def test_a_tracer_made_in_c_is_a_pin_by_name(driver: Driver) -> None:
    class Tracer:
        def __call__(self, *args: Any) -> None:
            return None

    former = sys.gettrace()
    sys.settrace(Tracer())
    try:
        with pytest.raises(Pin, match="Tracer"):
            driver.point.request(driver.callback, sys._getframe())
    finally:
        sys.settrace(former)
    assert not driver.point.active


@pytest.mark.skipif(VERSION < (3, 12), reason="there is no sys.monitoring")
def test_no_free_tool_is_a_pin_by_name(driver: Driver) -> None:
    taken = [tool for tool in range(6) if sys.monitoring.get_tool(tool) is None]
    for tool in taken:
        sys.monitoring.use_tool_id(tool, f"tool {tool}")
    try:
        with pytest.raises(Pin, match="tool 4"):
            driver.point.request(driver.callback, sys._getframe())
    finally:
        for tool in taken:
            sys.monitoring.free_tool_id(tool)
    assert not driver.point.active


def test_what_the_callback_raises_is_kept_and_disarms(driver: Driver) -> None:
    def fails(frame: FrameType, mode: Mode) -> bool:
        raise RuntimeError("ours")

    def program() -> int:
        driver.point.request(fails, sys._getframe())
        return 1 + 1

    assert driver.run(program) == 2
    assert not driver.point.active
    assert isinstance(driver.point.failure, RuntimeError)
    driver.point.failure = None
    nothing_is_installed()


def test_the_exception_in_flight_is_the_programs(driver: Driver) -> None:
    def handles() -> tuple[str, str]:
        try:
            raise KeyError("k")
        except KeyError:
            tap()
            return repr(sys.exc_info()[1]), "end"

    assert driver.run(handles) == driver.resume() == ("KeyError('k')", "end")


def test_a_frozen_stack_can_be_frozen_again_many_times(driver: Driver) -> None:
    driver.until = 10

    def produce() -> Iterator[int]:
        for i in range(30):
            tap()
            yield i

    def program() -> int:
        total = 0
        for i in produce():
            total += i
        return total

    expected = driver.run(program)
    assert expected == 435
    while len(driver.stacks) < 10:
        driver.run(program)
    assert {mode for mode, _ in driver.stacks} == {"exact"}


def test_another_handler_in_our_place_is_noticed(driver: Driver) -> None:
    def other(number: int, frame: FrameType | None) -> None:
        pass

    assert displaced_by(signal.getsignal(SIGNAL)) is None
    mine = signal.getsignal(SIGNAL)
    signal.signal(SIGNAL, other)
    assert "other" in (displaced_by(mine) or "")
    signal.signal(SIGNAL, mine)


def test_a_request_that_is_taken_back_at_its_event_leaves_the_program_alone(driver: Driver) -> None:
    driver.point = point = Late()

    def program() -> list[int]:
        os.kill(os.getpid(), SIGNAL)
        return [number * number for number in range(50)]

    assert driver.run(program) == [number * number for number in range(50)]
    assert driver.taps == 1 and not driver.stacks and not point.active and point.failure is None

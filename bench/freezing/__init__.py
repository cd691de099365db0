"""How long it takes from the request to freeze a program to its captured stack, with all threads at rest.

Programs: the ten of `bench/programs`, and those of `tests/programs` that need nothing but the standard library; with
their environment made (`python -m tests.programs.environment`), every benchmark of pyperformance that moves, too. Each
runs in a process of its own (`host`) and is asked at random instants; in turn with that, it is sent a signal that a
plain handler of Python's answers. That is the floor: no handler runs before the interpreter comes to it. What a C
function holds back is counted apart, and named.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import track

from bench.figure import Figure, median, percentile
from tests.programs import environment
from tests.programs.catalog import PROGRAMS as CATALOG
from tests.programs.catalog import PYPERFORMANCE, SCRIPTS, SHIM, STDLIB
from tests.versions import OWN as OWN_VERSION

ROOT = Path(__file__).parents[2]
OWN = Path(__file__).parent / "programs"
TAP = 0.02  # seconds, as a node sends its signal again
GAP = 0.03  # the longest time between two requests
WITHIN = 60.0
MS = 1e6  # nanoseconds
CROWDS = ((100, 0), (90, 10), (80, 20))


class Guest:
    """A program under `host`."""

    def __init__(self, program: Path, *arguments: str, python: str = sys.executable) -> None:
        asked, self._commands = os.pipe()
        self._answers, told = os.pipe()
        self.batches, batches = os.pipe()
        host = [python, str(Path(__file__).parent / "host.py"), str(asked), str(told)]
        self._process = subprocess.Popen(
            [*host, str(program), *arguments], pass_fds=(asked, told, batches), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "ROUNDS": "1000000000", "BATCHES": str(batches), "PYTHONDONTWRITEBYTECODE": "1",
                 "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(SHIM)))},
        )  # fmt: skip
        for fd in (asked, told, batches):
            os.close(fd)
        self._lines = os.fdopen(self._answers)
        self.answer(WITHIN)

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._lines.close()
        os.close(self._commands)
        os.close(self.batches)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """What it says in that time; None if nothing."""
        if not select.select([self._lines], [], [], seconds)[0]:
            return None
        line = self._lines.readline()
        if not line:
            raise EOFError(f"it has ended with {self._process.wait()}")
        return json.loads(line)

    def ask(self, command: bytes) -> None:
        os.write(self._commands, command)
        self.signal(signal.SIGURG)

    def frozen(self) -> dict[str, Any]:
        """One request, and what came of it; `took` is the time from the one to the other."""
        began = time.monotonic_ns()
        self.ask(b"f")
        answer = self.insist()
        return {**answer, "took": answer["at"] - began}

    def insist(self) -> dict[str, Any]:
        """The answer, for which the signal is sent again and again."""
        end = time.monotonic() + WITHIN
        while (answer := self.answer(TAP)) is None:
            self.signal(signal.SIGURG)
            if time.monotonic() > end:
                raise TimeoutError("it does not come to a safe point")
        return answer

    def plain(self) -> int:
        """The time from a signal to its plain handler."""
        began = time.monotonic_ns()
        self.signal(signal.SIGUSR2)
        answer = self.answer(WITHIN)
        if answer is None:
            raise TimeoutError("no handler runs")
        return answer["at"] - began


def programs() -> list[tuple[str, str, Path, tuple[str, ...]]]:
    """(name, interpreter, path, arguments)."""
    found: list[tuple[str, str, Path, tuple[str, ...]]]
    found = [(path.stem, sys.executable, path, ()) for path in sorted((ROOT / "bench" / "programs").glob("*.py"))]
    made = ROOT / f".venv-programs-{OWN_VERSION}"
    python = str(made / "bin" / "python")
    for each in CATALOG:
        if each.module or each.stays:
            continue
        if each.kind == STDLIB:
            found.append((each.name, sys.executable, SCRIPTS / f"{each.script}.py", each.args))
        elif each.kind == PYPERFORMANCE and (made / ".ready").exists():
            path = environment.benchmarks(python) / f"bm_{each.script}" / "run_benchmark.py"
            found.append((each.name, python, path, each.args))
    return found


def measure(console: Console, *, requests: int, crowds: int, seconds: float) -> list[Figure]:
    return [*latency(console, requests), *parking(console, crowds), *pending(console, seconds)]


def latency(console: Console, requests: int) -> list[Figure]:
    choose = random.Random(1)
    plain: list[float] = []
    free: list[float] = []
    held: list[float] = []
    holders: Counter[str] = Counter()
    chosen = programs()
    for name, python, path, arguments in track(chosen, description="freezing", console=console, transient=True):
        try:
            with Guest(path, *arguments, python=python) as guest:
                for _ in range(requests):
                    time.sleep(choose.uniform(0, GAP))
                    plain.append(guest.plain() / MS)
                    time.sleep(choose.uniform(0, GAP))
                    got = guest.frozen()
                    (held if got["pins"] else free).append(got["took"] / MS)
                    holders.update([f"{name}: {_what(got['pins'][0])}"] if got["pins"] else [])
        except (EOFError, TimeoutError) as why:
            console.log(f"freezing: {name} is left out: {why}")
    for holder, count in holders.most_common(12):
        console.log(f"freezing: {count} of {requests} requests were held by {holder}")
    figures = _both("request to safe point", free, plain, "a plain handler", 10)
    if held:
        figures += _both("the same, held by a C function", held, plain, "a plain handler", None)
    return figures


def _what(pin: str) -> str:
    return pin.rsplit("/", 1)[-1]


def _both(
    name: str, values: Sequence[float], floors: Sequence[float], floor_is: str, most: float | None
) -> list[Figure]:
    """p50 and p99; the promise is of the latter."""
    promise, p99 = "" if most is None else f"under {most} ms", percentile(values, 99)
    kept = None if most is None else p99 < most
    return [
        Figure(f"{name}, p50", percentile(values, 50), "ms", percentile(floors, 50), floor_is, "", None, len(values)),
        Figure(f"{name}, p99", p99, "ms", percentile(floors, 99), floor_is, promise, kept, len(values)),
    ]


def parking(console: Console, rounds: int) -> list[Figure]:
    """Threads brought to rest and captured, from the safe point of the main thread on."""
    figures: list[Figure] = []
    for waiting, computing in CROWDS:
        console.log(f"freezing: {waiting} threads that wait, {computing} that compute")
        took, floors = list[float](), list[float]()
        with Guest(OWN / "crowd.py", str(waiting), str(computing)) as guest:
            while guest.frozen()["threads"] < waiting + computing:
                time.sleep(GAP)
            for _ in range(rounds):
                time.sleep(GAP)
                got = guest.frozen()
                took.append(got["gathering"] / MS)
                floors.append(got["floor"] / MS)
        name, value = f"parking {waiting} threads that wait and {computing} that compute", median(took)
        floor_is = "asking the kernel twice for each"
        figures.append(Figure(name, value, "ms", median(floors), floor_is, "under 50 ms", value < 50, rounds))
    return figures


def pending(console: Console, seconds: float) -> list[Figure]:
    """Batches of a program's work while a freeze is pending, against those while none is."""
    console.log("freezing: how slow a program is meanwhile")
    pinned = _batches(OWN / "pinned.py", seconds, lambda began, ended, used: used)
    held = _batches(OWN / "held.py", seconds, lambda began, ended, used: ended - began)
    return [
        Figure(name, median(slow) / MS, "ms", median(fast) / MS, "the same without", "at most 1.05", kept, len(slow))
        for name, (fast, slow) in (
            ("while a freeze waits for a C function, a batch of calls, processor time", pinned),
            ("while a freeze waits for another thread, a batch of work", held),
        )
        for kept in (median(slow) <= 1.05 * median(fast),)
    ]


def _batches(
    program: Path, seconds: float, of: Callable[[int, int, int], float]
) -> tuple[list[float], list[float]]:
    """What batches took without and with a freeze that is pending, in turns of half a second."""
    spans: list[tuple[int, int, bool]] = []
    found: tuple[list[float], list[float]] = [], []
    said = bytearray()
    with Guest(program) as guest:
        reader = threading.Thread(target=_collect, args=(os.dup(guest.batches), said))
        reader.start()
        time.sleep(0.5)
        for turn in range(max(2, int(seconds / 0.5))):
            began, wanted = time.monotonic_ns(), bool(turn % 2)
            if wanted:
                guest.ask(b"f")
            while time.monotonic_ns() - began < 0.5e9:
                time.sleep(TAP)
                if wanted:
                    guest.signal(signal.SIGURG)
            spans.append((began + 50_000_000, time.monotonic_ns(), wanted))
            if wanted:
                guest.ask(b"c")
                answer = guest.insist()
                if "threads" in answer:
                    raise TimeoutError(f"{program.name} was not held: {answer}")
    reader.join()
    for line in said.decode().splitlines():
        began, ended, used = map(int, line.split())
        for first, last, wanted in spans:
            if first < began and ended < last:
                found[wanted].append(of(began, ended, used))
    return found


def _collect(fd: int, into: bytearray) -> None:
    with os.fdopen(fd, "rb") as pipe:
        while part := pipe.read1():
            into += part

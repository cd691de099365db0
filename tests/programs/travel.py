"""One program, moved until it has been moved often enough, and compared with a plain run of the same length.

It repeats its work until it is told that it was moved often enough, or long enough (`shim/rounds.py`); what ends before
is run again. The instants are random.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from sojourn.client import MoveReport, Process
from sojourn.testing import LocalCluster, Operator, Outcome, Scenario, wandering

from . import environment
from .catalog import PYPERFORMANCE, SCRIPTS, SHIM, Program

LONGEST = 60.0  # seconds, after which it is not moved again; a plain run is to be as long
MOST_RUNS = 4
PAUSE = 0.12  # the longest time between two moves
_VOLATILE = re.compile(
    rb"/\S*sojourn-run-\w+|\d+\.\d+(?: ?[mun]?s\b|sec| usec| msec)|0x[0-9a-f]+|\d+\.\d{3,}s|best of \d+: \S+ \w+"
)


@dataclass
class Trip:
    """What came of it."""

    program: Program
    moves: int = 0
    runs: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])
    failed: str = ""  # what its plain run ends with, if that is an error; or why it could not be moved at all

    @property
    def unexplained(self) -> list[str]:
        """Refusals that the catalog does not know."""
        known = self.program.refused
        return [why for why in self.refused if not (known and re.search(known, why))]


def scenario_of(program: Program, python: str, **rounds: str) -> Scenario:
    """`rounds` are the variables that say how often it repeats its work."""
    path, arguments = None, program.args
    if program.kind == PYPERFORMANCE:
        path = environment.benchmarks(python) / f"bm_{program.script}" / "run_benchmark.py"
    elif program.module and program.repeats:
        path, arguments = SHIM / "again.py", (program.module, *arguments)
    elif not program.module:
        path = SCRIPTS / f"{program.script}.py"
    return Scenario(
        path, *arguments, module=None if path else program.module, files=program.files(), stdin=program.stdin,
        python=python,
        env={"PYTHONPATH": str(SHIM), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "80", **rounds},
    )  # fmt: skip


def travel(program: Program, local: LocalCluster, *, moves: int, seed: int, python: str) -> Trip:
    """Move it at so many random instants, in as many runs as that takes."""
    trip, choose = Trip(program), Random(f"{seed} {program.name}")
    while (left := moves - trip.moves - sum(trip.refused.values())) > 0 and trip.runs < MOST_RUNS and not trip.wrong:
        with tempfile.TemporaryDirectory(prefix="sojourn-enough-", dir=local.shared) as folder:
            enough = Path(folder) / "enough"
            outcome = scenario_of(program, python, ENOUGH=str(enough)).run(local, _mover(choose, left, enough))
            rounds = enough.read_text()
        expected = scenario_of(program, python, ROUNDS=rounds).plain(local)
        trip.runs += 1
        trip.moves += len(outcome.moves)
        trip.refused.update(outcome.refused)
        if _plain(outcome) != _plain(expected):
            trip.wrong.append(_difference(expected, outcome))
        elif expected.exit_code:
            trip.failed = expected.err.decode(errors="replace").strip().rpartition("\n")[2]
    return trip


def _mover(choose: Random, moves: int, enough: Path) -> Operator:
    """Moves it so often, if there is time, and then says that this is enough."""

    def pauses() -> Iterator[float]:
        end = time.monotonic() + LONGEST
        for _ in range(moves):
            if time.monotonic() < end:
                yield choose.uniform(0, PAUSE)

    def operator(process: Process, nodes: list[str]) -> tuple[list[MoveReport], list[str]]:
        try:
            return wandering(choose, pauses())(process, nodes)
        finally:
            enough.touch()

    return operator


def _plain(outcome: Outcome) -> Outcome:
    """Without times, addresses and the folder, which no two runs share."""
    return replace(outcome, out=_VOLATILE.sub(b"~", outcome.out), err=_VOLATILE.sub(b"~", outcome.err))


def _difference(expected: Outcome, got: Outcome) -> str:
    return f"expected {_end(expected)}, got {_end(got)}"


def _end(outcome: Outcome) -> str:
    return f"{outcome.out[-300:]!r}, {outcome.err[-1200:]!r}, exit code {outcome.exit_code}, signal {outcome.signal}"


__all__ = ["Trip", "travel"]

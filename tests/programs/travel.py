"""One program, moved until it has been moved often enough, and compared with its plain run.

A benchmark or script repeats its work as often as lasts some seconds here; what ends before it was moved often enough
is run again, and for longer if there was no move at all. The instants are random.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from sojourn.client import MoveReport, Process
from sojourn.errors import Refused, WrongState
from sojourn.testing import LocalCluster, Outcome, Scenario

from . import environment
from .catalog import PYPERFORMANCE, SCRIPTS, SHIM, Program

LASTS = 2.0  # seconds of processor time that a run is to take; a first move takes as long as its imports
MOST_ROUNDS = 5000
MOST_RUNS = 4
LONGER = 4  # times, after a run that ended before it could be moved
PAUSE = 0.12  # the longest time between two moves
_VOLATILE = re.compile(
    rb"/\S*sojourn-run-\w+|\d+\.\d+(?: ?[mun]?s\b|sec| usec| msec)|0x[0-9a-f]+|\d+\.\d{3,}s|best of \d+: \S+"
)


@dataclass
class Trip:
    """What came of it."""

    program: Program
    moves: int = 0
    runs: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])

    @property
    def unexplained(self) -> list[str]:
        """Refusals that the catalog does not know."""
        known = self.program.refused
        return [why for why in self.refused if not (known and re.search(known, why))]


def scenario_of(program: Program, python: str, rounds: int) -> Scenario:
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
        env={"PYTHONPATH": str(SHIM), "ROUNDS": str(rounds), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "80"},
    )  # fmt: skip


def rounds_of(program: Program, python: str, local: LocalCluster) -> int:
    """How often its work is repeated in a run that lasts long enough."""
    if not program.repeats:
        return 1
    few, many = 1, 4
    took = [_seconds(scenario_of(program, python, rounds), local) for rounds in (few, many)]
    each = max((took[1] - took[0]) / (many - few), LASTS / MOST_ROUNDS)
    return max(1, min(MOST_ROUNDS, round((LASTS - took[0]) / each)))


def _seconds(scenario: Scenario, local: LocalCluster) -> float:
    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    scenario.plain(local)
    return used() - before


def travel(
    program: Program, local: LocalCluster, *, moves: int, seed: int, python: str, rounds: int | None = None
) -> Trip:
    """Move it at so many random instants, in as many runs as that takes."""
    rounds = rounds or rounds_of(program, python, local)
    scenario = scenario_of(program, python, rounds)
    expected = scenario.plain(local)
    trip, choose = Trip(program), Random(f"{seed} {program.name}")
    while (left := moves - trip.moves - sum(trip.refused.values())) > 0 and trip.runs < MOST_RUNS and not trip.wrong:
        outcome = scenario.run(local, _mover(choose, left))
        trip.runs += 1
        trip.moves += len(outcome.moves)
        trip.refused.update(outcome.refused)
        if _plain(outcome) != _plain(expected):
            trip.wrong.append(_difference(expected, outcome))
        elif not outcome.moves and not outcome.refused and program.repeats:  # too short for a first move here
            rounds *= LONGER
            scenario = scenario_of(program, python, rounds)
            expected = scenario.plain(local)
    return trip


def _mover(choose: Random, moves: int):
    def move_on(process: Process, nodes: list[str]) -> tuple[list[MoveReport], list[str]]:
        done: list[MoveReport] = []
        refused: list[str] = []
        here = process.info().node
        while len(done) + len(refused) < moves:
            try:
                process.wait(choose.uniform(0, PAUSE))
                break
            except TimeoutError:
                pass
            there = choose.choice([node for node in nodes if node != here])
            try:
                done.append(process.move(there))
                here = there
            except WrongState:
                break  # it has ended
            except Refused as why:
                refused.append("; ".join([str(why), *map(str, getattr(why, "reasons", []))]))
        return done, refused

    return move_on


def _plain(outcome: Outcome) -> Outcome:
    """Without times, addresses and the folder, which no two runs share."""
    return replace(outcome, out=_VOLATILE.sub(b"~", outcome.out), err=_VOLATILE.sub(b"~", outcome.err))


def _difference(expected: Outcome, got: Outcome) -> str:
    return f"expected {_end(expected)}, got {_end(got)}"


def _end(outcome: Outcome) -> str:
    return f"{outcome.out[-300:]!r}, {outcome.err[-1200:]!r}, exit code {outcome.exit_code}, signal {outcome.signal}"


__all__ = ["Trip", "travel"]

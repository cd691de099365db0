"""What a process that never moves pays: nothing. Ten programs, each in the cluster and with plain `python`.

Each program prints how much processor time its own work took, so that starting up and neighbours do not count. Both
sides have the same hash seed.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from bench.figure import Figure, interleaved, median
from sojourn.testing import LocalCluster

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


def measure(local: LocalCluster, console: Console, *, rounds: int) -> list[Figure]:
    environment = {**os.environ, "PYTHONHASHSEED": local.seed}
    figures: list[Figure] = []
    ratios: list[float] = []
    for program in PROGRAMS:

        def plain(program: Path = program) -> float:
            command = [sys.executable, str(program)]
            return _own_time(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)

        def hosted(program: Path = program) -> float:
            process = local.client.run(program, python=sys.executable)
            process.wait()
            out, _ = process.output()
            process.rm()
            return _own_time(out)

        console.log(f"overhead: {program.stem}")
        floor, value = map(median, interleaved(rounds, plain, hosted))
        ratios.append(value / floor)
        name = f"never moving: {program.stem}"
        figures.append(Figure(name, value, "s", floor, "plain python", "", None, rounds))
    mean = math.prod(ratios) ** (1 / len(ratios))
    kept = 0.98 <= mean <= 1.02
    figures.append(
        Figure("never moving: all ten, mean", mean, "x", 1.0, "plain python", "0.98 to 1.02", kept, rounds)
    )
    return figures


def _own_time(out: bytes) -> float:
    return float(out.split()[0])

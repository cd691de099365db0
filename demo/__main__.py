"""`python -m demo [--rounds N] [--seed N]`: sympy computes, and moves round three nodes while it does.

First an undisturbed run with plain python, then the same program in a cluster of three nodes, moved on at
random instants until it ends. Shows progress and a table of downtimes, compares the two outputs byte for
byte, and draws the timeline to out/. Ends with status 1 when the outputs differ, or when it was not moved at
all.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from demo.timeline import Stay, draw
from sojourn.client import MoveReport, Process
from sojourn.errors import Refused, WrongState
from sojourn.testing import LocalCluster

PROGRAM = Path(__file__).parent / "algebra.py"
OUT = Path(__file__).parents[1] / "out"
SHOWN = 12  # rows of the table that are seen at once


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="how often the program goes over its chapters")
    parser.add_argument("--seed", type=int, default=None, help="of the instants at which it moves")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1000)
    console = Console()
    console.print(
        f"[bold]Sojourn[/]: {PROGRAM.name} (sympy) moves round three nodes while it computes; --seed {seed}"
    )

    with ExitStack() as stack:
        with console.status("three nodes start"):
            began = time.perf_counter()
            local = stack.enter_context(LocalCluster(nodes=3, keep=True))
        console.print(f"three nodes are up after {time.perf_counter() - began:.2f} s")
        with console.status("an undisturbed run, with plain python, to compare with"):
            expected, plain_seconds = undisturbed(local, options.rounds)
        console.print(f"undisturbed run: {plain_seconds:.1f} s, {len(expected)} bytes of output")

        process = local.client.run(PROGRAM, str(options.rounds), name="algebra", python=sys.executable)
        began = time.perf_counter()
        stays, refusals = travel(process, local.nodes, random.Random(seed), console)
        ended = process.wait()
        seconds = time.perf_counter() - began
        out, err = process.output()

    reports = [stay.arrival for stay in stays if stay.arrival is not None]
    summary(console, reports, refusals, seconds, plain_seconds)
    picture = draw(stays, seconds, OUT / "demo-timeline.png")
    console.print(f"timeline: {picture}")
    if out != expected or ended.exit_code != 0:
        (OUT / "demo-expected.txt").write_bytes(expected)
        (OUT / "demo-got.txt").write_bytes(out)
        console.print(
            f"[bold red]the output differs[/] (exit code {ended.exit_code}): compare out/demo-*.txt"
        )
        console.print(err.decode(errors="replace"), markup=False)
        return 1
    if not reports:
        console.print("[bold red]it was not moved at all")
        return 1
    console.print(f"[bold green]the same output, byte for byte[/], after {len(reports)} moves")
    return 0


def undisturbed(local: LocalCluster, rounds: int) -> tuple[bytes, float]:
    """Output and seconds of a run with plain python, with the cluster's hash seed."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(rounds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONHASHSEED": local.seed},
        check=True,
    )
    return done.stdout, time.perf_counter() - began


def travel(
    process: Process, nodes: list[str], choose: random.Random, console: Console
) -> tuple[list[Stay], list[str]]:
    """Move it to the next node again and again, at random instants, until it ends."""
    began = time.perf_counter()
    here = process.info().node
    stays, refusals = [Stay(here, 0.0)], list[str]()
    with Live(console=console, refresh_per_second=8) as live:
        while not ended(process, choose.uniform(0.02, 0.25)):
            there = nodes[(nodes.index(here) + 1) % len(nodes)]
            try:
                report = process.move(there)
            except WrongState:
                break
            except Refused as why:
                refusals.append(str(why))
                continue
            here = there
            stays.append(Stay(here, time.perf_counter() - began, report))
            live.update(table(stays))
    return stays, refusals


def ended(process: Process, within: float) -> bool:
    try:
        process.wait(within)
    except TimeoutError:
        return False
    return True


def table(stays: list[Stay]) -> Table:
    """The last moves."""
    moves = [(number, stay) for number, stay in enumerate(stays) if stay.arrival is not None]
    grid = Table(title=f"{len(moves)} moves")
    for head in ("move", "from", "to", "at", "downtime", "whole move", "bytes"):
        grid.add_column(head, justify="right")
    for number, stay in moves[-SHOWN:]:
        report = stay.arrival
        assert report is not None
        grid.add_row(
            str(number),
            report.source,
            report.target,
            f"{stay.since:.2f} s",
            f"{report.downtime_ms:.1f} ms",
            f"{report.total_ms:.0f} ms",
            str(report.bytes),
        )
    return grid


def summary(
    console: Console, reports: list[MoveReport], refusals: list[str], seconds: float, plain: float
) -> None:
    if reports:
        down = sorted(report.downtime_ms for report in reports)
        whole = sorted(report.total_ms for report in reports)
        size = sorted(report.bytes for report in reports)
        grid = Table(title="downtimes")
        for head in ("", "median", "p99", "most"):
            grid.add_column(head, justify="right")
        for name, values, unit in (
            ("downtime", down, "ms"),
            ("whole move", whole, "ms"),
            ("bytes", size, ""),
        ):
            row = (values[len(values) // 2], values[int(len(values) * 0.99)], values[-1])
            grid.add_row(name, *(f"{value:,.1f} {unit}" if unit else f"{value:,}" for value in row))
        console.print(grid)
        console.print(
            f"{len(reports)} moves in {seconds:.1f} s ({plain:.1f} s undisturbed); "
            f"all downtimes together {sum(down) / 1000:.2f} s"
        )
    for why in dict.fromkeys(refusals):
        console.print(f"refused {refusals.count(why)} times: {why}", markup=False)


if __name__ == "__main__":
    sys.exit(main())

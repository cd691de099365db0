"""A figure, and how a list of them is printed and kept."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured figure. `ratio` is value / floor, both in `unit`; `promise` is an upper bound in words."""

    name: str
    value: float
    unit: str
    floor: float | None
    floor_is: str
    promise: str
    kept: bool | None  # None: nothing is promised, it is printed to be seen
    runs: int

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None


def interleaved(rounds: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Run every side once a round, in turn; the measurements of each."""
    results: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        order = range(len(sides)) if number % 2 == 0 else reversed(range(len(sides)))
        for side in order:
            results[side].append(sides[side]())
    return results


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value at that percentile, by nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


def timed(action: Callable[[], object]) -> float:
    """Seconds that the action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def show(figures: Sequence[Figure], console: Console) -> None:
    table = Table(title="Sojourn, measured")
    for head in ("figure", "measured", "floor", "ratio", "promise", ""):
        table.add_column(head, justify="right" if head in ("measured", "floor", "ratio") else "left")
    for one in figures:
        verdict = {True: "[green]kept", False: "[red]missed", None: ""}[one.kept]
        floor = "" if one.floor is None else f"{one.floor:.4g} {one.unit} ({one.floor_is})"
        ratio = "" if one.ratio is None else f"{one.ratio:.3f}"
        table.add_row(one.name, f"{one.value:.4g} {one.unit}", floor, ratio, one.promise, verdict)
    console.print(table)


def keep(figures: Sequence[Figure], folder: Path) -> Path:
    """Write the figures with the machine they were measured on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / time.strftime("bench-%Y%m%d-%H%M%S.json", time.gmtime())
    record = {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "figures": [{**asdict(one), "ratio": one.ratio} for one in figures],
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path

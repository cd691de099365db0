"""The picture of a journey: where the process was, and how long it stood still at each move."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sojourn.client import MoveReport

COLORS = ("#3b6ea5", "#d98032", "#4c9a61")


@dataclass(frozen=True)
class Stay:
    """A stay at a node, from `since` (seconds after the start) to the next one's; `arrival` is the move that
    began it.
    """

    node: str
    since: float
    arrival: MoveReport | None = None


def draw(stays: list[Stay], end: float, path: Path) -> Path:
    """Draw stays as bars, a row for each node, and the downtimes below; returns `path`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    nodes = sorted({stay.node for stay in stays})
    figure, (above, below) = pyplot.subplots(
        2, 1, sharex=True, figsize=(12, 5), height_ratios=(2, 1), layout="constrained"
    )
    ends = [*(stay.since for stay in stays[1:]), end]
    for stay, until in zip(stays, ends, strict=True):
        row = nodes.index(stay.node)
        above.barh(row, until - stay.since, left=stay.since, height=0.7, color=COLORS[row % len(COLORS)])
    above.set_yticks(range(len(nodes)), nodes)
    above.invert_yaxis()
    above.set_title("Where the program ran")
    moves = [(stay.since, stay.arrival.downtime_ms) for stay in stays if stay.arrival is not None]
    below.vlines([at for at, _ in moves], 0, [down for _, down in moves], colors="#aa3333", linewidth=1.5)
    below.set_ylim(bottom=0)
    below.set_xlim(0, end)
    below.set_ylabel("downtime, ms")
    below.set_xlabel("seconds")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path

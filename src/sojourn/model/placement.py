"""Where a process goes when nobody says where: the node with the fewest processes, the asked one on a tie.

A count is known exactly and at once, load averages lag by a minute; with equal counts the lower load wins
among nodes other than the one that was asked, which needs no hop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """A node that may take a process."""

    name: str
    processes: int
    load: float = 0.0


def place(candidates: Iterable[Candidate], asked: str) -> str | None:
    """The name of the chosen node, or None when there is none."""
    best = min(candidates, key=lambda c: (c.processes, c.name != asked, c.load, c.name), default=None)
    return best.name if best else None

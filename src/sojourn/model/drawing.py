"""Draws the tables of the move, or of the clone, as a page:

    python -m sojourn.model.drawing move > docs/the-move-cell-by-cell.md
    python -m sojourn.model.drawing clone > docs/the-clone-cell-by-cell.md

A test compares the pages with the tables, so that they never tell an older story.
"""

from __future__ import annotations

import sys
from enum import Enum

from sojourn.model import clone, move
from sojourn.model.clone import Copy, Origin
from sojourn.model.move import Source, Table, Target

_HEAD = """\
# The {0}, cell by cell
Drawn from `sojourn.model.{0}` by `python -m sojourn.model.drawing {0}`; do not edit. The module's opening says what the
states are for, which writes compete for which revision, and what is guaranteed.

Every stimulus that a table does not list in a state is one of three things. A message that the peer may not send then
counts as a cut connection. What may come at any time (a deadline, the end of a host process, a lease) means nothing
there. A reply that nobody asked for is a bug, and raises one.
"""


SIDES: dict[str, list[tuple[str, type[Enum], Table]]] = {
    "move": [("source", Source, move.SOURCE), ("target", Target, move.TARGET)],
    "clone": [("origin", Origin, clone.ORIGIN), ("copy", Copy, clone.COPY)],
}


def page(of: str = "move") -> str:
    """The whole page."""
    parts = [_HEAD.format(of)]
    for name, states, table in SIDES[of]:
        parts += [f"## The {name}", "", _states(states), _diagram(table), _cells(states, table)]
    return "\n".join(parts)


def _states(states: type[Enum]) -> str:
    rows = [f"| {state.name} | {state.value} |" for state in states]
    return "\n".join(["| state | means |", "|---|---|", *rows, ""])


def _diagram(table: Table) -> str:
    """The states and the edges between different ones, one edge for all stimuli that lead the same way."""
    edges: dict[tuple[str, str], list[str]] = {}
    for (state, on), (after, _) in table.items():
        if state is not after:
            edges.setdefault((state.name, after.name), []).append(on.value.removeprefix("peer: "))
    lines = [f"    {start} --> {end}: {', '.join(ons)}" for (start, end), ons in edges.items()]
    outcomes = sorted(move.OUTCOMES | clone.OUTCOMES, key=str)
    ends = [f"    {state.name} --> [*]" for state in outcomes if _in(state, table)]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, *ends, "```", ""])


def _cells(states: type[Enum], table: Table) -> str:
    rows = ["| in | on | becomes | does |", "|---|---|---|---|"]
    for state in states:
        for (here, on), (after, todo) in table.items():
            if here is state:
                does = ", then ".join(do.value for do in todo) or "nothing"
                rows.append(f"| {state.name} | {on.value} | {after.name} | {does} |")
    return "\n".join([*rows, ""])


def _in(state: Enum, table: Table) -> bool:
    return any(after is state for after, _ in table.values())


if __name__ == "__main__":
    print(page(*sys.argv[1:]), end="")

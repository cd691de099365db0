"""`python -m tests.programs.table FILE...`: writes the table in docs/programs.md from what was kept by
`python -m tests.programs --keep FILE`. All runs of a program count.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.versions import ROOT

from .catalog import PROGRAMS, Program

PAGE = ROOT / "docs" / "programs.md"
BEGIN, END = "<!-- the table -->", "<!-- end of the table -->"


def table(rows: dict[str, dict[str, Any]]) -> str:
    """All that was run is in it, whatever came of it; the sentence below counts it."""
    lines = ["| program | of | moves | refused | what came of it |", "|---|---|---|---|---|"]
    run = [program for program in PROGRAMS if program.name in rows]
    for program in run:
        row = rows[program.name]
        refused = sum(row["refused"].values())
        lines.append(
            f"| {program.name} | {program.kind} | {row['moves']} | {refused} | {_why(program, row)} |"
        )
    missing = ", ".join(program.name for program in PROGRAMS if program not in run)
    lines += ["", counted(run, rows)]
    lines += [f"Not run: {missing}."] if missing else []
    return "\n".join(lines)


def counted(run: list[Program], rows: dict[str, dict[str, Any]]) -> str:
    """A program moves if it was moved at least once and all its runs ended as their plain ones."""
    moving = [each for each in run if rows[each.name]["moves"] and not rows[each.name]["wrong"]]
    always = [each for each in moving if not rows[each.name]["refused"]]
    fixed = [each for each in run if each.stays and each not in moving]
    moves = sum(rows[each.name]["moves"] for each in run)
    free = len(run) - len(fixed)
    return (
        f"Of {len(PROGRAMS)} programs {len(run)} were run, and moved {moves} times. {len(moving)} move: they were "
        f"moved at least once, and all their runs ended as their plain runs; {len(always)} of these were never "
        f"refused. {len(fixed)} stay for what is fixed by nature. **{_share(len(moving), free)} of what is not fixed "
        f"by nature moves ({len(moving)} of {free}); {_share(len(moving), len(run))} of all that were run.**"
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f}%" if whole else "none"


def merged(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """All runs of a program together, none left out."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        before = found.get(row["name"], {"moves": 0, "wrong": [], "refused": {}})
        refused = Counter[str](before["refused"])
        refused.update(row["refused"])
        found[row["name"]] = {
            **row,
            "moves": before["moves"] + row["moves"],
            "wrong": before["wrong"] + row["wrong"],
            "refused": dict(refused),
        }
    return found


def _why(program: Program, row: dict[str, Any]) -> str:
    said: list[str] = []
    if row["wrong"] and row["moves"]:
        said.append("**differs**: see below")
    elif row["wrong"]:
        said.append("output differs without a move")
    if row["refused"]:
        said.append(program.stays or program.yet or "; ".join(sorted({_short(why) for why in row["refused"]})[:2]))
    elif not row["moves"]:
        said.append(row.get("failed") or "ended before it could be moved")
    return "; ".join(said)


def _short(why: str) -> str:
    """The reason, without object and path."""
    return why.split(";")[0].rpartition(": ")[2].split(" (")[0].replace("|", "/")


def main() -> None:
    rows = [json.loads(line) for file in sys.argv[1:] for line in Path(file).read_text().splitlines()]
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    PAGE.write_text(f"{head}{BEGIN}\n{table(merged(rows))}\n{END}{tail}")


if __name__ == "__main__":
    main()

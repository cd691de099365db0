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
    moved = sum(1 for program in run if rows[program.name]["moves"])
    refused = sum(1 for program in run if not rows[program.name]["moves"] and rows[program.name]["refused"])
    right = sum(1 for program in run if rows[program.name]["moves"] and not rows[program.name]["wrong"])
    missing = ", ".join(program.name for program in PROGRAMS if program not in run)
    lines += [
        "",
        f"Of {len(PROGRAMS)} programs {len(run)} were run: {moved} moved ({right} of these ended as their plain runs), "
        f"{refused} were refused every time, and {len(run) - moved - refused} ended, or failed, before "
        "they could be moved.",
    ]
    lines += [f"Not run: {missing}."] if missing else []
    return "\n".join(lines)


def merged(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """All runs of a program together, none left out; those of an earlier version count where there are no others."""
    found: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: bool(row.get("earlier"))):
        before = found.get(row["name"])
        if before is None:
            found[row["name"]] = row
        elif bool(before.get("earlier")) == bool(row.get("earlier")):
            refused = Counter(before["refused"])
            refused.update(row["refused"])
            whole = {
                **before,
                "moves": before["moves"] + row["moves"],
                "wrong": before["wrong"] + row["wrong"],
            }
            found[row["name"]] = {**whole, "refused": dict(refused)}
    return found


def _why(program: Program, row: dict[str, Any]) -> str:
    said = ["earlier version"] if row.get("earlier") else []
    if row["wrong"] and row["moves"]:
        said.append("**differs**: see below")
    elif row["wrong"]:
        said.append("output differs without a move")
    if row["refused"]:
        said.append(program.stays or "; ".join(sorted({_short(why) for why in row["refused"]})[:2]))
    elif not row["moves"]:
        said.append(row["failed"] or "ended before it could be moved")
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

"""How results look: aligned columns for people, JSON for scripts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from sojourn._util import clock
from sojourn.errors import SojournError


def as_json(value: Any) -> None:
    """Print one value as one line of JSON."""
    click.echo(msgspec.json.encode(value))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under heads in columns as wide as they need to be; the last one is not padded."""
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads) - 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in (heads, *rows)
    ]
    lines[0] = click.style(lines[0], bold=True)
    click.echo("\n".join(lines))  # at once: there may be thousands


def error(why: SojournError, *, json_wanted: bool) -> None:
    """One line and the way out, on stderr; or, where a script reads stdout, its wire form there."""
    if json_wanted:
        return as_json({"error": why.to_wire()})
    click.echo(click.style("sojourn: ", bold=True) + why.message, err=True)
    for reason in why.details.get("reasons") or ():
        if reason not in why.message:
            click.echo(f"  - {reason}", err=True)
    if why.advice:
        click.echo(f"  {why.advice}", err=True)


def age(started: float) -> str:
    """How long ago that was, in the two largest units: "3 d 4 h", "12 s"."""
    left = max(0, int(clock.wall() - started))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def size(count: float) -> str:
    """A number of bytes for people: "6.1 KB"."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def progress(text: str) -> None:
    """Say what is going on, over what was said before; nothing where stderr is no terminal."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)

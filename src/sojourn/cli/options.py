"""What commands have in common: `--json`, and arguments that complete to names of processes and nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from sojourn.errors import SojournError

F = TypeVar("F", bound=Callable[..., Any])
_json_wanted = False


def _want_json(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    global _json_wanted  # for errors found outside any command
    _json_wanted = value
    return value


def json_wanted() -> bool:
    """Whether this command line asked for JSON."""
    return _json_wanted


json_option = click.option(
    "--json", "as_json", is_flag=True, is_eager=True, callback=_want_json, help="Print JSON instead of text."
)


def _names(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        from sojourn.client import connect

        try:
            cluster = connect()
            rows = cluster.nodes() if kind == "node" else cluster.ps(all=True)
        except SojournError:
            return []
        return [row.name for row in rows if row.name.startswith(incomplete)]

    return complete


def process_argument(function: F) -> F:
    """The argument NAME: a process."""
    return click.argument("name", metavar="NAME", shell_complete=_names("process"))(function)


complete_node = _names("node")
complete_process = _names("process")
process_completion = _names("process")

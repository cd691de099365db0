"""The command `attach`, and what it has in common with `run -t`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

from sojourn.cli import show
from sojourn.cli.keys import DEFAULT, Detaching
from sojourn.cli.options import json_option, process_argument
from sojourn.client import Chunk, Ended, connect
from sojourn.client.home import home_path
from sojourn.client.terminals import TAIL

detach_keys_option = click.option(
    "--detach-keys",
    type=Detaching(),
    default=DEFAULT,
    show_default=True,
    help="Detach when these are typed; '' for none.",
)


@click.command(
    epilog="""\b
Examples:
  sojourn attach sim                        from any node; it stays attached while sim moves
  sojourn attach --no-stdin sim             only look
  sojourn attach --detach-keys ctrl-] sim
  sojourn attach --tail 0 sim               nothing of what was shown before

\b
With a terminal (`run -t`) every key goes to the program, Ctrl-C too; Ctrl-P Ctrl-Q detaches, and the program goes on.
Without one, lines are sent, Ctrl-C interrupts the program, and Ctrl-\\ detaches.
Any number may be attached at once: all see the same, each may type, and the window is as large as that of the last
who came or changed it.
"""
)
@click.option("--no-stdin", is_flag=True, help="Only look: send nothing, not the window's size either.")
@click.option(
    "--tail",
    type=click.IntRange(min=0),
    default=TAIL,
    show_default=True,
    metavar="BYTES",
    help="How much of the earlier output to show.",
)
@detach_keys_option
@process_argument
@json_option
def attach(name: str, no_stdin: bool, tail: int, detach_keys: bytes, as_json: bool) -> None:
    """Watch a running process, and type to it."""
    from sojourn.cli.processes import finish, show_json, write_through

    process = connect().process(name)
    ended = stay(
        process.id, name, show_json if as_json else write_through,
        keys=detach_keys, stdin=not no_stdin, tail=tail, raw=not as_json,
    )  # fmt: skip
    if ended is None:
        if as_json:
            show.as_json({"name": name, "id": process.id, "detached": True})
        return
    finish(process, ended, as_json=as_json)


def local_size() -> tuple[int, int] | None:
    """Rows and columns of the terminal that we run in; None where there is none."""
    for fd in (1, 0, 2):
        try:
            size = os.get_terminal_size(fd)
        except OSError:
            continue
        if size.lines and size.columns:
            return size.lines, size.columns
    return None


def stay(
    process_id: str,
    name: str,
    emit: Callable[[Chunk], None],
    *,
    keys: bytes,
    stdin: bool,
    tail: int | None,
    raw: bool,
) -> Ended | None:
    """Attached until it ends; None when detached by the keys. A signal that detaches ends us as such."""
    from sojourn.cli import attaching

    try:
        return attaching.attach(home_path(), process_id, emit, keys=keys, stdin=stdin, tail=tail, raw=raw)
    except attaching.Left as left:
        attaching.farewell(name)
        if left.signal:
            sys.exit(128 + left.signal)
        return None

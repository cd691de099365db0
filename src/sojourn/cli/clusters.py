"""The commands about the cluster: up, nodes, down. `up` and `down` are the node package's own, run as
programs.
"""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec

from sojourn.cli import show
from sojourn.cli.options import json_option
from sojourn.client import connect
from sojourn.client.home import home_path
from sojourn.errors import SojournError, from_wire


@click.command(
    epilog="""\b
Examples:
  sojourn up                      one node
  sojourn up --nodes 3            three, named n1, n2, n3
  SOJOURN_HOME=/tmp/lab sojourn up --nodes 2
"""
)
@click.option("--nodes", type=click.IntRange(min=1), default=1, show_default=True, help="How many nodes.")
@json_option
def up(nodes: int, as_json: bool) -> None:
    """Start an embedded cluster on this machine: NATS and some nodes; returns when it is ready."""
    answer = _node("up", "--nodes", str(nodes))
    if as_json:
        return show.as_json(answer)
    rows = connect().nodes()
    click.echo(f"{len(rows)} nodes run at {home_path()}: {', '.join(row.name for row in rows)}")


@click.command(epilog="\b\nExample:\n  sojourn nodes --json | jq -r '.[].name'")
@json_option
def nodes(as_json: bool) -> None:
    """List the nodes and the interpreters they offer."""
    rows = connect().nodes()
    if as_json:
        return show.as_json(rows)
    heads = ("NAME", "STATE", "PROCESSES", "LOAD", "ADDRESS", "INTERPRETERS")
    show.table(
        heads,
        [
            (
                r.name,
                r.state,
                str(r.processes),
                _load(r.load),
                r.address,
                " ".join(map(_version, r.interpreters)),
            )
            for r in rows
        ],
    )


@click.command(epilog="\b\nExample:\n  sojourn down          its logs stay in SOJOURN_HOME")
@json_option
def down(as_json: bool) -> None:
    """End the cluster of SOJOURN_HOME and every process in it."""
    answer = _node("down")
    if as_json:
        show.as_json(answer)
    else:
        click.echo(f"the cluster at {home_path()} is down")


def _node(verb: str, *options: str) -> Any:
    """Run `python -m sojourn.node VERB`, which answers in JSON, errors in wire form on stderr."""
    import subprocess  # here, so that `nodes` does not pay for it

    command = [sys.executable, "-m", "sojourn.node", verb, "--home", str(home_path()), *options, "--json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode == 0:
        return msgspec.json.decode(done.stdout) if done.stdout.strip() else {}
    said = done.stderr.decode(errors="replace").strip()
    try:
        wire = msgspec.json.decode(said.splitlines()[-1])
        raise from_wire(wire.get("error", wire))
    except (IndexError, AttributeError, msgspec.DecodeError):
        said = said or f"it ended with status {done.returncode}"
        raise SojournError(f"`python -m sojourn.node {verb}` failed: {said}") from None


def _load(load: object) -> str:
    return f"{load:.2f}" if isinstance(load, int | float) else str(load)


def _version(interpreter: dict[str, Any] | str) -> str:
    return str(interpreter["version"] if isinstance(interpreter, dict) else interpreter)

"""The commands about the cluster: up, nodes, down. `up` and `down` are the node package's own, run as
programs.
"""

from __future__ import annotations

from typing import Any

import click

from sojourn.cli import show
from sojourn.cli.options import json_option
from sojourn.client import connect
from sojourn.client.home import home_path


@click.command(
    epilog="""\b
Examples:
  sojourn up                      one node
  sojourn up --nodes 3            three, named n1, n2, n3
  SOJOURN_HOME=/tmp/lab sojourn up --nodes 2
  sojourn up --listen 10.0.0.1    further machines join with `sojourn token` and `sojourn node --join`
"""
)
@click.option("--nodes", type=click.IntRange(min=1), default=1, show_default=True, help="How many nodes.")
@click.option(
    "--listen", metavar="ADDR", help="This machine's address, so that others can join; else loopback."
)
@click.option("--nats", metavar="URL", help="Use this NATS server, and start none.")
@json_option
def up(nodes: int, listen: str | None, nats: str | None, as_json: bool) -> None:
    """Start an embedded cluster on this machine: NATS and some nodes; returns when it is ready."""
    from sojourn.client import embedded

    answer = embedded.up(home_path(), nodes=nodes, listen=listen, nats=nats)
    if as_json:
        return show.as_json(answer)
    rows = connect().nodes()
    click.echo(f"{len(rows)} nodes run at {home_path()}: {', '.join(row.name for row in rows)}")


@click.command(epilog="\b\nExample:\n  sojourn nodes --json | jq -r '.[].name'")
@json_option
def nodes(as_json: bool) -> None:
    """List the nodes and the interpreters they offer, and say how the control plane stands."""
    cluster = connect()
    rows = cluster.nodes()
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
    click.echo(f"control plane: {cluster.plane().told}")


@click.command(epilog="\b\nExample:\n  sojourn down          its logs stay in SOJOURN_HOME")
@click.option("--force", is_flag=True, help="Also when nodes on other machines lose their control plane.")
@json_option
def down(force: bool, as_json: bool) -> None:
    """End the cluster of SOJOURN_HOME and every process in it; on a machine that has joined one, its node.

    Refused, unless forced, when nodes on other machines would be left without a control plane.
    """
    from sojourn.client import embedded

    answer = embedded.down(home_path(), force=force)
    if as_json:
        show.as_json(answer)
    else:
        for warning in answer["warnings"]:
            click.echo(f"warning: {warning}", err=True)
        click.echo(f"the cluster at {home_path()} is down")


def _load(load: object) -> str:
    return f"{load:.2f}" if isinstance(load, int | float) else str(load)


def _version(interpreter: dict[str, Any] | str) -> str:
    return str(interpreter["version"] if isinstance(interpreter, dict) else interpreter)

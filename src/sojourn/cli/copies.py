"""The commands `clone` and `rename`."""

from __future__ import annotations

import sys

import click
import msgspec

from sojourn.cli import show
from sojourn.cli.options import complete_node, json_option, process_argument
from sojourn.client import connect


@click.command(
    epilog="""\b
Examples:
  sojourn clone sim                     a second one, here, from where it is: sim-2
  sojourn clone sim n2 n3 n3            three, on two other nodes, from one and the same instant
  sojourn clone --name what-if sim n2
  sojourn clone sim n2 --json | jq -r '.copies[].name'

\b
A copy is a process of its own: new name, new id, its own log from here on.
It draws random numbers of its own, unless --keep-random.
""",
)
@click.option("--name", "copy", help="Of a single copy. [default: the original's with a number]")
@click.option(
    "--deadline", type=click.FloatRange(min=0), metavar="SECONDS", help="How long a C call may hold it."
)
@click.option(
    "--keep-random", is_flag=True, help="Copies go on with the original's random numbers, not their own."
)
@process_argument
@click.argument("nodes", metavar="[NODE]...", nargs=-1, shell_complete=complete_node)
@json_option
def clone(
    name: str, nodes: tuple[str, ...], copy: str | None, deadline: float | None, keep_random: bool, as_json: bool
) -> None:
    """Fork a running process onto other nodes; the original goes on.

    Without NODE the copy runs where the original does. If any of the nodes cannot take a copy, none is made, and
    every reason is told.
    """
    process = connect().process(name)
    try:
        report = process.clone(
            *nodes,
            name=copy,
            deadline=deadline,
            keep_random=keep_random,
            on_stage=lambda stage: show.progress(f"{name}: {stage}"),
        )
    finally:
        show.progress("")
    if as_json:
        fields = msgspec.to_builtins(report)
        show.as_json({**fields.pop("more"), **fields})
    else:
        for one in report.copies:
            latency = "" if one.latency_ms is None else f" after {one.latency_ms:.1f} ms"
            click.echo(f"{one.name} runs on {one.node}, a copy of {report.name}{latency}")
        click.echo(
            f"{report.name} stood still for {report.pause_ms:.1f} ms; {report.total_ms:.0f} ms in all, "
            f"{show.size(report.bytes)}"
        )
        for one in report.failed:
            show.error(one.why(), json_wanted=False)
    if report.failed:
        sys.exit(1)


@click.command(
    epilog="""\b
Examples:
  sojourn rename sim-2 what-if
  sojourn rename sim sim-old && sojourn run --name sim sim.py
"""
)
@process_argument
@click.argument("to", metavar="NEW")
@json_option
def rename(name: str, to: str, as_json: bool) -> None:
    """Give a process another name, while it runs or after its end.

    It keeps its id, its place and its whole log; whoever waits for it or follows its output notices nothing.
    """
    process = connect().process(name)
    before = process.name
    process.rename(to)
    if as_json:
        show.as_json({"name": process.name, "id": process.id, "before": before})

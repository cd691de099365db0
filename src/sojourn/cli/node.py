"""The commands about one node: `sojourn node prepare`."""

from __future__ import annotations

import click

from sojourn.cli import show
from sojourn.cli.options import complete_node, complete_process, json_option
from sojourn.client import connect


@click.group()
def node() -> None:
    """Prepare a node for what is to come."""


@node.command(
    epilog="""\b
Examples:
  sojourn node prepare n2 --like sim        n2 can take sim then
  sojourn check sim --node n2 || sojourn node prepare n2 --like sim

\b
n2 needs an interpreter that is built like the process's. uv makes the environment where n2 has one
(pip install 'sojourn[prepare]'), else venv and pip; they ask the index that they are configured for there.
"""
)
@click.option(
    "--like", required=True, metavar="NAME", shell_complete=complete_process, help="A running process."
)
@click.argument("name", metavar="NODE", shell_complete=complete_node)
@json_option
def prepare(name: str, like: str, as_json: bool) -> None:
    """Make the environment at a node that a process needs there: the packages it uses, in its versions."""
    try:
        report = connect().prepare(name, like=like, on_step=lambda text: show.progress(f"{name}: {text}"))
    finally:
        show.progress("")
    if as_json:
        return show.as_json(report)
    count = f"{len(report.packages)} packages" if len(report.packages) != 1 else "1 package"
    how = "had it already" if report.tool == "none" else f"made by {report.tool} in {report.seconds:.1f} s"
    click.echo(f"{name} is ready for {report.like}: {count} at {report.path} ({how})")

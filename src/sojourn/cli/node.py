"""The commands about single nodes: joining a cluster as one, preparing one, expelling one."""

from __future__ import annotations

import click

from sojourn.cli import show
from sojourn.cli.options import complete_node, complete_process, json_option
from sojourn.client import connect
from sojourn.client.home import home_path


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  sojourn token                               where `up` was run: prints a token
  sojourn node --join 10.0.0.1:41234 --token T        on the further machine
  sojourn node                                on that machine, after a reboot
  sojourn node expel n4                       where `up` was run
""",
)
@click.option("--join", "url", metavar="URL", help="The join door, HOST:PORT, as `sojourn token` says it.")
@click.option("--token", metavar="T", help="What `sojourn token` has printed.")
@click.option("--name", default="", help="What the node is to be called; the cluster chooses when left out.")
@click.option("--listen", metavar="ADDR", help="This machine's address for the others; found out by itself.")
@json_option
@click.pass_context
def node(
    ctx: click.Context, url: str | None, token: str | None, name: str, listen: str | None, as_json: bool
) -> None:
    """Make this machine a node of a cluster that runs elsewhere; returns when it is ready.

    Without --join it starts the node of a machine that has joined before, and where `sojourn up` was run, the nodes
    that were killed, after a reboot all of them, or all that went down while the cluster went on elsewhere. `sojourn
    down` ends a node that has joined, and it stays a member.
    SOJOURN_HOME is where it keeps itself.
    """
    if ctx.invoked_subcommand is not None:
        return
    if (url is None) != (token is None):
        raise click.UsageError("--join and --token belong together")
    from sojourn.client import embedded

    if token is None:
        answer = embedded.start(home_path())
    else:
        answer = embedded.join(home_path(), token, url=url, name=name, listen=listen)
    if as_json:
        return show.as_json(answer)
    for each in answer["nodes"]:
        click.echo(f"node {each['name']} runs at {home_path()} and listens at {each['address']}")


@node.command(epilog="\b\nExample:\n  sojourn node expel n4        for good; the name is not given again")
@click.argument("name", metavar="NODE", shell_complete=complete_node)
@json_option
def expel(name: str, as_json: bool) -> None:
    """Take a node's membership: every other node and NATS refuse it from now on, and its processes count as lost.

    Ask where `sojourn up` was run. A command line that has logged in is expelled by its name, too.
    """
    gone = connect().expel(name)
    if as_json:
        return show.as_json(gone)
    click.echo(f"{gone.role} {gone.name} is expelled")


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

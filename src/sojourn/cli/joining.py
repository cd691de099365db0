"""The commands that let somebody in: token, login."""

from __future__ import annotations

import re
import time

import click

from sojourn.cli import show
from sojourn.cli.options import json_option
from sojourn.client import connect
from sojourn.client.home import home_path

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Span(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] (generic in newer versions only)
    """A time like 90s, 30m, 1h, 7d, in seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", str(value))
        if found is None:
            self.fail(f"{value!r} is no time; 90s, 30m, 1h or 7d are", param, ctx)
        return float(found[1]) * _UNITS[found[2] or "s"]


@click.command(
    epilog="""\b
Examples:
  sojourn token                         for one node, within the hour
  sojourn token --expires 10m --uses 5  for five
  sojourn token --client                for a command line on a machine without a node
"""
)
@click.option("--expires", type=Span(), default="1h", show_default=True, help="How long it is valid.")
@click.option(
    "--uses", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many may use it."
)
@click.option("--client", is_flag=True, help="Lets in a command line, not a node.")
@json_option
def token(expires: float, uses: int, client: bool, as_json: bool) -> None:
    """Make a token with which a further machine joins this cluster. Whoever has it can: keep it to yourself."""
    made = connect().token(expires=expires, uses=uses, role="client" if client else "node")
    if as_json:
        return show.as_json(made)
    until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(made.expires))
    command = f"login {made.url}" if client else f"node --join {made.url}"
    click.echo(made.token)
    click.echo(f"valid until {until}; on the other machine:\n  sojourn {command} --token ...", err=True)


@click.command(epilog="\b\nExample:\n  sojourn login 10.0.0.1:41234 --token T && sojourn ps")
@click.argument("url", metavar="URL")
@click.option(
    "--token", "text", metavar="T", required=True, help="What `sojourn token --client` has printed."
)
@click.option("--name", default="", help="What this command line is to be called.")
@json_option
def login(url: str, text: str, name: str, as_json: bool) -> None:
    """Let this machine, which has no node, command a cluster that runs elsewhere.

    Programs and their folders are then those of the nodes' machines. Tokens, expulsion and `down` stay with the
    machine that ran `up`.
    """
    from sojourn.client import embedded

    answer = embedded.login(home_path(), text, url=url, name=name)
    if as_json:
        return show.as_json(answer)
    click.echo(
        f"logged in as {answer['name']}; the nodes are {', '.join(n['name'] for n in answer['nodes'])}"
    )

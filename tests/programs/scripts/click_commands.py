"""A group of commands is called and asked for help, with click."""

import click
import pyperf
from click.testing import CliRunner


@click.group()
@click.option("--loud/--quiet")
@click.pass_context
def tool(context, loud):
    context.obj = loud


@tool.command()
@click.argument("numbers", type=int, nargs=-1)
@click.option("--by", type=click.Choice(["one", "two"]), default="one", show_default=True)
@click.pass_obj
def add(loud, numbers, by):
    """Adds NUMBERS."""
    click.echo(f"{sum(numbers) * (2 if by == 'two' else 1)}{'!' * loud}")


def work():
    runner = CliRunner()
    calls = [
        ["--loud", "add", "1", "2", "--by", "two"],
        ["add", "x"],
        ["add", "--help"],
        ["--help"],
        ["missing"],
    ]
    return [(result.exit_code, result.output) for result in (runner.invoke(tool, call) for call in calls)]


pyperf.Runner().bench_func("click_commands", work)

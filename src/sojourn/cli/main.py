"""The command group, and how every error becomes one line and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from sojourn import __version__
from sojourn.cli import (
    clusters,
    copies,
    doctor,
    events,
    images,
    joining,
    node,
    options,
    processes,
    show,
    terminals,
    upkeep,
)
from sojourn.errors import SojournError, UsageError

HELP = """Run Python programs that move between machines while they run.

\b
A first look, on this machine alone:
  sojourn up --nodes 3              an embedded cluster: NATS and three nodes
  sojourn run --detach sim.py 42    start a program
  sojourn ps                        where is it?
  sojourn move sim n2               move it, in the middle of whatever it does
  sojourn logs -f sim               its whole output, from the first byte
  sojourn down

\b
SOJOURN_HOME names the folder of a cluster (default ~/.sojourn), so that several stand side by side.
Every command takes --json.  `sojourn COMMAND --help` shows examples.
"""

EPILOG = """\b
Completion of commands and process names, for your shell's start file:
  eval "$(_SOJOURN_COMPLETE=bash_source sojourn)"       (zsh_source, fish_source)
"""


class InOrder(click.Group):
    """Lists commands in the order of a process's life, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=InOrder,
    help=HELP,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="sojourn")
def sojourn() -> None:
    pass


for command in (
    clusters.up,
    processes.run,
    processes.ps,
    processes.logs,
    terminals.attach,
    upkeep.show,
    upkeep.check,
    processes.move,
    copies.clone,
    copies.rename,
    images.freeze,
    images.thaw,
    images.inspect,
    processes.wait,
    processes.stop,
    processes.kill,
    processes.rm,
    events.events,
    clusters.nodes,
    joining.token,
    node.node,
    joining.login,
    upkeep.drain,
    clusters.down,
    doctor.doctor,
):
    sojourn.add_command(command)


def main(argv: Sequence[str] | None = None) -> None:
    """The `sojourn` command."""
    try:
        sojourn.main(args=None if argv is None else list(argv), prog_name="sojourn", standalone_mode=False)
    except click.exceptions.Exit as end:  # --help, --version
        sys.exit(end.exit_code)
    except click.UsageError as why:
        where = why.ctx.command_path if why.ctx else "sojourn"
        wrong = UsageError(why.format_message(), advice=f"`{where} --help` shows how it is used")
        show.error(wrong, json_wanted=options.json_wanted())
        sys.exit(2)
    except SojournError as why:
        show.error(why, json_wanted=options.json_wanted())
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except BrokenPipeError:
        sys.stdout = None  # so that the interpreter does not flush it again
        sys.exit(141)


if __name__ == "__main__":
    main()

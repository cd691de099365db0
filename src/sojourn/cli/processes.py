"""The commands about processes: run, ps, logs, move, wait, stop, kill, rm."""

from __future__ import annotations

import base64
import os
import signal
import sys

import click
import msgspec

from sojourn.cli import show
from sojourn.cli.options import complete_node, json_option, process_argument
from sojourn.cli.terminals import detach_keys_option, local_size, stay
from sojourn.client import Chunk, Ended, Process, ProcessInfo, connect
from sojourn.errors import SojournError


class _Run(click.Command):
    """As with `python`, everything behind `-m MODULE` belongs to the module, options too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        takes = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        at = 0
        while at < len(args) and args[at].startswith("-") and args[at] != "--":
            if args[at].startswith("-m"):
                at += 2 if args[at] == "-m" else 1
                return super().parse_args(ctx, [*args[:at], "--", *args[at:]])
            at += 2 if args[at] in takes else 1
        return super().parse_args(ctx, args)


@click.command(
    cls=_Run,
    context_settings={"allow_interspersed_args": False},
    epilog="""\b
Examples:
  sojourn run sim.py --steps 1000         its output here, its exit code ours; Ctrl-C interrupts it
  sojourn run --name web --detach app.py  returns at once; look with `sojourn logs -f web`
  sojourn run --node n2 -m pytest tests   as `python -m pytest tests`, on node n2
  sojourn run --python 3.13 sim.py        or a path: --python ./venv
  sojourn run --env DEBUG=1 sim.py        the rest of its environment is ours
  sojourn run --with . sim.py data.csv    this folder travels with it (docs/workspace.md)
  sojourn run --memory 512M --cpus 2 sim.py
  sojourn run -t game.py                  with a terminal: keys, window, Ctrl-C as if it ran here

\b
Ctrl-C sends the program SIGINT, a second one stops it, a third one kills it. With -t every key is the program's, and
Ctrl-P Ctrl-Q detaches; `sojourn attach` comes back.
When the terminal goes away the program goes on.
""",
)
@click.option("--name", help="Unique in the cluster until `rm`. [default: from the program's name]")
@click.option("--node", shell_complete=complete_node, help="Where to start it. [default: any node]")
@click.option(
    "--python",
    help="A version, an interpreter or a virtual environment. [default: $VIRTUAL_ENV, then python3]",
)
@click.option(
    "--env", "env", metavar="K=V", multiple=True, help="Set a variable of its environment. May be repeated."
)
@click.option(
    "--with",
    "with_",
    metavar="PATH",
    multiple=True,
    help="A file or folder that travels with it. May be repeated; the program runs in a private copy.",
)
@click.option("--memory", metavar="SIZE", help="How much memory it may use: 512M, 2G.")
@click.option("--cpus", type=float, metavar="N", help="How many processors' time it may use: 2, 0.5.")
@click.option("-t", "--terminal", is_flag=True, help="Give it a terminal, the size of this one.")
@detach_keys_option
@click.option("--detach", is_flag=True, help="Return at once; its stdin is empty, unless it has a terminal.")
@click.option("-m", "module", metavar="MODULE", help="Run a module, as `python -m` does.")
@json_option
@click.argument("program", metavar="PROGRAM.py", required=False)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def run(
    name: str | None,
    node: str | None,
    python: str | None,
    env: tuple[str, ...],
    with_: tuple[str, ...],
    memory: str | None,
    cpus: float | None,
    terminal: bool,
    detach_keys: bytes,
    detach: bool,
    module: str | None,
    as_json: bool,
    program: str | None,
    args: tuple[str, ...],
) -> None:
    """Start a program and show its output until it ends.

    Everything after PROGRAM.py (or MODULE) belongs to the program.
    """
    if module is not None and program is not None:
        args = (program, *args)  # what click took for the program is the module's first argument
        program = None
    if module is None and program is None:
        raise click.UsageError("name a program, or a module with -m")
    process = connect().run(
        program, *args, module=module, name=name, node=node, python=python, set_env=_variables(env),
        with_=with_, terminal=terminal and (local_size() or True), memory=memory, cpus=cpus,
    )  # fmt: skip
    if detach:
        if not terminal:
            process.write_stdin(b"", eof=True)
        if as_json:
            show.as_json(process.info())
        else:
            click.echo(process.name)
            for what, how in process.info().limits.items():
                click.echo(f"{what}: {how}", err=True)
        return

    emit = show_json if as_json else write_through
    if terminal:
        ended = stay(process.id, process.name, emit, keys=detach_keys, stdin=True, tail=None, raw=not as_json)
        if ended is None:
            return
    else:
        from sojourn.cli.attached import attach

        ended = attach(process, emit)
    finish(process, ended, as_json=as_json)


def finish(process: Process, ended: Ended, *, as_json: bool) -> None:
    """Say how it ended, and end as it did."""
    if as_json:
        show.as_json({"name": process.name, "id": process.id, **_end(ended)})
    elif ended.state == "lost":
        raise SojournError(
            f"{process.name} is lost: its node went down", advice="`sojourn logs` shows how far it came"
        )
    elif ended.why:
        click.echo(f"{process.name} was killed: {ended.why}", err=True)
    sys.exit(ended.status)


def _variables(given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise click.UsageError(f"--env {each}: a variable is given as NAME=VALUE")
        found[name] = value
    return found


@click.command(
    epilog="""\b
Examples:
  sojourn ps            what runs
  sojourn ps -a         what ended, too, until `sojourn rm`
  sojourn ps --json | jq -r '.[] | select(.node == "n1") | .name'
"""
)
@click.option("-a", "--all", "everything", is_flag=True, help="Ended processes too.")
@json_option
def ps(everything: bool, as_json: bool) -> None:
    """List processes: where each runs, and how often it has moved."""
    rows = connect().ps(all=everything)
    if as_json:
        return show.as_json(rows)
    heads = ("NAME", "STATE", "NODE", "EPOCH", "MOVES", "AGE", "PROGRAM")
    show.table(
        heads,
        [
            (r.name, _state(r), r.node, str(r.epoch), str(r.moves), show.age(r.started), _what(r))
            for r in rows
        ],
    )


def _what(row: ProcessInfo) -> str:
    return f"{row.program}  in {row.resting}" if row.file else row.program


def _state(row: ProcessInfo) -> str:
    if row.state != "ended":
        return row.state
    if row.signal:
        return f"ended ({signal.Signals(row.signal).name}{row.why and ', '}{row.why})"
    return f"ended ({row.exit_code})"


@click.command(
    epilog="""\b
Examples:
  sojourn logs sim            all of its output so far, stdout and stderr to ours
  sojourn logs -f sim         and what it writes until it ends
  sojourn logs --err sim      stderr alone
"""
)
@click.option("-f", "--follow", is_flag=True, help="Go on until the process ends.")
@click.option("--out", "only", flag_value="out", help="Its stdout alone.")
@click.option("--err", "only", flag_value="err", help="Its stderr alone.")
@process_argument
@json_option
def logs(name: str, follow: bool, only: str | None, as_json: bool) -> None:
    """Show a process's output from its first byte, byte for byte, over all its moves."""
    emit = show_json if as_json else write_through
    for chunk in connect().process(name).logs(follow=follow, out=only != "err", err=only != "out"):
        emit(chunk)


@click.command(
    epilog="""\b
Examples:
  sojourn move sim n2                 now, wherever it is in its program
  sojourn move --deadline 30 sim n2   wait up to 30 s where a C call holds it
  sojourn move sim n2 --json | jq .downtime_ms
"""
)
@click.option(
    "--deadline", type=click.FloatRange(min=0), metavar="SECONDS", help="How long a C call may hold it."
)
@process_argument
@click.argument("node", metavar="NODE", shell_complete=complete_node)
@json_option
def move(name: str, node: str, deadline: float | None, as_json: bool) -> None:
    """Move a process to another node while it runs.

    It goes on there in the middle of whatever it did here. What cannot move is refused by name, and the
    program goes on where it is.
    """
    process = connect().process(name)
    try:
        report = process.move(
            node, deadline=deadline, on_stage=lambda stage: show.progress(f"{name}: {stage}")
        )
    finally:
        show.progress("")
    if as_json:
        fields = msgspec.to_builtins(report)
        return show.as_json({**fields.pop("more"), **fields})
    rounds = "1 round" if report.rounds == 1 else f"{report.rounds} rounds"
    click.echo(
        f"{report.name} moved from {report.source} to {report.target}: "
        f"{report.downtime_ms:.1f} ms of downtime, {report.total_ms:.0f} ms in all, "
        f"{show.size(report.bytes)} in {rounds} ({report.strategy}), epoch {report.epoch}"
    )


@click.command(
    epilog="""\b
Examples:
  sojourn wait sim; echo $?           its exit code, or 128 + the signal that ended it
  sojourn wait --timeout 60 sim
"""
)
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Give up after so long.")
@process_argument
@json_option
def wait(name: str, timeout: float | None, as_json: bool) -> None:
    """Wait until a process ends, and exit with its exit code."""
    try:
        ended = connect().process(name).wait(timeout)
    except TimeoutError:
        raise SojournError(
            f"{name} has not ended within {timeout:g} s", advice="it goes on; wait again or `sojourn stop` it"
        ) from None
    if as_json:
        show.as_json({"name": name, **_end(ended)})
    elif ended.why:
        click.echo(f"{name} was killed: {ended.why}", err=True)
    sys.exit(ended.status)


@click.command(
    epilog="""\b
Examples:
  sojourn stop sim            SIGTERM, and SIGKILL after 10 s
  sojourn stop --grace 60 sim
"""
)
@click.option("--grace", type=click.FloatRange(min=0), default=10.0, show_default=True, metavar="SECONDS")
@process_argument
@json_option
def stop(name: str, grace: float, as_json: bool) -> None:
    """Ask a process to end; kill it when it has not after the grace period."""
    process = connect().process(name)
    process.stop(grace)
    _done(process.info(), as_json)


@click.command(epilog="\b\nExample:\n  sojourn kill sim")
@process_argument
@json_option
def kill(name: str, as_json: bool) -> None:
    """End a process at once (SIGKILL)."""
    process = connect().process(name)
    process.kill()
    _done(process.info(), as_json)


@click.command(epilog="\b\nExample:\n  sojourn stop sim && sojourn rm sim")
@process_argument
@json_option
def rm(name: str, as_json: bool) -> None:
    """Forget an ended process, its log included; its name is free again."""
    process = connect().process(name)
    process.rm()
    if as_json:
        show.as_json({"name": process.name, "id": process.id, "removed": True})


def _done(row: ProcessInfo, as_json: bool) -> None:
    if as_json:
        show.as_json(row)


def _end(ended: Ended) -> dict[str, object]:
    return {"state": ended.state, "exit_code": ended.exit_code, "signal": ended.signal, "why": ended.why}


def write_through(chunk: Chunk) -> None:
    """The program's bytes to the stream of ours that they belong to, unchanged and at once."""
    left = memoryview(chunk.data)
    while left:
        left = left[os.write(2 if chunk.stream == "err" else 1, left) :]


def show_json(chunk: Chunk) -> None:
    """One chunk as a line of JSON; bytes that are not UTF-8 as base64."""
    try:
        show.as_json({"stream": chunk.stream, "text": chunk.data.decode()})
    except UnicodeDecodeError:
        show.as_json({"stream": chunk.stream, "base64": base64.b64encode(chunk.data).decode()})

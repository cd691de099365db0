"""The commands that look at processes and empty nodes: show, check, drain."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import click

from sojourn.cli import show as out
from sojourn.cli.options import complete_node, complete_process, json_option, process_argument
from sojourn.client import connect
from sojourn.client.upkeep import CheckReport, Passenger, Place
from sojourn.errors import SojournError


@click.command(
    epilog="""\b
Examples:
  sojourn show sim
  sojourn show sim --json | jq '.holds.resources[] | {name, binding}'
"""
)
@process_argument
@json_option
def show(name: str, as_json: bool) -> None:
    """Show all about one process: where it was, what it holds, what would keep it from moving."""
    shown = connect().process(name).show()
    if as_json:
        return out.as_json(shown)
    for head, text in _lines(shown):
        click.echo(click.style(f"{head:<10}", bold=True) + text)


def _lines(shown: dict[str, Any]) -> list[tuple[str, str]]:
    """What is shown, as heads and lines; a head stands before its first line only."""
    lines = [
        ("name", f"{shown['name']}  ({shown['id']})"),
        ("program", shown["program"]),
        ("state", f"{_state(shown)}  at {shown['node']}" + (f", pid {shown['pid']}" if shown["pid"] else "")),
        ("epoch", f"{shown['epoch']}, after {shown['moves']} moves"),
    ]
    if shown.get("file"):
        lines.append(("image", f"{shown['file_at']}:{shown['file']}"))
    for number, stay in enumerate(shown["stays"]):
        since = time.localtime(stay["since"]) if stay["since"] else None
        begun = f" from {time.strftime('%Y-%m-%d %H:%M:%S', since)}," if since else ""
        lines.append(("" if number else "stays", f"{stay['node']} {begun} epoch {stay['epoch']}"))
    for number, (what, how) in enumerate(shown["limits"].items()):
        lines.append(("" if number else "limits", f"{what} {how}"))
    lines.append(("output", out.size(sum(shown["log"].values())) + f" in {len(shown['log'])} segments"))
    holds: dict[str, Any] = shown.get("holds", {})
    if "folder" in holds:
        lines += [
            ("folder", holds["folder"] or "(removed)"),
            *([("travels", f"{holds['workspace']} and what is in it")] if holds.get("workspace") else []),
            ("memory", f"{out.size(holds['memory'])}, {holds['modules']} modules of the library"),
        ]
    for number, each in enumerate(holds.get("resources", ())):
        held = f", held by {each['holder']}" if each.get("holder") else ""
        what = f"{each['fd']}  {each['kind']} {each['name']}, bound by {each['binding']}{held}"
        lines.append(("" if number else "holds", what))
    lines += [("" if number else "stuck", why) for number, why in enumerate(holds.get("reasons", ()))]
    return lines


def _state(shown: dict[str, Any]) -> str:
    if shown["state"] != "ended":
        return shown["state"]
    if shown["why"]:
        return f"killed, {shown['why']}"
    return f"ended by signal {shown['signal']}" if shown["signal"] else f"ended with {shown['exit_code']}"


@click.command(
    epilog="""\b
Examples:
  sojourn check sim                 can it move, and to which nodes?
  sojourn check sim --node n2       to n2?
  sojourn check sim --node n2 && sojourn move sim n2
  sojourn check ./sim.py            before it runs: by reading it alone

\b
A running program is captured as for a move and stands still for a moment; it is not changed. Of a file nothing is
run or imported: what is known to hold a process is told with its line, and whether the targets have what it imports.
Exit status 0: it can move. 1: it cannot, with every reason.
"""
)
@click.option(
    "--python", help="For a file: the interpreter that it would have. [default: $VIRTUAL_ENV, then python3]"
)
@click.option("--node", shell_complete=complete_node, help="The target. [default: all other nodes]")
@click.option(
    "--deadline", type=click.FloatRange(min=0), metavar="SECONDS", help="How long a C call may hold it."
)
@click.argument("name", metavar="NAME|PROGRAM.py", shell_complete=complete_process)
@json_option
def check(
    name: str, node: str | None, deadline: float | None, python: str | None, as_json: bool
) -> None:
    """Say whether a process, or a program that does not run yet, can move, with every reason why not."""
    if os.sep in name or name.endswith(".py"):
        return _check_program(name, node, python, as_json)
    report = connect().process(name).check(node, deadline=deadline)
    if as_json:
        out.as_json(report)
    else:
        _say(report)
    sys.exit(0 if report.can_move else 1)


def _check_program(name: str, node: str | None, python: str | None, as_json: bool) -> None:
    read = connect().check_program(name, node, python=python)
    if as_json:
        out.as_json(read)
    else:
        where = os.getcwd() + os.sep
        for finding in read.findings:
            mark = "" if finding.certain else "maybe: "
            click.echo(f"{finding.file.removeprefix(where)}:{finding.line}: {mark}{finding.what}")
        if not any(finding.certain for finding in read.findings):
            click.echo(f"nothing in {name} is known to keep it from moving")
        _say_places(read.targets)
    sys.exit(0 if read.can_move else 1)


def _say(report: CheckReport) -> None:
    if report.reasons:
        click.echo(f"{report.name} cannot move:")
        for reason in report.reasons:
            click.echo(f"  - {reason}")
    elif report.stopped_ms is not None:
        click.echo(
            f"{report.name} can be captured: {out.size(report.image_bytes or 0)}, {report.frames} frames deep "
            f"(it stood still for {report.stopped_ms:.1f} ms)"
        )
    _say_places(report.targets)


def _say_places(places: list[Place]) -> None:
    for place in places:
        click.echo(f"{place.node}: " + ("would not take it" if place.reasons else "would take it"))
        for reason in place.reasons:
            click.echo(f"  - {reason}")


@click.command(
    epilog="""\b
Examples:
  sojourn drain n1                  everything leaves n1, four at a time
  sojourn drain --at-once 1 n1
  sojourn drain --undo n1           n1 takes processes again

\b
Exit status 0: nothing runs there any more. 1: something stayed, with the reasons.
"""
)
@click.option(
    "--at-once", type=click.IntRange(min=1), default=4, show_default=True, help="Moves under way at a time."
)
@click.option(
    "--deadline", type=click.FloatRange(min=0), metavar="SECONDS", help="How long a C call may hold each."
)
@click.option("--undo", is_flag=True, help="Let the node take processes again.")
@click.argument("node", metavar="NODE", shell_complete=complete_node)
@json_option
def drain(node: str, at_once: int, deadline: float | None, undo: bool, as_json: bool) -> None:
    """Move everything away from a node; it takes nothing new until --undo."""
    cluster = connect()
    if undo:
        cluster.undrain(node)
        return out.as_json({"node": node, "state": "up"}) if as_json else None

    def told(passenger: Passenger) -> None:
        if not as_json:
            _told(passenger)

    try:
        report = cluster.drain(node, at_once=at_once, deadline=deadline, on_step=told)
    except KeyboardInterrupt:
        raise SojournError(
            f"no more processes leave {node}; moves that had begun go on",
            advice=f"{node} still takes nothing new: `sojourn drain {node}` goes on, "
            f"`sojourn drain --undo {node}` opens it again",
        ) from None
    if as_json:
        out.as_json(report)
    else:
        stayed = sum(each.step == "stays" for each in report.processes)
        click.echo(
            f"{node} is empty and takes nothing new"
            if report.empty
            else f"{stayed} of {len(report.processes)} processes stay at {node}"
        )
    sys.exit(0 if report.empty else 1)


def _told(passenger: Passenger) -> None:
    match passenger.step:
        case "moved":
            click.echo(f"{passenger.name} moved to {passenger.target}")
        case "stays":
            click.echo(f"{passenger.name} stays:")
            for reason in passenger.reasons:
                click.echo(f"  - {reason}")
        case "warning":
            for reason in passenger.reasons:
                click.echo(f"warning: {reason}", err=True)
        case "gone":
            click.echo(f"{passenger.name} is not there any more")
        case _:
            pass

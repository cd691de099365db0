"""The commands about images: freeze, thaw, inspect."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from sojourn.cli import show
from sojourn.cli.options import complete_node, json_option, process_argument
from sojourn.client import connect
from sojourn.errors import NotFound, UsageError

LOCALS = 12  # shown of one frame; --json has them all


@click.command(
    epilog="""\b
Examples:
  sojourn freeze sim sim.image            it ends here; `sojourn thaw sim.image` goes on
  sojourn freeze sim images/sim/          a folder instead of one tar file
  sojourn freeze --deadline 30 sim f      wait up to 30 s where a C call holds it

\b
The file is written here, wherever the process runs. It is an OCI image layout, signed by this cluster, and holds the
program's memory: keep it as you would the program's data. If anything goes wrong, Ctrl-C included, the process goes on
and no file is left.
"""
)
@click.option(
    "--deadline", type=click.FloatRange(min=0), metavar="SECONDS", help="How long a C call may hold it."
)
@process_argument
@click.argument("file", metavar="FILE", type=click.Path())
@json_option
def freeze(name: str, file: str, deadline: float | None, as_json: bool) -> None:
    """Write a process to a file and end it, in the middle of whatever it does.

    Its output is kept in the file, too. It stays in `sojourn ps` as frozen until it is thawed or removed.
    """
    process = connect().process(name)
    try:
        report = process.freeze(
            file,
            deadline=deadline,
            on_stage=lambda stage: show.progress(f"{name}: {stage}"),
            on_bytes=lambda count: show.progress(f"{name}: {show.size(count)} are here"),
        )
    finally:
        show.progress("")
    if as_json:
        return show.as_json(report)
    click.echo(
        f"{report.name} is frozen in {report.file}: {show.size(report.bytes)}, {report.frames} frames deep, "
        f"{report.total_ms:.0f} ms"
    )


@click.command(
    epilog="""\b
Examples:
  sojourn thaw sim.image                  the process goes on, where it was frozen in its program
  sojourn thaw sim.image --node n2        on that node
  sojourn thaw sim.image --name sim-2     a copy: another process, any number of times
  sojourn thaw theirs.image --trust KEY   from another cluster, if you know whose key that is

\b
The file is here; a node that does not see it is sent what it needs of it. An image is a program: one that this cluster
has not signed is refused, with the name of its key. Where something that it needs is not there (interpreter, packages,
files), everything missing is said at once.
"""
)
@click.option(
    "--node", shell_complete=complete_node, help="Where. [default: a node that sees the file, or else any]"
)
@click.option("--name", help="Make a copy of this name. [default: the process itself]")
@click.option("--trust", "trust", multiple=True, metavar="KEY", help="Believe the key of this fingerprint, once.")
@click.argument("file", metavar="FILE", type=click.Path())
@json_option
def thaw(file: str, node: str | None, name: str | None, trust: tuple[str, ...], as_json: bool) -> None:
    """Go on from an image, in the middle of the loop in which it was frozen."""
    try:
        report = (
            connect()
            .thaw(
                file,
                node=node,
                name=name,
                trust=trust,
                on_bytes=lambda count: show.progress(f"{file}: {show.size(count)} brought"),
            )
            .report
        )
    finally:
        show.progress("")
    if as_json:
        return show.as_json(report)
    what = "a copy, goes on" if report.who == "copy" else "goes on"
    click.echo(
        f"{report.name} {what} at {report.node}: {show.size(report.image_bytes)}, first instruction after "
        f"{report.first_instruction_ms:.1f} ms, epoch {report.epoch}"
    )


@click.command(
    epilog="""\b
Examples:
  sojourn inspect sim                     what it does at this moment, frame by frame
  sojourn inspect sim.image               what it did when it was frozen; who has signed the file
  sojourn inspect sim --json | jq '.execution[-1]'

\b
A name that is a process's means the process; ./NAME is always a file. Nothing of a file is run or unpickled.
"""
)
@click.argument("target", metavar="FILE|NAME")
@json_option
def inspect(target: str, as_json: bool) -> None:
    """Look into a process or an image: code, resources, execution, memory."""
    found = _found(target)
    if as_json:
        return show.as_json(found)
    for head, text in _lines(found):
        click.echo(click.style(f"{head:<11}", bold=True) + text)


def _found(target: str) -> dict[str, Any]:
    cluster = connect()
    if os.sep not in target:
        try:
            return cluster.process(target).inspect()
        except NotFound:
            if not os.path.exists(target):
                raise UsageError(f"{target!r} is neither a process nor a file") from None
    return cluster.inspect(target)


Lines = list[tuple[str, str]]


def _lines(found: dict[str, Any]) -> Lines:
    process, code = found["process"], found["code"]
    lines: Lines = [("process", f"{process['name']}  ({process['id']}), epoch {process['epoch']}")]
    if image := found.get("image"):
        lines += _image(image)
    else:
        lines.append(("node", process["node"]))
    interpreter = code["interpreter"]
    lines += [
        ("program", code["program"]),
        ("code", f"{interpreter['implementation']} {interpreter['version']} on {interpreter['arch']}"),
        ("", f"{len(code['modules'])} modules of its own, {code['library']} of the environment"),
    ]
    lines += [("", f"{each['name']}  {each['file']}") for each in code["modules"]]
    lines += [("", f"{name} {version}") for name, version in sorted(code["packages"].items())]
    for number, each in enumerate(found["resources"]):
        held = f", held by {each['holder']}" if each.get("holder") else ""
        what = f"{each.get('fd')}  {each.get('kind')} {each.get('name')}, bound by {each.get('binding')}{held}"
        lines.append(("" if number else "resources", what))
    lines += _execution(found["execution"])
    memory = (f"{what} {show.size(count)}" for what, count in found["memory"].items())
    return [*lines, ("memory", ", ".join(memory))]


def _image(image: dict[str, Any]) -> Lines:
    frozen = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(image["frozen_at"]))
    believed = "believed here" if image["believed"] else "NOT believed here"
    sizes = (f"{kind} {show.size(each['bytes'])}" for kind, each in image["segments"].items())
    return [
        ("image", f"{image['file']}, format {image['version']}, frozen {frozen}"),
        ("signed", f"by node {image['node']} of cluster {image['cluster']}, key {image['key']}, {believed}"),
        ("segments", ", ".join(sizes)),
    ]


def _execution(frames: list[dict[str, Any]]) -> Lines:
    lines: Lines = []
    for frame in frames:
        head = "" if lines else "execution"
        if frame.get("omitted"):
            lines.append((head, f"... {frame['omitted']} frames"))
            continue
        lines.append((head, f"{frame['file']}:{frame['line']} in {frame['function']}"))
        own = frame.get("locals", [])
        for each in own[:LOCALS]:
            length = f", {each['length']} long" if each.get("length") is not None else ""
            lines.append(("", f"    {each['name']}: {each['type']}, {show.size(each['size'])}{length}"))
        if len(own) > LOCALS:
            lines.append(("", f"    ... {len(own) - LOCALS} more"))
    return lines

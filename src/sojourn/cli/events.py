"""The command `events`: what happens in the cluster, as it happens."""

from __future__ import annotations

import re
import signal
import time
from datetime import datetime

import click
import msgspec

from sojourn._util import clock
from sojourn.cli import show
from sojourn.cli.options import json_option, process_completion
from sojourn.client import connect
from sojourn.wire import events as kinds

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class _Moment(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]  (generic in stubs alone)
    """ "10min" (ago), a date and time, or Unix time."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        if found := _SPAN.fullmatch(text):
            return clock.wall() - float(found[1]) * _UNITS[found[2]]
        try:
            return float(text)
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            self.fail(f"{text!r} is neither a span (90s, 10min, 2h, 1d) nor a date and time", param, ctx)


@click.command(
    epilog="""\b
Examples:
  sojourn events                       what the cluster remembers: a day, 20,000 events
  sojourn events -f                    what happens from now on, until Ctrl-C
  sojourn events -f --process sim      to one process, wherever it is
  sojourn events --since 10min --json | jq -r 'select(.event == "aborted") | .why'
  sojourn events --since 2026-03-01T12:00

\b
Any node answers for all of them. With -f and --since it shows what was, then what comes.
"""
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens.")
@click.option("--process", metavar="NAME", shell_complete=process_completion, help="What concerns this one.")
@click.option("--since", type=_Moment(), help="From there on: a span before now, or a date and time.")
@json_option
def events(follow: bool, process: str | None, since: float | None, as_json: bool) -> None:
    """Show what happened in the cluster: starts, moves with their downtime, refusals with the reason, ends."""
    for event in connect().events(follow=follow, process=process, since=since):
        if as_json:
            show.as_json(event)
        else:
            click.echo(line(event))


def line(event: kinds.AnyEvent) -> str:
    """One event for people: "12:03:44.120 n1  sim  moved to n2: 9.8 ms of downtime, 41 ms in all, 9.5 KB"."""
    stamp = time.strftime("%H:%M:%S", time.localtime(event.time)) + f".{int(event.time % 1 * 1000):03d}"
    about = getattr(event, "process", "") or "-"
    return f"{stamp}  {event.node:<6}  {about:<14}  {said(event)}"


def said(event: kinds.AnyEvent) -> str:
    """What happened, without when, where and to whom."""
    match event:
        case kinds.Started():
            return f"started: {event.program}"
        case kinds.Moving():
            return f"moving to {event.to}"
        case kinds.Moved():
            return (
                f"moved to {event.to}: {event.downtime_ms:.1f} ms of downtime, {event.total_ms:.0f} ms in all, "
                f"{show.size(event.bytes)}, epoch {event.epoch}"
            )
        case kinds.Aborted():
            return f"did not move to {event.to}: {event.why}"
        case kinds.Frozen():
            return f"frozen{f' to {event.file}' if event.file else ''}"
        case kinds.Thawed():
            return f"thawed{f' from {event.file}' if event.file else ''}"
        case kinds.Cloned():
            return f"cloned to {event.to} as {event.copy_name}"
        case kinds.Renamed():
            return f"renamed from {event.before}"
        case kinds.Ended():
            how = f"by {_signal(event.signal)}" if event.signal else f"with exit code {event.exit_code}"
            return f"ended {how}{event.why and ', '}{event.why}"
        case kinds.Lost():
            return f"lost: node {event.at} died"
        case kinds.Returned():
            return "goes on: it was given up for lost"
        case kinds.NodeUp():
            return f"node up: {event.why}"
        case kinds.NodeGone():
            return f"node {event.gone} is gone: {event.why}"
        case kinds.Trouble():
            return f"trouble: {event.what}"
        case kinds.Mended():
            return f"mended: {event.what}"
        case kinds.Unknown():
            told = {key: value for key, value in event.told.items() if key not in ("event", "time", "node")}
            return f"{event.kind}: {msgspec.json.encode(told).decode()}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

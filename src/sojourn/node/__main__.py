"""`python -m sojourn.node up|join|start|login|down`: what the commands of the same meaning run. With
--json, errors too are JSON.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from sojourn.errors import SojournError, UsageError
from sojourn.names.server import Server
from sojourn.node import cluster, newcomer
from sojourn.node.config import LEASE, Cluster, Options


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sojourn.node", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="start NATS and nodes; returns when they are ready")
    up.add_argument("--nodes", type=int, default=1, help="how many (named n1, n2, ...)")
    up.add_argument(
        "--lease", type=int, default=int(LEASE), help="seconds until a silent node counts as dead"
    )
    up.add_argument("--faults", action="store_true", help="offer the fault points that tests use")
    up.add_argument("--nats", metavar="URL", help="use this NATS server and start none")
    up.add_argument(
        "--listen",
        metavar="ADDR",
        default="127.0.0.1",
        help="this machine's address, for other machines to call",
    )
    down = verbs.add_parser("down", help="end the cluster")
    join = verbs.add_parser("join", help="let this machine join a cluster, as a node")
    join.add_argument("--listen", metavar="ADDR", help="this machine's address, for others to call")
    login = verbs.add_parser("login", help="let this machine's command line in")
    for verb in (join, login):
        verb.add_argument("--token", required=True)
        verb.add_argument("--url", help="of the join door, when it is not the one in the token")
        verb.add_argument("--name", default="", help="what to be called")
    start = verbs.add_parser("start", help="start the node of a machine that has joined before")
    for verb in (up, join, login, start, down):
        verb.add_argument("--home", type=Path, required=True, help="the cluster's folder")
        verb.add_argument("--json", action="store_true", help="answer in JSON")
    args = parser.parse_args(argv)
    home = Path(os.path.abspath(args.home))
    try:
        answer = _DO[args.verb](home, args)
    except SojournError as why:
        print(_json({"error": why.to_wire()}) if args.json else f"error: {why}", file=sys.stderr)
        return 1
    print(_json(answer) if args.json else _text(args.verb, answer))
    return 0


def _up(home: Path, args: argparse.Namespace) -> dict[str, Any]:
    if not 1 <= args.nodes <= 1000:
        raise UsageError(f"{args.nodes} nodes are not possible")
    if args.lease < 1:
        raise UsageError("a lease lasts at least a second")
    started = cluster.up(
        home,
        [f"n{number}" for number in range(1, args.nodes + 1)],
        options=Options(lease=float(args.lease), faults=args.faults),
        nats=Server(urls=[args.nats]) if args.nats else None,
        listen=args.listen,
    )
    return _started(home, started)


def _join(home: Path, args: argparse.Namespace) -> dict[str, Any]:
    joined = newcomer.join(home, args.token, url=args.url, name=args.name, listen=args.listen)
    return _started(home, joined)


def _started(home: Path, joined: Cluster) -> dict[str, Any]:
    return {"home": str(home), "cluster": joined.cluster, "nodes": msgspec.to_builtins(joined.nodes)}


_DO: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "up": _up,
    "join": _join,
    "start": lambda home, args: _started(home, newcomer.start(home)),
    "login": lambda home, args: newcomer.login(home, args.token, url=args.url, name=args.name),
    "down": lambda home, args: cluster.down(home),
}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _text(verb: str, answer: dict[str, Any]) -> str:
    if verb == "down":
        return f"the cluster at {answer['home']} has ended"
    if verb == "login":
        return f"this command line is {answer['name']}"
    return "\n".join(f"{node['name']}  {node['address']}  pid {node['pid']}" for node in answer["nodes"])


if __name__ == "__main__":
    sys.exit(main())

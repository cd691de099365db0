"""`python -m sojourn.node up|down`: what `sojourn up` and `sojourn down` run. With --json, errors too are JSON."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from sojourn.errors import SojournError, UsageError
from sojourn.names.server import Server
from sojourn.node import cluster
from sojourn.node.config import LEASE, Options


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
    for verb in (up, down):
        verb.add_argument("--home", type=Path, required=True, help="the cluster's folder")
        verb.add_argument("--json", action="store_true", help="answer in JSON")
    args = parser.parse_args(argv)
    home = Path(os.path.abspath(args.home))
    try:
        answer = _up(home, args) if args.verb == "up" else cluster.down(home)
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
    return {"home": str(home), "cluster": started.cluster, "nodes": msgspec.to_builtins(started.nodes)}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _text(verb: str, answer: dict[str, Any]) -> str:
    if verb == "down":
        return f"the cluster at {answer['home']} has ended"
    return "\n".join(f"{node['name']}  {node['address']}  pid {node['pid']}" for node in answer["nodes"])


if __name__ == "__main__":
    sys.exit(main())

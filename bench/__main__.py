"""`python -m bench [--quick] [NAME...]`: measures, prints a table, keeps it in out/."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench import commands, copies, freezing, images, memory, moves, overhead, scale, threads, trust
from bench.figure import Figure, keep, show
from bench.threads import switches
from sojourn.testing import LocalCluster

OUT = Path(__file__).parents[1] / "out"


def main() -> None:
    console = Console(log_path=False)
    parts: dict[str, Callable[[LocalCluster, bool], list[Figure]]] = {
        "idle": lambda local, quick: commands.idle(local, console),
        "line": lambda local, quick: commands.first_line(local, console, rounds=7 if quick else 40),
        "ps": lambda local, quick: commands.whole_commands(local, console, rounds=5 if quick else 25),
        "moves": lambda local, quick: moves.measure(local, console, moves=20 if quick else 200),
        "copies": lambda local, quick: copies.measure(local, console, rounds=10 if quick else 100),
        "memory": lambda local, quick: memory.measure(local, console, rounds=3 if quick else 11),
        "images": lambda local, quick: images.measure(
            local, console, thaws=10 if quick else 60, large=1 << (28 if quick else 30), rounds=2 if quick else 5
        ),
        "trust": lambda local, quick: trust.measure(
            local, console, handshakes=30 if quick else 200, transfers=3 if quick else 11, moves=20 if quick else 200
        ),
        "scale": lambda local, quick: scale.measure(
            console, rounds=2 if quick else 10, processes=50 if quick else 500, names=1000 if quick else 10_000
        ),
        "overhead": lambda local, quick: overhead.measure(local, console, rounds=3 if quick else 11),
    }
    alone: dict[str, Callable[[bool], list[Figure]]] = {  # without a cluster
        "freezing": lambda quick: freezing.measure(
            console, requests=10 if quick else 100, crowds=10 if quick else 50, seconds=4 if quick else 16
        ),
        "threads": lambda quick: threads.measure(console, rounds=3 if quick else 7, scale=0.2 if quick else 1.0),
        "switches": lambda quick: switches.measure(console, OUT, rounds=3 if quick else 9, scale=0.2 if quick else 1.0),
    }
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it works")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join([*parts, *alone])}")
    options = parser.parse_args()
    if unknown := set(options.names) - set(parts) - set(alone):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    for name, part in alone.items():
        if not options.names or name in options.names:
            figures += part(options.quick)
    if not options.names or set(options.names) & set(parts):
        with LocalCluster(nodes=3) as local:
            for name, part in parts.items():
                if not options.names or name in options.names:
                    figures += part(local, options.quick)
    show(figures, console)
    console.print(f"kept in {keep(figures, OUT)}")


if __name__ == "__main__":
    main()

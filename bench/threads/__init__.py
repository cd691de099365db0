"""User-level threads against asyncio, uvloop, trio, gevent and a kernel-level thread for each, all in turn.

Every measurement is made in a process of its own (`work`). A peer that is not installed is left out, and said to be:
`pip install 'sojourn[bench-threads]'`. The floor is uvloop, but for lateness, where it is a kernel-level thread for
each.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench.figure import Figure, interleaved, median

ROOT = Path(__file__).parents[2]
OURS, FLOOR = "threads", "uvloop"
OTHERS = ("threads-user", "threads-hybrid", "asyncio", "trio", "gevent", "kernel")
NEEDS = {"trio": "trio", "gevent": "gevent"}
# What a machine can be asked for.
KERNEL_AT_MOST = {"create": 2000, "batches": 2000, "memory": 1000, "late": 1000, "echo": 200}

WORKS = {  # work: how many, unit, promise as a bound of the ratio to the floor
    "create": (50_000, "us", 0.5),
    "batches": (50_000, "us", 0.5),
    "memory": (100_000, "bytes", 1.0),
    "switch": (100_000, "us", 0.5),
    "pingpong": (30_000, "us", 1.0),
    "fanin": (50_000, "us", 1.0),
    "echo": (1000, "us", 1.0),
}


def missing(peer: str) -> str | None:
    """Why it cannot be measured here."""
    package = NEEDS.get(peer)
    if package is not None and importlib.util.find_spec(package) is None:
        return f"{package} is not installed"
    return None


def once(peer: str, work: str, count: int) -> dict[str, float]:
    if peer in ("kernel", "threads-kernel"):
        count = min(count, KERNEL_AT_MOST.get(work, count))
    command = [sys.executable, "-m", "bench.threads.work", peer, work, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{peer} {work}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout)


def measure(console: Console, *, rounds: int, scale: float = 1.0) -> list[Figure]:
    peers = [OURS, FLOOR]
    for peer in OTHERS:
        if (why := missing(peer)) is None:
            peers.append(peer)
        else:
            console.log(f"threads: left out {peer}: {why}")
    figures: list[Figure] = []
    for work, (count, unit, bound) in WORKS.items():
        console.log(f"threads: {work}")
        key = "bytes" if unit == "bytes" else "us"
        values = _medians(peers, work, max(100, int(count * scale)), key, rounds)
        floor = values[FLOOR]
        for peer in peers:
            promise = f"at most {bound}" if peer == OURS else ""
            kept = values[peer] <= bound * floor if peer == OURS else None
            figures.append(Figure(f"{work}: {peer}", values[peer], unit, floor, FLOOR, promise, kept, rounds))
    figures += _late(console, peers, rounds, max(100, int(1000 * scale)))
    return figures


def _medians(peers: list[str], work: str, count: int, key: str, rounds: int) -> dict[str, float]:
    def side(peer: str) -> Callable[[], float]:
        return lambda: once(peer, work, count)[key]

    return dict(zip(peers, map(median, interleaved(rounds, *(side(peer) for peer in peers))), strict=True))


def _late(console: Console, peers: list[str], rounds: int, count: int) -> list[Figure]:
    """1,000 sleepers and 8 who block."""
    console.log("threads: lateness beside blocking calls")
    seen: dict[str, list[dict[str, float]]] = {peer: [] for peer in peers}

    def side(peer: str) -> Callable[[], float]:
        def run() -> float:
            seen[peer].append(once(peer, "late", count))
            return 0.0

        return run

    interleaved(rounds, *(side(peer) for peer in peers))
    figures: list[Figure] = []
    for which, bound in (("p50", 1.0), ("p99", 30.0)):
        values = {peer: median([one[which] for one in seen[peer]]) for peer in peers}
        for peer in peers:
            kept = values[peer] <= bound if peer == OURS else None
            promise = f"at most {bound:g} ms" if peer == OURS else ""
            floor = values["kernel"]
            figures.append(Figure(f"late {which}: {peer}", values[peer], "ms", floor, "kernel", promise, kept, rounds))
    return figures

"""Moves of a small program between nodes of one machine: downtime, whole move, bytes.

The floor is what the same steps cost without Sojourn: send as many bytes over TCP to another process, which
forks (the host that a thaw starts in) and answers.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track

from bench.figure import Figure, median, percentile, timed
from sojourn.testing import LocalCluster

SMALL = '''"""Counts, through two functions and a generator."""


def numbers():
    number = 0
    while True:
        yield number
        number += 1


def work(limit, seen):
    for number in numbers():
        seen[number % 100] = str(number)
        if number == limit:
            return len(seen)


print(work(10**12, {}))
'''


def measure(local: LocalCluster, console: Console, *, moves: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as folder:
        program = Path(folder, "small.py")
        program.write_text(SMALL)
        first, second = local.nodes[:2]
        process = local.client.run(program, python=sys.executable, node=first)
        process.move(second)  # the first one makes baselines and templates
        process.move(first)
        reports, floors = [], []
        for number in track(range(moves), description="moves", console=console, transient=True):
            reports.append(process.move(second if number % 2 == 0 else first))
            floors.append(_floor(reports[-1].bytes) * 1000)
        process.kill()
        process.rm()
    down = [report.downtime_ms for report in reports]
    whole = [report.total_ms for report in reports]
    size = median([report.bytes for report in reports])
    floor, floor_is = median(floors), "fork, and the bytes over TCP"
    p50, p99, total = percentile(down, 50), percentile(down, 99), percentile(whole, 50)
    return [
        Figure("downtime p50", p50, "ms", floor, floor_is, "under 15 ms", p50 < 15, moves),
        Figure("downtime p99", p99, "ms", floor, floor_is, "under 50 ms", p99 < 50, moves),
        Figure("whole move p50", total, "ms", floor, floor_is, "under 60 ms", total < 60, moves),
        Figure("image of a small program", size / 1000, "KB", None, "", "under 20 KB", size < 20_000, moves),
    ]


def _floor(size: int) -> float:
    """Seconds to send `size` bytes to a process that forks once it has them, and to hear from its child."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = os.fork()
    if not server:
        peer, _ = listener.accept()
        left = size
        while left:
            left -= len(peer.recv(min(left, 1 << 20)))
        if not os.fork():
            peer.sendall(b"!")
            os._exit(0)
        os.wait()
        os._exit(0)
    with listener, socket.create_connection(listener.getsockname()) as peer:
        payload = bytes(size)

        def send() -> None:
            peer.sendall(payload)
            peer.recv(1)

        seconds = timed(send)
    os.waitpid(server, 0)
    return seconds

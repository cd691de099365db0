"""A program with 100 MB of numpy, stop-and-copy. The floor: its bytes over plain TCP, and copied once in
memory.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench.figure import Figure, interleaved, median, timed
from sojourn.testing import LocalCluster

SIZE = 100_000_000
PROGRAM = f"""import numpy
import time

data = numpy.frombuffer(numpy.random.default_rng(1).bytes({SIZE}), dtype=numpy.uint8).copy()
print("ready", flush=True)
while True:
    data[:1000] += 1
    for _ in range(100_000):
        pass
"""


def measure(local: LocalCluster, console: Console, *, rounds: int) -> list[Figure]:
    console.log("memory: 100 MB of numpy")
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as folder:
        program = Path(folder, "memory.py")
        program.write_text(PROGRAM)
        nodes = local.nodes[:2]
        process = local.client.run(program, python=sys.executable, node=nodes[0])
        next(process.logs(follow=True))
        process.move(nodes[1])  # the first one makes baselines and templates
        there = [1]

        def downtime() -> float:
            there[0] = 1 - there[0]
            return process.move(nodes[there[0]]).downtime_ms

        values, floors = interleaved(rounds, downtime, lambda: _floor() * 1000)
        process.kill()
        process.rm()
    value, floor = median(values), median(floors)
    return [
        Figure(
            "100 MB of numpy, downtime",
            value,
            "ms",
            floor,
            "TCP and one copy",
            "at most 2.5 times the floor",
            value <= 2.5 * floor,
            rounds,
        )
    ]


def _floor() -> float:
    """Seconds until another process has the bytes in memory of its own, and one more copy of them is made."""
    payload = bytearray(os.urandom(1 << 20) * (SIZE >> 20))
    listener = socket.create_server(("127.0.0.1", 0))
    server = os.fork()
    if not server:
        peer, _ = listener.accept()
        got, view = 0, memoryview(bytearray(len(payload)))
        while got < len(view):
            got += peer.recv_into(view[got:])
        peer.sendall(b"!")
        os._exit(0)
    with listener, socket.create_connection(listener.getsockname()) as peer:

        def send() -> None:
            peer.sendall(payload)
            peer.recv(1)
            bytes(payload)

        seconds = timed(send)
    os.waitpid(server, 0)
    return seconds

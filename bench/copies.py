"""Clones of a small program, and hops that it makes itself, against moves of the same program in the same run."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from bench.figure import Figure, median
from bench.moves import SMALL
from sojourn.testing import LocalCluster

HOPPER = '''"""Hops to and fro, and says how long each took."""

import time
import sojourn

for number in range(ROUNDS):
    began = time.time()
    sojourn.hop("SECOND" if number % 2 == 0 else "FIRST")
    print((time.time() - began) * 1000, flush=True)
'''


def measure(local: LocalCluster, console: Console, *, rounds: int) -> list[Figure]:
    first, second = local.nodes[:2]
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as folder:
        program = Path(folder, "small.py")
        program.write_text(SMALL)
        process = local.client.run(program, python=sys.executable, node=first)
        process.move(second)  # the first one makes baselines and templates
        process.move(first)
        moves, clones, latencies, pauses = [], [], [], []
        for number in track(range(rounds), description="clones", console=console, transient=True):
            moves.append(process.move(second if number % 2 == 0 else first).total_ms)
            began = time.perf_counter()
            report = process.clone(second)
            clones.append((time.perf_counter() - began) * 1000)
            pauses.append(report.pause_ms)
            latencies += [copy.latency_ms for copy in report.copies if copy.latency_ms is not None]
            for copy in report.copies:
                handle = local.client.process(copy.name)
                handle.kill()
                handle.rm()
        process.kill()
        process.rm()
        hopper = Path(folder, "hopper.py")
        text = HOPPER.replace("ROUNDS", str(rounds + 2)).replace("FIRST", first).replace("SECOND", second)
        hopper.write_text(text)
        process = local.client.run(hopper, python=sys.executable, node=first)
        process.wait()
        hops = [float(line) for line in process.output()[0].split()][2:]
        process.rm()
    floor, one, hop = median(moves), median(clones), median(hops)
    return [
        Figure("clone, whole", one, "ms", floor, "a move", "under 40 ms", one < 40, rounds),
        Figure("clone, to the copy's first opcode", median(latencies), "ms", floor, "a move", "", None, rounds),
        Figure("clone, the original's pause", median(pauses), "ms", floor, "a move", "", None, rounds),
        Figure("hop, whole", hop, "ms", floor, "a move", "like a move", hop < 1.5 * floor, rounds),
    ]

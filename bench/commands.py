"""What a user waits for: the first line of a program, `sojourn ps`, `sojourn up`; and what an idle node
takes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console

from bench.figure import Figure, interleaved, median, timed
from sojourn.testing import LocalCluster

IDLE = 10.0  # seconds over which an idle node's CPU time is taken


def first_line(local: LocalCluster, console: Console, *, rounds: int) -> list[Figure]:
    """From `run` through the API to the program's first line, against `python PROGRAM.py`."""
    console.log("first line")
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as folder:
        program = Path(folder, "hello.py")
        program.write_text("print('hello', flush=True)\n")

        def plain() -> float:
            def run() -> None:
                with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE) as child:
                    assert child.stdout is not None
                    child.stdout.readline()

            return timed(run)

        def hosted() -> float:
            began = time.perf_counter()
            process = local.client.run(program, python=sys.executable)
            next(process.logs(follow=True))
            seconds = time.perf_counter() - began
            process.wait()
            process.rm()
            return seconds

        hosted()  # makes the template
        floor, value = (median(values) * 1000 for values in interleaved(rounds, plain, hosted))
    promise = "at most 1.5 times the floor"
    kept = value <= 1.5 * floor
    return [Figure("run to the first line", value, "ms", floor, "plain python", promise, kept, rounds)]


def whole_commands(local: LocalCluster, console: Console, *, rounds: int) -> list[Figure]:
    """`sojourn ps` and `sojourn up --nodes 3`, as processes, against a bare interpreter."""
    console.log("ps, up")
    sojourn = [sys.executable, "-m", "sojourn.cli.main"]
    here = {**os.environ, "SOJOURN_HOME": str(local.home)}

    def bare() -> float:
        return timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))

    def ps() -> float:
        return timed(lambda: subprocess.run([*sojourn, "ps"], check=True, capture_output=True, env=here))

    def up() -> float:
        with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as home:
            there = {**os.environ, "SOJOURN_HOME": home}
            command = [*sojourn, "up", "--nodes", "3"]
            seconds = timed(lambda: subprocess.run(command, check=True, capture_output=True, env=there))
            subprocess.run([*sojourn, "down"], check=True, capture_output=True, env=there)
        return seconds

    floors, listed = interleaved(rounds, bare, ps)
    started = [up() for _ in range(max(3, rounds // 5))]
    floor, one, three = median(floors) * 1000, median(listed) * 1000, median(started) * 1000
    bare_is = "python -c pass"
    return [
        Figure("sojourn ps", one, "ms", floor, bare_is, "under 150 ms", one < 150, rounds),
        Figure(
            "sojourn up --nodes 3", three, "ms", floor, bare_is, "under 1500 ms", three < 1500, len(started)
        ),
    ]


def idle(local: LocalCluster, console: Console) -> list[Figure]:
    """Memory and CPU of a node with nothing to do, its templates included, against a bare interpreter's
    memory.
    """
    console.log(f"idle: {IDLE:g} s")
    nodes = [psutil.Process(entry.pid) for entry in local.entries]
    psutil.wait_procs(nodes, timeout=IDLE / 2)  # they do not end: this is time for start-up to settle
    before = [sum(node.cpu_times()[:4]) for node in nodes]
    psutil.wait_procs(nodes, timeout=IDLE)
    after = [sum(node.cpu_times()[:4]) for node in nodes]
    cpu = max(100 * (b - a) / IDLE for a, b in zip(before, after, strict=True))
    resident = max(node.memory_info().rss for node in nodes) / 1e6
    families = [[node, *node.children(recursive=True)] for node in nodes]
    own = max(sum(one.memory_full_info().pss for one in family) for family in families) / 1e6
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as bare:
        time.sleep(0.3)  # until it has imported what it does; a figure, not a test
        floor = psutil.Process(bare.pid).memory_info().rss / 1e6
    count = len(nodes)
    bare_is = "bare python"
    return [
        Figure("idle node, resident", resident, "MB", floor, bare_is, "under 60 MB", resident < 60, count),
        Figure("idle node and its templates, PSS", own, "MB", floor, bare_is, "", None, count),
        Figure("idle node, CPU", cpu, "%", None, "", "under 1%", cpu < 1, count),
    ]

"""Many at once: moves between one pair of nodes, 16 at a time; 500 processes on one node; 10,000 names in the registry.

Each in a cluster of its own, so that what is left of one does not weigh on the next.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import track

from bench.figure import Figure, interleaved, median, timed
from sojourn.model.process import State
from sojourn.names.nats_kv import NatsRegistry
from sojourn.names.registry import Record
from sojourn.node import config
from sojourn.testing import LocalCluster
from sojourn.trust import contexts

AT_ONCE = 16
WATCHED = 5.0  # seconds over which the CPU time of processes at rest is taken
SLEEPER = "import time\nprint(flush=True)\nwhile True:\n    time.sleep(60)\n"


def measure(console: Console, *, rounds: int, processes: int, names: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as folder:
        program = Path(folder, "sleeper.py")
        program.write_text(SLEEPER)
        return [
            *moves_at_once(console, program, rounds=rounds),
            *many_processes(console, program, count=processes),
            *many_names(console, count=names),
        ]


def moves_at_once(console: Console, program: Path, *, rounds: int) -> list[Figure]:
    """Moves a second between two nodes, 16 at a time, against one at a time."""
    with LocalCluster(nodes=2) as local, ThreadPoolExecutor(AT_ONCE) as pool:
        first, second = local.nodes
        crowd = [local.client.run(program, python=sys.executable, node=first) for _ in range(AT_ONCE)]
        for node in (second, first):  # makes baselines and templates
            list(pool.map(lambda process, node=node: process.move(node), crowd))
        alone: list[float] = []
        together: list[float] = []
        for _ in track(range(rounds), "moves, 16 at a time", console=console, transient=True):
            for node in (second, first):
                together.append(timed(lambda node=node: list(pool.map(lambda each: each.move(node), crowd))))
            alone.append(timed(lambda: (crowd[0].move(second), crowd[0].move(first))) / 2)
        rate, floor = AT_ONCE / median(together), 1 / median(alone)
    return [
        Figure("moves, 16 at a time", rate, "/s", floor, "one at a time", "to be seen", None, 2 * rounds)
    ]


def many_processes(console: Console, program: Path, *, count: int) -> list[Figure]:
    """What each of many processes on one node costs at rest: memory of its own, CPU of host and node."""
    with LocalCluster(nodes=1) as local:
        started = time.perf_counter()
        for _ in track(range(count), f"{count} processes", console=console, transient=True):
            local.client.run(program, python=sys.executable)
        seconds = time.perf_counter() - started
        hosts = [psutil.Process(row.pid) for row in local.client.ps() if row.pid]
        assert len(hosts) == count
        memory = sum(host.memory_full_info().pss for host in hosts) / count / (1 << 20)
        everybody = [*hosts, psutil.Process(local.entries[0].pid)]
        before = _cpu(everybody)
        time.sleep(WATCHED)
        cpu = (_cpu(everybody) - before) / WATCHED * 100
        listing = timed(lambda: local.client.ps())
    plain = _plain_memory(program)
    return [
        Figure(f"{count} processes: memory each", memory, "MB", plain, "plain python", "to be seen", None, count),
        Figure(f"{count} processes: CPU of all at rest", cpu, "% of a core", None, "", "to be seen", None, 1),
        Figure(f"{count} processes: starts", count / seconds, "/s", None, "", "to be seen", None, count),
        Figure(f"{count} processes: ps", listing * 1000, "ms", None, "", "to be seen", None, 1),
    ]


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _plain_memory(program: Path) -> float:
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        memory = psutil.Process(child.pid).memory_full_info().pss
        child.kill()
    return memory / (1 << 20)


def many_names(console: Console, *, count: int) -> list[Figure]:
    """`sojourn ps`, whole command, with so many names in the registry, against a bare interpreter."""
    console.log(f"{count} names")
    with LocalCluster(nodes=2) as local:
        asyncio.run(_write_names(local, count))
        environment = {**os.environ, "SOJOURN_HOME": str(local.home)}
        command = [sys.executable, "-m", "sojourn.cli.main", "ps", "--json"]

        def listed() -> float:
            return timed(lambda: subprocess.run(command, env=environment, check=True, capture_output=True))

        def bare() -> float:
            return timed(lambda: subprocess.run([sys.executable, "-c", ""], check=True))

        assert len(local.client.ps()) == count
        floor, value = map(median, interleaved(5, bare, listed))
        asked = median([timed(lambda: local.client.ps()) for _ in range(5)])
    return [
        Figure(f"ps of {count} names", value, "s", floor, "python -c ''", "under a second", value < 1, 5),
        Figure(f"ps of {count} names, in Python", asked, "s", None, "", "to be seen", None, 5),
    ]


async def _write_names(local: LocalCluster, count: int) -> None:
    """As the first node: records of processes at rest, which nobody declares lost."""
    cluster = config.read(local.home)
    assert cluster is not None
    node = local.nodes[0]
    tls = contexts.calling(config.trusted(local.home), config.credentials(local.home, node), names=True)
    registry = await NatsRegistry.connect(cluster.nats, config.member(cluster, node), tls=tls)
    at_once = asyncio.Semaphore(64)

    async def write(number: int) -> None:
        async with at_once:
            name = f"name-{number:05}"
            await registry.create(Record(name=name, id=f"id{number:018}", node=node, state=State.FROZEN))

    await asyncio.gather(*(write(number) for number in range(count)))
    await registry.close()

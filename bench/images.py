"""Images at rest: a small one thawed to its first instruction; a large one to and from the disk.

The floor of a large freeze is writing as many bytes to a file in the same folder and bringing them to the disk; of a
large thaw, reading them back into memory of its own. What is read was written just now, so on both sides it comes out
of the kernel's cache: what is compared is the work, not the platter.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from bench.figure import Figure, median, timed
from bench.moves import SMALL
from sojourn.client import Process
from sojourn.testing import LocalCluster

LARGE = '''"""Holds %d bytes that do not repeat, and waits."""
import os

data = bytearray()
while len(data) < %d:
    data += os.urandom(1 << 24)
print("made", flush=True)
number = 0
while True:
    number += 1
'''
PIECE = 1 << 24


def measure(local: LocalCluster, console: Console, *, thaws: int, large: int, rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-", dir=Path.cwd()) as folder:
        return [*_small(local, console, folder, thaws), *_large(local, console, folder, large, rounds)]


def _started(local: LocalCluster, folder: str, text: str) -> Process:
    program = Path(folder, f"program{time.monotonic_ns()}.py")
    program.write_text(text)
    return local.client.run(program, python=sys.executable, node=local.nodes[0])


def _small(local: LocalCluster, console: Console, folder: str, thaws: int) -> list[Figure]:
    process = _started(local, folder, SMALL)
    took, froze = [], []
    for number in track(range(thaws + 1), description="small images", console=console, transient=True):
        froze.append(process.freeze(f"{folder}/small").total_ms)
        took.append(local.client.thaw(f"{folder}/small", node=local.nodes[0]).report.first_instruction_ms)
        os.unlink(f"{folder}/small")
        if not number:  # it makes baseline and template
            took.clear(), froze.clear()
    process.kill()
    process.rm()
    one = median(took)
    floor = median([_fork() * 1000 for _ in range(thaws)])
    return [
        Figure("thaw to the first instruction", one, "ms", floor, "a fork", "under 30 ms", one < 30, thaws),
        Figure("freeze of a small process", median(froze), "ms", None, "", "", None, thaws),
    ]  # fmt: skip


def _fork() -> float:
    """Seconds to fork and hear from the child."""
    hear, tell = os.pipe()

    def fork() -> None:
        if not os.fork():
            os.write(tell, b"!")
            os._exit(0)
        os.read(hear, 1)

    seconds = timed(fork)
    os.wait()
    os.close(hear)
    os.close(tell)
    return seconds


def _large(local: LocalCluster, console: Console, folder: str, size: int, rounds: int) -> list[Figure]:
    process = _started(local, folder, LARGE % (size, size))
    next(process.logs(follow=True))
    wrote, read, froze, thawed = [], [], [], []
    for _ in track(range(rounds), description="a large image", console=console, transient=True):
        froze.append(process.freeze(f"{folder}/large", deadline=60).total_ms / 1000)
        thawed.append(
            local.client.thaw(f"{folder}/large", node=local.nodes[0]).report.first_instruction_ms / 1000
        )
        os.unlink(f"{folder}/large")
        wrote.append(timed(lambda: _write(f"{folder}/plain", size)))
        read.append(timed(lambda: _read(f"{folder}/plain", size)))
        os.unlink(f"{folder}/plain")
    process.kill()
    process.rm()
    what = f"{size / 1e9:.1f} GB"
    return [
        Figure(f"freeze of {what}", median(froze), "s", median(wrote), "write and fsync", "", None, rounds),
        Figure(f"thaw of {what}", median(thawed), "s", median(read), "read into memory", "", None, rounds),
    ]


def _write(path: str, size: int) -> None:
    piece = os.urandom(PIECE)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    for _ in range(0, size, PIECE):
        os.write(fd, piece)
    os.fsync(fd)
    os.close(fd)


def _read(path: str, size: int) -> None:
    fd = os.open(path, os.O_RDONLY)
    with mmap.mmap(-1, size + PIECE) as room, memoryview(room) as view:
        at = 0
        while count := os.preadv(fd, [view[at : at + PIECE]], at):
            at += count
    os.close(fd)

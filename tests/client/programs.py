"""Programs that tests freeze, and what they ask of them, of the folder with their image, and of the disk under it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sojourn.client import Process
from sojourn.errors import SojournError
from sojourn.testing.leaks import SCRATCH

COUNT = """
import sys
def count(limit):
    kept = list(range(10))
    for number in range(limit):
        if number % 100_000 == 0:
            print(number, flush=True)
            print("error", number, file=sys.stderr, flush=True)
    return number
print("last", count(int(sys.argv[1])))
sys.exit(3)
"""
RANDOM = """
import random, select, sys
random.seed(1)
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    pass
print(random.random(), flush=True)
"""


def forget(process: Process) -> None:
    for verb in (process.kill, process.rm):
        try:
            verb()
        except SojournError:
            pass


def left(folder: Path) -> set[str]:
    """What lies there but for programs."""
    return {each.name for each in folder.iterdir() if each.suffix != ".py"}


def still_runs(process: Process) -> None:
    """It runs, unharmed: it goes on writing."""
    assert process.info().state == "running"
    size = len(process.output()[0])
    for chunk in process.logs(follow=True, err=False):
        size -= len(chunk.data)
        if size < 0:
            return


@contextmanager
def small_disk(size: str) -> Generator[Path]:
    """A file system of this size, for real."""
    if os.geteuid():
        pytest.skip("only root can mount a file system")
    folder = Path(tempfile.mkdtemp(prefix="sojourn-disk-", dir=SCRATCH))
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        folder.rmdir()
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()

"""Programs that tests freeze, and what they ask of them and of the folder with their image."""

from __future__ import annotations

from pathlib import Path

from sojourn.client import Process
from sojourn.errors import SojournError

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

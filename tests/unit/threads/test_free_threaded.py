"""The package where the interpreter has no lock: correct, and in parallel.

Such an interpreter is looked for by `SOJOURN_FREE_THREADED` (its path), else as `python3.14t` or `python3.13t`;
docs/user-threads.md says how one is built. Without it these are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .test_versions import PROGRAM, SOURCE

NAMES = ("python3.14t", "python3.13t")

# Both spin until the other has come as far. Under a lock neither would, since it is handed on once in a day only.
PARALLEL = """
import sys
from sojourn import threads

sys.setswitchinterval(86400)
reached = [0, 0]

async def spins(mine, other):
    for turn in range(1, 101):
        reached[mine] = turn
        while reached[other] < turn:
            pass
    return reached[mine]

async def main():
    made = [threads.spawn(spins, 0, 1), threads.spawn(spins, 1, 0)]
    return [await thread for thread in made]

assert threads.run(main, kind="hybrid", lwps=2, debug=True) == [100, 100]
print("in parallel")
"""

STORMS = """
import sys
sys.path[:0] = [{tests!r}]
from storms import HASTY, storm
from sojourn import threads

for number in range({count}):
    for kind in threads.Kind:
        lwps = {{"hybrid": 3, "activations": 1 + number % 3}}.get(kind)
        threads.run(storm, {seed} + number, 24, 20, kind=kind, lwps=lwps, rules=HASTY, debug=True)
print("calm")
"""


@pytest.fixture(scope="module")
def python() -> str:
    named = os.environ.get("SOJOURN_FREE_THREADED")
    found = named or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        names = " or ".join(NAMES)
        pytest.skip(f"no {names} on PATH, no SOJOURN_FREE_THREADED (docs/user-threads.md says how one is built)")
    return found


def run(python: str, program: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHON_GIL": "0"}
    command = [python, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.stderr == ""
    return done.stdout


def test_it_has_no_lock(python: str) -> None:
    assert run(python, "import sys; print(sys._is_gil_enabled())") == "False\n", f"{python} is not free-threaded"


def test_all_kinds(python: str) -> None:
    assert run(python, PROGRAM).startswith("well 3.")


def test_two_threads_compute_at_once(python: str) -> None:
    assert run(python, PARALLEL) == "in parallel\n"


def test_storms(python: str, seed: int, thorough: bool) -> None:
    folder = str(Path(__file__).parent)
    assert run(python, STORMS.format(tests=folder, count=40 if thorough else 3, seed=seed)) == "calm\n"

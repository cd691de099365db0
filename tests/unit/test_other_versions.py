"""The frame engine's own tests, run by every other supported interpreter: memory is read and types are taken apart."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from tests.versions import OTHERS, ROOT, python_of

FILES = [
    "heap/test_programs.py",
    "test_analyze.py",
    "test_assemble.py",
    "test_layout.py",
    "test_safepoint.py",
    "test_threads.py",
]
SLOW = ["heap/test_graphs.py", "world/test_thread_programs.py", "world/test_world.py"]  # only with --thorough


def own_tests(version: str, *files: str) -> None:
    """Run these with that interpreter, or with this one; what is imported is the engine alone."""
    folder = ROOT / "tests" / "unit" / "frames"
    python = python_of(version) if version else sys.executable
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--confcutdir={folder}"]
    done = subprocess.run(
        [*command, *(str(folder / file) for file in files)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def has_pytest(version: str) -> bool:
    asked = [python_of(version), "-c", "import pytest, hypothesis"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("version", OTHERS)
def test_the_engine_on_another_version(version: str, seed: int, thorough: bool) -> None:
    if not has_pytest(version):
        pytest.skip(f"Python {version} has no pytest and hypothesis here")
    if thorough:
        own_tests(version, *FILES, *SLOW)
    else:
        own_tests(version, random.Random(f"{seed} {version}").choice(FILES))


def test_those_that_need_a_process_of_their_own() -> None:
    """A worker of pytest has a thread of its own, which would have to come to rest, and to be traced, too."""
    own_tests("", "test_analyze.py", "test_threads.py")

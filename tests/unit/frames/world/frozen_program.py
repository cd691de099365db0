"""Runs a program alone, freezes it where it calls `freeze()`, and resumes it in another process and folder."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[4] / "src"
FROZEN = 75

FREEZE = """
def freeze():
    import os, signal
    here = os.getpid()
    os.kill(here, signal.SIGURG)
    while os.getpid() == here:
        pass
"""


def _engine(*words: str, cwd: Path | str, under: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONHASHSEED"}
    return subprocess.run(
        [*under, sys.executable, "-m", "sojourn.frames", *words],
        env={**env, "PYTHONPATH": str(SOURCE), "SOJOURN_REPORT": "1"},
        capture_output=True, text=True, timeout=120, cwd=cwd,
    )  # fmt: skip


def survive(
    program: str,
    folder: Path,
    moves: int = 1,
    *,
    extra: dict[str, str] | None = None,
    places: Sequence[Sequence[str]] = (),
) -> str:
    """Freeze and resume a program `moves` times; returns all that it printed. Raises AssertionError with its output.

    `places`: what each resume is to be started by, a command line to stand before its own.
    """
    for name, text in (extra or {}).items():
        (folder / name).write_text(textwrap.dedent(text))
    path, image = folder / "program.py", folder / "image"
    path.write_text(FREEZE + textwrap.dedent(program))
    done = _engine("run", "--image", str(image), str(path), cwd=folder)
    printed = done.stdout
    for name in ["program.py", *(extra or {})]:  # what travels must be in the image
        (folder / name).unlink()
    for place in places or [()] * moves:
        assert done.returncode == FROZEN, f"not frozen: {done.returncode}\n{printed}{done.stderr}"
        done = _engine("resume", str(image), cwd="/", under=place)
        printed += done.stdout
    assert done.returncode == 0, f"{done.returncode}\n{printed}{done.stderr}"
    return printed


def refused(program: str, folder: Path) -> str:
    """Run a program that cannot be frozen; returns what the engine reports. The program must end well."""
    path = folder / "program.py"
    path.write_text(
        FREEZE.replace("while os.getpid() == here:", "for _ in range(300_000):") + textwrap.dedent(program)
    )
    done = _engine("run", "--image", str(folder / "image"), str(path), cwd=folder)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr}"
    return done.stderr

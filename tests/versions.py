"""The supported interpreters on this machine, for tests across versions: each minor version has a virtual environment.

`make setup` makes those it finds an interpreter for, `make interpreters` brings the newer ones. What is missing is
skipped, and the reason says which of the two gives it.
"""

from __future__ import annotations

import functools
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sojourn.frames.support import SUPPORTED

ROOT = Path(__file__).parents[1]
OWN = "{}.{}".format(*sys.version_info)  # what runs the tests
ALL = ["{}.{}".format(*minor) for minor in SUPPORTED]
OTHERS = [version for version in ALL if version != OWN]


def environment(version: str) -> Path:
    return Path(sys.prefix) if version == OWN else ROOT / f".venv{version.replace('.', '')}"


@functools.cache
def full_version(version: str) -> str | None:
    """As "3.14.8"; None if there is no such interpreter here."""
    python = environment(version) / "bin" / "python"
    if not python.exists():
        return None
    tell = "import platform; print(platform.python_version())"
    told = subprocess.run([python, "-c", tell], capture_output=True, text=True, check=False).stdout.strip()
    return told if told.startswith(f"{version}.") else None


def present() -> dict[str, str]:
    return {version: full for version in ALL if (full := full_version(version))}


def python_of(version: str) -> str:
    """The interpreter; skips the test if there is none."""
    if full_version(version) is None:
        made_by = "make interpreters" if version in ("3.14", "3.15") else "make setup, where one is installed"
        pytest.skip(f"no CPython {version} in {environment(version).name} ({made_by})")
    return str(environment(version) / "bin" / "python")


def some(config: pytest.Config, count: int = 1) -> list[str]:
    """This version and, by the seed, so many others; all with --thorough."""
    others = [version for version in OTHERS if full_version(version)]
    if not config.option.thorough:
        others = random.Random(config.option.seed).sample(others, min(count, len(others)))
    return [OWN, *others]

"""The virtual environment of the programs: made once for each interpreter, when it is first needed, with packages from
the index."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
from pathlib import Path

from tests.versions import OWN, ROOT, environment, full_version

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
_TIMEOUT = 1800.0  # seconds; an index that has not answered by then is none


class Missing(Exception):
    """It cannot be made here; says why."""


@functools.cache
def python(version: str = OWN) -> str:
    """The interpreter of the environment, made if it is not there or its requirements have changed.

    Raises:
        Missing: there is no such interpreter or no index, or it does not have what is needed.
    """
    full = full_version(version)
    if full is None:
        raise Missing(f"there is no CPython {version} here")
    folder = ROOT / f".venv-programs-{version}"
    made, ready = folder / "bin" / "python", folder / ".ready"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + full.encode()).hexdigest()
    if made.exists() and ready.exists() and ready.read_text() == wanted:
        return str(made)
    _run([str(environment(version) / "bin" / "python"), "-m", "venv", "--clear", str(folder)])
    _run([str(made), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(REQUIREMENTS)])
    ready.write_text(wanted)
    return str(made)


@functools.cache
def benchmarks(python: str) -> Path:
    """Where pyperformance has its benchmarks, in the environment of this interpreter."""
    (found,) = Path(python).parents[1].glob("lib/python3.*/site-packages/pyperformance/data-files/benchmarks")
    return found


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise Missing("the package index does not answer") from None
    except subprocess.CalledProcessError as failure:
        said = failure.stderr.strip().splitlines()
        raise Missing(
            f"the programs' packages cannot be installed: {said[-1] if said else failure}"
        ) from None


if __name__ == "__main__":
    for each in sys.argv[1:] or [OWN]:
        print(python(each))

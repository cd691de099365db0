"""What a program sees under a host is, byte for byte, what `python PROGRAM.py` shows it."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from sojourn.resources.log import Log

from .conftest import PROGRAMS, VENVS, Ran, environment, hosted, machine_in, plainly, within

PROGRAM_NAMES = sorted(path.name for path in PROGRAMS.glob("*.py"))
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def settled(ran: Ran) -> Ran:
    """Without what differs between any two runs."""
    return Ran(_ADDRESS.sub("0x", ran.out), _ADDRESS.sub("0x", ran.err), ran.code)


def both(
    venv: Path, state: Path, tmp_path: Path, argv: list[str], cwd: Path, stdin: bytes = b"", **env: str
) -> tuple[Ran, Ran]:
    async def work() -> Ran:
        async with machine_in(state) as machine:
            log = Log(tmp_path / "log", 1)
            return await hosted(machine, venv, argv, cwd, log, stdin=stdin, env=environment(**env))

    return settled(within(work())), settled(plainly(venv, argv, cwd, stdin=stdin, env=environment(**env)))


@pytest.mark.parametrize("name", PROGRAM_NAMES)
def test_script(venv: Path, name: str, state: Path, tmp_path: Path) -> None:
    ours, plain = both(venv, state, tmp_path, [name, "an", "argument"], PROGRAMS, b"line 1\nline 2\n")
    assert ours == plain


def test_absolute_path_from_elsewhere(venv: Path, state: Path, tmp_path: Path) -> None:
    ours, plain = both(venv, state, tmp_path, [str(PROGRAMS / "surroundings.py")], tmp_path)
    assert ours == plain


@pytest.mark.parametrize("name", ["surroundings", "raises"])
def test_module(venv: Path, name: str, state: Path, tmp_path: Path) -> None:
    ours, plain = both(venv, state, tmp_path, ["-m", name, "an", "argument"], PROGRAMS)
    assert ours == plain


def test_environment_decides(venv: Path, state: Path, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "sitecustomize.py").write_text("print('customized', __name__)\n")
    settings = {
        "PYTHONPATH": str(tmp_path / "lib"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "5",
        "PYTHONWARNINGS": "error::UserWarning",
        "LC_ALL": "C.UTF-8",
        "TZ": "Asia/Tokyo",
    }
    ours, plain = both(venv, state, tmp_path, ["surroundings.py"], PROGRAMS, **settings)
    assert ours == plain
    assert "customized sitecustomize" in ours.out


@pytest.mark.parametrize("argv", [["missing.py"], ["-m", "missing"], ["broken.txt"], ["folder"]])
def test_cannot_start(argv: list[str], state: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.txt").write_text("def f(:\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "__main__.py").write_text("import sys; print(sys.argv, sys.path[0], __spec__)\n")
    ours, plain = both(VENVS[0], state, tmp_path, argv, tmp_path)
    assert ours == plain


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ends_by_signal(number: int, state: Path, tmp_path: Path) -> None:
    program = tmp_path / "waits.py"
    program.write_text(f"import os\nos.kill(os.getpid(), {int(number)})\nwhile True: pass\n")
    ours, plain = both(VENVS[0], state, tmp_path, ["waits.py"], tmp_path)
    assert ours == plain
    assert ours.code == -number

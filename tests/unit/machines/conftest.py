"""A machine of kind "python" without a node around it, and a way to run a program in it and plainly."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sojourn._util.ids import new_id
from sojourn.machines.base import StartSpec
from sojourn.machines.python.driver import PythonMachine
from sojourn.resources.log import ERR, OUT, Log

from ...versions import OWN, some
from ...versions import environment as environment_of

PROGRAMS = Path(__file__).parent / "programs"
SEED = 20240607
VENVS = [environment_of(OWN)]  # of the interpreter that runs the tests
WITHIN = 60.0  # seconds for one test; only a hang takes that long


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take a `venv` run on this interpreter and on another; with --thorough on all."""
    if "venv" in metafunc.fixturenames:
        venvs = [environment_of(version) for version in some(metafunc.config)]
        metafunc.parametrize("venv", venvs, ids=lambda venv: venv.name)


@dataclass(frozen=True)
class Ran:
    out: str
    err: str
    code: int  # as subprocess has it: negative for a signal


def environment(**more: str) -> dict[str, str]:
    """A plain user's environment, without what the test runner brings."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    return kept | more


def plainly(
    venv: Path, argv: list[str], cwd: Path, *, stdin: bytes = b"", env: dict[str, str] | None = None
) -> Ran:
    done = subprocess.run(
        [str(venv / "bin" / "python"), *argv],
        cwd=cwd,
        env=environment() if env is None else env,
        input=stdin,
        capture_output=True,
        start_new_session=True,
        timeout=WITHIN,
    )
    return Ran(done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), done.returncode)


def spec_of(venv: Path, argv: list[str], cwd: Path, env: dict[str, str] | None = None) -> StartSpec:
    module = argv[1] if argv[0] == "-m" else None
    return StartSpec(
        id=new_id(),
        name="test",
        epoch=1,
        python=str(venv),
        program=None if module else argv[0],
        module=module,
        args=argv[2:] if module else argv[1:],
        cwd=str(cwd),
        env=environment() if env is None else env,
    )


async def hosted(
    machine: PythonMachine,
    venv: Path,
    argv: list[str],
    cwd: Path,
    log: Log,
    *,
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
) -> Ran:
    host = await machine.start(spec_of(venv, argv, cwd, env), log)
    await host.write_stdin(stdin, eof=True)
    end = await host.wait()
    return Ran(
        log.content(OUT).decode(errors="replace"),
        log.content(ERR).decode(errors="replace"),
        end.code if end.code is not None else -(end.signal or 0),
    )


@asynccontextmanager
async def machine_in(folder: Path) -> AsyncIterator[PythonMachine]:
    machine = PythonMachine(folder, seed=SEED)
    try:
        yield machine
    finally:
        await machine.close()


Run = Callable[[Callable[[PythonMachine], Awaitable[Any]]], Any]


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine's folder, shared by the tests so that zips and probes are made once."""
    return tmp_path_factory.mktemp("state")


def within(work: Coroutine[Any, Any, Any]) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(WITHIN):
            return await work

    return asyncio.run(limited())

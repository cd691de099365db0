"""Hosts that are forked ahead: the next process to come finds one, and none is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sojourn.machines.python import templates
from sojourn.machines.python.driver import PythonMachine
from sojourn.machines.python.hosted import PythonHost
from sojourn.machines.python.link import Link
from sojourn.machines.python.spare import Spare
from sojourn.resources.log import Log

from .conftest import VENVS, machine_in, spec_of, within
from .moves import hop

PROGRAM = "import time\nprint('ready', flush=True)\nwhile True:\n    time.sleep(0.01)\n"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Spare]:
    """The spares that were forked, in order."""
    found: list[Spare] = []
    forked = Spare.forked

    async def noted(template: Link) -> Spare | None:
        spare = await forked(template)
        if spare is not None:
            found.append(spare)
        return spare

    monkeypatch.setattr(Spare, "forked", noted)
    return found


class Traveller:
    """A process that goes between two machines."""

    def __init__(self, a: PythonMachine, b: PythonMachine, log: Log, host: PythonHost) -> None:
        self._at, self._other = a, b
        self._log = log
        self.host = host

    async def go(self) -> int:
        """To the other one; the pid it has there."""
        self.host, _ = await hop(self.host, self._at, self._other, self._log, self._log.epoch + 1)
        self._at, self._other = self._other, self._at
        return self.host.pid


@asynccontextmanager
async def travelling(state: Path, folder: Path) -> AsyncGenerator[Traveller]:
    (folder / "program.py").write_text(PROGRAM)
    async with machine_in(state / "a") as a, machine_in(state / "b") as b:
        log = Log(folder / "log", 1)
        host = await a.start(spec_of(VENVS[0], ["program.py"], folder), log)
        await until(log.content)  # it imports nothing more, and so goes by one baseline
        yield Traveller(a, b, log, host)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_who_comes_next_finds_one(made: list[Spare], state: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with travelling(state, tmp_path) as traveller:
            first = await traveller.go()
            await until(lambda: made)
            assert made[0].waits and made[0].pid != first
            await traveller.go()
            assert await traveller.go() == made[0].pid
            await until(lambda: len(made) == 3)  # each time that somebody has come, another

    within(work())
    assert not any(is_there(spare.pid) for spare in made)


def test_one_that_died_is_not_given_to_anybody(made: list[Spare], state: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with travelling(state, tmp_path) as traveller:
            await traveller.go()
            await until(lambda: made)
            os.kill(made[0].pid, signal.SIGKILL)
            await until(lambda: not made[0].waits)
            await traveller.go()
            assert await traveller.go() != made[0].pid

    within(work())


def test_one_that_nobody_comes_for_is_let_go(
    made: list[Spare], state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "SPARE_FOR", 0.0)

    async def work() -> None:
        async with travelling(state, tmp_path) as traveller:
            await traveller.go()
            await until(lambda: made and not is_there(made[0].pid))
            await traveller.go()
            assert await traveller.go() != made[0].pid

    within(work())


def test_a_start_that_is_called_off_in_mid_birth_leaves_no_host(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered = templates.Template.order
    starting: list[asyncio.Task[PythonHost]] = []

    async def and_called_off(*arguments: Any) -> None:
        await ordered(*arguments)
        starting.pop().cancel()

    async def work() -> None:
        (tmp_path / "program.py").write_text(PROGRAM)
        log, spec = Log(tmp_path / "log", 1), spec_of(VENVS[0], ["program.py"], tmp_path)
        async with machine_in(state / "a") as a:
            await (await a.start(spec, log)).kill()  # the template is there
            before = hosts()
            with monkeypatch.context() as patch:
                patch.setattr(templates.Template, "order", and_called_off)
                task = asyncio.create_task(a.start(spec, log))
                starting.append(task)
                await asyncio.wait((task,))
            assert task.cancelled()
            await (await a.start(spec, log)).kill()  # a template forks one after the other
            await until(lambda: hosts() == before)

    within(work())


def hosts() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

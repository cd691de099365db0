"""Warm templates that nobody came for are let go; the hosts that came from them stay."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from sojourn.machines.python import shelf
from sojourn.machines.python.driver import PythonMachine
from sojourn.machines.python.messages import Order
from sojourn.machines.python.templates import Template
from sojourn.resources.log import Log

from .conftest import VENVS, environment, machine_in, spec_of, within
from .moves import hop
from .test_spares import PROGRAM, until


def runs(pid: int) -> bool:
    """One that has ended may wait to be reaped, by the template that it was forked from, at its next order."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch) -> list[Template]:
    """The warm templates that were made, in order."""
    made: list[Template] = []
    original = Template.warm

    async def noted(base: Template, order: Order) -> Template:
        made.append(await original(base, order))
        return made[-1]

    monkeypatch.setattr(Template, "warm", noted)
    return made


@pytest.mark.parametrize("recent", [0.0, 60.0])
def test_only_so_many_are_kept(
    warm: list[Template], recent: float, monkeypatch: pytest.MonkeyPatch, state: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(shelf, "MOST", 2)
    monkeypatch.setattr(shelf, "RECENT", recent)
    (tmp_path / "program.py").write_text(PROGRAM)

    async def work(a: PythonMachine, b: PythonMachine) -> None:
        hosts: list[int] = []
        for number in range(4):
            log = Log(tmp_path / f"log{number}", 1)
            host = await a.start(spec_of(VENVS[0], ["program.py"], tmp_path, environment(PLACE=str(number))), log)
            await until(log.content)
            host, _ = await hop(host, a, b, log, 2)
            hosts.append(host.pid)
        pids = [template.pid for template in warm]
        assert len(set(pids)) == 4
        if recent:
            assert all(runs(pid) for pid in pids)  # somebody may be about to order from them
        else:
            await until(lambda: not any(runs(pid) for pid in pids[:2]))
            assert all(runs(pid) for pid in pids[2:])
        assert all(runs(pid) for pid in hosts)

    async def both() -> None:
        async with machine_in(state / "a") as a, machine_in(state / "b") as b:
            await work(a, b)

    within(both())

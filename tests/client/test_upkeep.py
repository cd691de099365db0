"""show, check and drain, blocking and asyncio, against a real cluster."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sojourn.client import Cluster, Process, connect_async
from sojourn.client.upkeep import Passenger
from sojourn.errors import NotFound, Refused, UsageError, WrongState
from sojourn.testing import LocalCluster

COUNTS = """
import sys
held = open(sys.argv[1])
print("on", flush=True)
n = 0
while True: n += 1
"""
HELD = """
print("on", flush=True)
def key(value):
    while True: pass
sorted([2, 1], key=key)
"""
SOCKET = """
import socket
line = socket.socket()
print("on", flush=True)
while True: pass
"""
PAUSES = """
import signal
signal.signal(signal.SIGUSR1, lambda number, frame: print("met", flush=True))
print("on", flush=True)
for _ in range(2):
    signal.pause()
    print("over", flush=True)
"""


@pytest.fixture
def start(local_cluster: LocalCluster, tmp_path: Path) -> Iterator[object]:
    """Starts a program at the first node and waits until it runs; ends it after the test."""
    started: list[Process] = []

    def run(text: str, *args: str, node: str = local_cluster.nodes[0], **more: object) -> Process:
        program = tmp_path / f"program{len(started)}.py"
        program.write_text(text)
        process = local_cluster.client.run(program, *args, node=node, python=sys.executable, **more)  # type: ignore[arg-type]
        started.append(process)
        assert next(process.logs(follow=True)).data.startswith(b"on")
        return process

    yield run
    for process in started:
        process.kill()
        process.rm()


def test_variables_on_top_of_the_environment(cluster: Cluster, tmp_path: Path) -> None:
    program = tmp_path / "variables.py"
    program.write_text("import os; print(os.environ['A'], os.environ['B'])")
    process = cluster.run(
        program, python=sys.executable, env={"PATH": "/usr/bin", "A": "old", "B": "b"}, set_env={"A": "new"}
    )
    process.wait()
    assert process.output()[0] == b"new b\n"
    process.rm()


def test_show_tells_where_it_was_and_what_it_holds(
    start: object, local_cluster: LocalCluster, tmp_path: Path
) -> None:
    here, there = local_cluster.nodes[:2]
    data = tmp_path / "data.txt"
    data.write_text("x")
    process = start(COUNTS, str(data))  # type: ignore[operator]
    process.move(there)
    process.move(here)
    shown = process.show()
    assert [stay["node"] for stay in shown["stays"]] == [here, there, here]
    assert [stay["epoch"] for stay in shown["stays"]] == [1, 2, 3]
    assert all(stay["since"] > 0 for stay in shown["stays"]) and shown["moves"] == 2
    (held,) = [each for each in shown["holds"]["resources"] if each["kind"] == "file"]
    assert held["name"] == str(data) and held["binding"] == "identifier" and "held" in held["holder"]
    assert shown["holds"]["folder"] and shown["holds"]["reasons"] == []
    process.kill()
    ended = process.show()
    assert ended["state"] == "ended" and ended["signal"] == 9 and "holds" not in ended


def test_check_says_yes_and_changes_nothing(start: object, local_cluster: LocalCluster) -> None:
    process = start(COUNTS, "/dev/null")  # type: ignore[operator]
    before = process.info()
    report = process.check(local_cluster.nodes[1])
    assert report.can_move and report.reasons == []
    assert [(place.node, place.reasons) for place in report.targets] == [(local_cluster.nodes[1], [])]
    assert report.image_bytes and report.stopped_ms and report.frames == 1
    assert process.info() == before
    assert process.move(local_cluster.nodes[1]).target == local_cluster.nodes[1]


def test_check_asks_every_node_when_none_is_named(start: object, local_cluster: LocalCluster) -> None:
    report = start(COUNTS, "/dev/null").check()  # type: ignore[operator]
    assert [place.node for place in report.targets] == local_cluster.nodes[1:]


def test_check_names_a_pin_and_what_cannot_travel(start: object, local_cluster: LocalCluster) -> None:
    held = start(HELD).check(deadline=0.3)  # type: ignore[operator]
    assert not held.can_move and "sorted" in held.reasons[0]
    line = start(SOCKET).check()  # type: ignore[operator]
    assert not line.can_move and any("line" in reason and "socket" in reason for reason in line.reasons)


def test_a_pause_goes_on_when_it_was_looked_at(start: object, local_cluster: LocalCluster) -> None:
    """Only a signal for a handler of the program ends `signal.pause`, before a move and after it."""
    process, nodes = start(PAUSES), local_cluster.nodes  # type: ignore[operator]
    told = b"on\n"
    for target in (nodes[1], None):
        pid = process.info().pid
        while psutil.Process(pid).status() != psutil.STATUS_SLEEPING:
            time.sleep(0.001)
        process.check()
        process.inspect()
        process.check()
        os.kill(pid, signal.SIGUSR1)
        told += b"met\nover\n"
        if target is not None:
            while process.output()[0] != told:
                time.sleep(0.01)
            process.move(target)
    assert process.wait().exit_code == 0
    assert process.output()[0] == told


def test_check_of_what_cannot_be(start: object, local_cluster: LocalCluster) -> None:
    process = start(COUNTS, "/dev/null")  # type: ignore[operator]
    with pytest.raises(UsageError, match="already"):
        process.check(local_cluster.nodes[0])
    with pytest.raises(NotFound):
        process.check("n9")
    process.kill()
    with pytest.raises(WrongState):
        process.check()


def test_drain_empties_a_node_and_says_what_stays(
    start: object, local_cluster: LocalCluster, cluster: Cluster
) -> None:
    here, *others = local_cluster.nodes
    moving = [start(COUNTS, "/dev/null") for _ in range(3)]  # type: ignore[operator]
    pinned = start(HELD)  # type: ignore[operator]
    steps: list[Passenger] = []
    try:
        report = cluster.drain(here, at_once=2, deadline=5, on_step=steps.append)
        ends = {each.name: each for each in report.processes}
        assert report.state == "draining" and not report.empty
        assert all(ends[each.name].step == "moved" for each in moving)
        assert {each.info().node for each in moving} == set(others)  # spread over both
        assert ends[pinned.name].step == "stays" and "sorted" in ends[pinned.name].reasons[0]
        assert pinned.info().node == here and pinned.info().state == "running"
        assert {each.step for each in steps} == {"moving", "moved", "stays"}
        assert {row.name: row.state for row in cluster.nodes()}[here] == "draining"
        with pytest.raises(Refused, match="drained"):
            moving[0].move(here)
        with pytest.raises(Refused, match="drained"):
            start(COUNTS, "/dev/null", node=here)  # type: ignore[operator]
        assert start(COUNTS, "/dev/null", node=None).info().node in others  # type: ignore[operator]
        assert next(p for p in moving[0].check().targets if p.node == here).reasons
    finally:
        cluster.undrain(here)
    assert {row.name: row.state for row in cluster.nodes()}[here] == "up"
    moving[0].move(here)


def test_the_same_with_asyncio(start: object, local_cluster: LocalCluster) -> None:
    process = start(COUNTS, "/dev/null")  # type: ignore[operator]

    async def talk() -> None:
        async with await connect_async(local_cluster.home) as cluster:
            handle = await cluster.process(process.name)
            assert (await handle.check(local_cluster.nodes[1])).can_move
            assert (await handle.show())["name"] == process.name
            try:
                report = await cluster.drain(local_cluster.nodes[0])
                assert report.empty and [each.step for each in report.processes] == ["moved"]
            finally:
                await cluster.undrain(local_cluster.nodes[0])

    asyncio.run(talk())

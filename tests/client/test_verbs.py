"""Every verb, blocking and asyncio, against a real cluster."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sojourn.client import Chunk, Cluster, Process, connect, connect_async
from sojourn.errors import NameTaken, NotFound, SojournError, UsageError, WrongState
from sojourn.testing import LocalCluster

ECHO = """
import select, sys
print("ready", *sys.argv[1:], flush=True)
def ask():
    while not select.select([sys.stdin], [], [], 0)[0]:  # a blocking read would hold it back (docs/pins.md)
        pass
    return sys.stdin.readline()
while line := ask():
    print("got", line.strip(), flush=True)
    print("quiet", file=sys.stderr, flush=True)
sys.exit(5)
"""
SPIN = "print('spinning', flush=True)\nwhile True: pass\n"


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    path = tmp_path / "echo.py"
    path.write_text(ECHO)
    return path


@pytest.fixture
def spin(tmp_path: Path) -> Path:
    path = tmp_path / "spin.py"
    path.write_text(SPIN)
    return path


def test_a_life(cluster: Cluster, local_cluster: LocalCluster, echo: Path) -> None:
    here, there = local_cluster.nodes[:2]
    process = cluster.run(echo, "a", "b", name="a-life", node=here, python=sys.executable)
    log = process.logs(follow=True)
    assert _line(log) == b"ready a b\n"
    assert process.info().node == here and process.info().state == "running"
    process.write_stdin(b"one\n")
    assert _line(log) == b"got one\n"
    report = process.move(there)
    assert (report.name, report.id, report.source, report.target) == ("a-life", process.id, here, there)
    assert report.epoch == process.info().epoch > 1 and report.downtime_ms <= report.total_ms
    process.write_stdin(b"two\n", eof=True)
    assert process.wait().exit_code == 5
    assert process.output() == (b"ready a b\ngot one\ngot two\n", b"quiet\nquiet\n")
    row = process.info()
    assert (row.state, row.exit_code, row.moves, row.node) == ("ended", 5, 1, there)
    with pytest.raises(NameTaken):
        cluster.run(echo, name="a-life", python=sys.executable)
    assert process.name not in [row.name for row in cluster.ps()]
    process.rm()
    with pytest.raises(NotFound):
        process.info()


def test_a_log_is_sent_once_whatever_stays_were_silent(
    cluster: Cluster, local_cluster: LocalCluster, spin: Path
) -> None:
    here, there = local_cluster.nodes[:2]
    process = cluster.run(spin, node=here, python=sys.executable)
    assert _line(process.logs(follow=True)) == b"spinning\n"
    process.move(there)
    first = local_cluster.home / "nodes" / there / "logs" / process.id / f"{process.info().epoch - 1}.log"
    sent = first.stat()
    for node in (here, there, here, there):  # nothing is written at any of them
        process.move(node)
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == (sent.st_ino, sent.st_mtime_ns)
    assert process.output() == (b"spinning\n", b"")
    process.kill()
    process.rm()


def test_the_same_to_await(local_cluster: LocalCluster, echo: Path) -> None:
    here, there = local_cluster.nodes[:2]

    async def life() -> None:
        async with await connect_async(local_cluster.home) as cluster:
            process = await cluster.run(echo, name="an-async-life", node=here, python=sys.executable)
            log = process.logs(follow=True)
            assert (await anext(log)).data.startswith(b"ready")
            stages: list[str] = []
            report = await process.move(there, on_stage=stages.append)
            assert report.target == there and stages
            await process.write_stdin(b"one\n", eof=True)
            ended, rest = await asyncio.gather(process.wait(), _rest(log))
            assert ended.exit_code == 5 and b"got one\n" in rest
            assert [row.name for row in await cluster.nodes()] == local_cluster.nodes
            again = await cluster.process("an-async-life")
            assert await again.output() == (b"ready\ngot one\n", b"quiet\n")
            await again.rm()

    asyncio.run(life())


def _line(log: Iterator[Chunk]) -> bytes:
    """The next line on stdout, however it was cut."""
    got = b""
    while not got.endswith(b"\n"):
        got += b"".join(chunk.data for chunk in [next(log)] if chunk.stream == "out")
    return got


async def _rest(log: object) -> bytes:
    return b"".join([chunk.data async for chunk in log if chunk.stream == "out"])  # type: ignore[attr-defined]


def test_waiting_has_a_limit_and_killing_does_not(cluster: Cluster, spin: Path) -> None:
    process = cluster.run(spin, python=sys.executable)
    with pytest.raises(TimeoutError):
        process.wait(0.05)
    with pytest.raises(WrongState):
        process.rm()
    process.kill()
    assert process.wait().signal == 9
    process.rm()


def test_stopping_asks_first(cluster: Cluster, local_cluster: LocalCluster, spin: Path) -> None:
    here, there = local_cluster.nodes[:2]
    process = cluster.run(spin, python=sys.executable, node=here)
    next(process.logs(follow=True))
    process.stop(grace=5)
    assert process.wait().signal == 15
    with pytest.raises(WrongState):
        process.move(there)
    process.rm()


def test_signals_reach_it(cluster: Cluster, spin: Path) -> None:
    process = cluster.run(spin, python=sys.executable)
    next(process.logs(follow=True))
    process.signal("INT")
    assert process.wait().exit_code is None or process.wait().exit_code == 130
    assert b"KeyboardInterrupt" in process.output()[1]
    process.rm()


def test_the_other_stream_can_be_left_out(cluster: Cluster, echo: Path) -> None:
    process = cluster.run(echo, python=sys.executable)
    process.write_stdin(b"x\n", eof=True)
    assert b"".join(chunk.data for chunk in process.logs(follow=True, out=False)) == b"quiet\n"
    process.wait()
    process.rm()


@pytest.mark.parametrize("asked", [{"program": "missing.py"}, {"module": "no.such.module.here"}])
def test_what_is_not_there(cluster: Cluster, asked: dict[str, str], tmp_path: Path) -> None:
    """As with python: it says so on stderr and ends with a status, or the node refuses at once."""
    try:
        process = cluster.run(**asked, cwd=tmp_path, python=sys.executable)  # type: ignore[arg-type]
    except UsageError:
        return
    assert process.wait().exit_code in (1, 2)
    assert b"No" in process.output()[1] or b"no" in process.output()[1]
    process.rm()


def test_names_that_nobody_has(cluster: Cluster, spin: Path) -> None:
    with pytest.raises(NotFound):
        cluster.process("nobody")
    process = cluster.run(spin, python=sys.executable)
    next(process.logs(follow=True))
    with pytest.raises(NotFound):
        process.move("n99")
    assert process.info().state == "running"
    process.kill()
    process.rm()


def test_a_node_of_ones_choice(local_cluster: LocalCluster) -> None:
    with connect(local_cluster.home, node=local_cluster.nodes[-1]) as cluster:
        assert len(cluster.nodes()) == 3


def test_what_was_built_in_vain_is_neither_heard_nor_finalized(
    local_cluster: LocalCluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    """The target finds at the very end that it cannot have the process, and can have it later."""
    source, target = local_cluster.nodes[:2]
    (tmp_path / "folder" / "entry").mkdir(parents=True)
    process = start(
        """
import os, tempfile, zipfile
class Loud:
    def __del__(self):
        os.write(1, b"finalized\\n")
with zipfile.ZipFile("archive", "w") as archive:
    archive.writestr("member", "text")
member = zipfile.ZipFile("archive").open("member")
held = [Loud(), member, tempfile.NamedTemporaryFile(dir="."), *os.scandir("folder")]
print("ready", flush=True)
while not os.path.exists("go"):
    pass
held[2].write(b"still there")
print(os.path.exists(held[2].name), member.read(), flush=True)
""",
        node=source,
    )
    (tmp_path / "folder" / "entry").rmdir()
    for _ in range(2):
        with pytest.raises(SojournError, match="DirEntry"):
            process.move(target)
    (tmp_path / "folder" / "entry").mkdir()
    process.move(target)
    (tmp_path / "go").touch()
    assert process.wait(30).exit_code == 0
    assert process.output() == (b"ready\nTrue b'text'\nfinalized\n", b"")

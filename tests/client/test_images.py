"""Freeze, thaw and inspect against a real cluster: who goes on, what is refused, what stays behind."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from sojourn.client import Chunk, Cluster, Process, connect, connect_async, embedded
from sojourn.errors import (
    NameTaken,
    NotFound,
    SojournError,
    Untrusted,
    UsageError,
    WrongState,
)
from sojourn.image.manifest import VERSION
from sojourn.testing import LocalCluster
from sojourn.testing.leaks import SCRATCH

from .programs import COUNT, RANDOM, forget, left


def test_it_goes_on_with_its_identity_and_its_log(
    cluster: Cluster, local_cluster: LocalCluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    here, there = local_cluster.nodes[:2]
    process = start(COUNT, "15_000_000", node=here)
    before = process.info()
    follower: list[Chunk] = []
    reading = threading.Thread(target=lambda: follower.extend(process.logs(follow=True)))
    reading.start()
    report = process.freeze(tmp_path / "image")
    frozen = process.info()
    assert (frozen.state, frozen.pid, frozen.file) == ("frozen", None, str(tmp_path / "image"))
    assert not psutil.pid_exists(before.pid or 0)
    assert (report.id, report.node) == (process.id, here) and report.frames >= 2
    assert "frozen" in {row.state for row in cluster.ps()}

    thawed = cluster.thaw(tmp_path / "image", node=there)
    assert (thawed.process.id, thawed.report.who) == (process.id, "itself")
    after = process.info()
    assert (after.node, after.epoch, after.file) == (there, before.epoch + 1, "")
    ended = process.wait(60)
    reading.join(60)
    lines = [b"%d\n" % number for number in range(0, 15_000_000, 100_000)]
    out, err = process.output()
    assert out == b"".join([*lines, b"last 14999999\n"])
    assert err == b"".join(b"error " + line for line in lines)
    assert b"".join(chunk.data for chunk in follower if chunk.stream == "out") == out
    assert ended.exit_code == 3


def test_of_two_thaws_one_gets_the_process(
    cluster: Cluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    process = start(COUNT, "1_000_000_000")
    process.freeze(tmp_path / "image")
    results: list[object] = []

    def attempt() -> None:
        try:
            with connect(cluster.home) as own:
                results.append(own.thaw(tmp_path / "image").report.id)
        except SojournError as why:
            results.append(type(why))

    threads = [threading.Thread(target=attempt) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results.count(process.id) == 1 and len(results) == 3
    assert process.info().state == "running" and process.info().epoch == 2


def test_a_second_thaw_is_a_copy_with_a_name_of_its_own(
    cluster: Cluster, local_cluster: LocalCluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    process = start(RANDOM)
    process.freeze(f"{tmp_path}/image/")
    copy = cluster.thaw(f"{tmp_path}/image/", name="second-one").process  # the frozen one stays frozen
    assert process.info().state == "frozen"
    cluster.thaw(tmp_path / "image", node=local_cluster.nodes[0])
    with pytest.raises(NameTaken, match="thawed already"):
        cluster.thaw(tmp_path / "image")
    with pytest.raises(NameTaken):
        cluster.thaw(tmp_path / "image", name="second-one")
    third = cluster.thaw(tmp_path / "image", name="third-one").process
    said: list[bytes] = []
    try:
        assert len({process.id, copy.id, third.id}) == 3
        for each in (process, copy, third):
            each.write_stdin(b"", eof=True)
            assert each.wait(30).exit_code == 0
            first, rest = each.output()[0].split(b"\n", 1)  # the copies' logs have what was written before
            assert first == b"ready"
            said.append(rest.split()[0])
        assert said[0] == str(random.Random(1).random()).encode(), "itself goes on as it would have"
        assert len(set(said)) == 3, "each copy draws numbers of its own"
    finally:
        forget(copy)
        forget(third)


def test_verbs_on_a_frozen_process(
    cluster: Cluster, local_cluster: LocalCluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    process = start(COUNT, "1_000_000_000")
    process.freeze(tmp_path / "image")
    others = [node for node in local_cluster.nodes if node != process.info().node]
    for verb in (
        process.stop,
        process.kill,
        lambda: process.signal("usr1"),
        lambda: process.write_stdin(b"x"),
        lambda: process.move(others[0]),
        lambda: process.freeze(tmp_path / "again"),
        process.inspect,
    ):
        with pytest.raises(WrongState, match="frozen"):
            verb()
    with pytest.raises(TimeoutError, match="still frozen"):
        process.wait(0.05)
    assert process.output()[0].startswith(b"0\n")
    assert left(tmp_path) == {"image"}
    process.rm()
    with pytest.raises(NotFound):
        process.info()
    copy = cluster.thaw(tmp_path / "image")  # nobody knows it any more, and the name is free
    try:
        assert (
            copy.report.who == "heir" and copy.process.id != process.id and copy.process.name == process.name
        )
        assert copy.process.output()[0].startswith(b"0\n")
    finally:
        forget(copy.process)


def test_a_process_can_be_frozen_again(
    cluster: Cluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    process = start(COUNT, "8_000_000")
    for number in range(4):
        process.freeze(tmp_path / str(number))
        cluster.thaw(tmp_path / str(number))
    with pytest.raises(NameTaken):
        cluster.thaw(tmp_path / "1")
    process.freeze(tmp_path / "last")
    with pytest.raises(NameTaken, match="frozen again since"):
        cluster.thaw(tmp_path / "1")
    cluster.thaw(tmp_path / "last")
    assert process.wait(60).exit_code == 3
    lines = [b"%d\n" % number for number in range(0, 8_000_000, 100_000)]
    assert process.output()[0] == b"".join([*lines, b"last 7999999\n"])


def test_freezing_and_thawing_with_asyncio(
    cluster: Cluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    process = start(COUNT, "1_000_000_000")

    async def main() -> None:
        async with await connect_async(cluster.home) as own:
            handle, stages = await own.process(process.id), list[str]()
            assert (await handle.inspect())["process"]["id"] == process.id
            await handle.freeze(tmp_path / "image", on_stage=stages.append)
            assert stages == ["survey", "freeze", "write", "commit"]
            assert (await own.inspect(tmp_path / "image"))["process"]["id"] == process.id
            assert (await own.thaw(tmp_path / "image")).process.id == process.id

    asyncio.run(main())


# -- looking
# ----------------------------------------------------------------------------------------------------------


def check_report(found: dict[str, Any], process: Process) -> None:
    assert found["process"]["name"] == process.name
    *_, outer, inner = found["execution"]
    assert (outer["function"], inner["function"]) == ("<module>", "count")
    assert inner["file"].endswith("program0.py") and inner["line"] in range(4, 9)
    held = {each["name"]: each for each in inner["locals"]}
    assert held["kept"]["type"] == "list" and held["kept"]["length"] == 10
    assert held["kept"]["size"] == list(range(10)).__sizeof__()
    assert held["limit"]["type"] == "int"
    assert "count" in {each["name"] for each in outer["locals"]}
    assert found["code"]["interpreter"]["version"] == "{}.{}.{}".format(*sys.version_info)
    assert {each["name"] for each in found["code"]["modules"]} == {"__main__"}
    assert {each["kind"] for each in found["resources"]} == {"stream"}
    assert found["memory"]["resident"] > 1 << 20


def test_a_process_and_its_image_show_the_same(
    cluster: Cluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    process = start(COUNT, "1_000_000_000")
    check_report(process.inspect(), process)
    process.freeze(tmp_path / "image")
    found = cluster.inspect(tmp_path / "image")
    check_report(found, process)
    assert found["image"]["believed"] and found["image"]["version"] == VERSION
    assert found["image"]["segments"]["log"]["bytes"] > 0


def test_looking_under_a_hail_of_signals(start: Callable[..., Process]) -> None:
    """A signal that comes while an earlier one is being served interrupts us, not the program."""
    process = start("print('ready', flush=True)\ndef run(thing):\n    while True: pass\nrun(5)\n")
    pid, over = process.info().pid, threading.Event()
    assert pid is not None

    def hail() -> None:
        while not over.is_set():
            os.kill(pid, signal.SIGURG)

    thread = threading.Thread(target=hail)
    thread.start()
    try:
        for _ in range(30):
            innermost = process.inspect()["execution"][-1]
            assert [each["name"] for each in innermost["locals"]] == ["thing"]
    finally:
        over.set()
        thread.join()


def test_looking_runs_nothing_of_the_program(start: Callable[..., Process]) -> None:
    process = start("""
class Nosy(type):
    def __getattribute__(cls, name):
        print("asked for", name, flush=True)
        return super().__getattribute__(name)
class Thing(list, metaclass=Nosy):
    def __sizeof__(self): print("asked for its size", flush=True)
    def __len__(self): print("asked for its length", flush=True)
    def __repr__(self): print("asked for its text", flush=True)
    def __getattribute__(self, name): print("asked for", name, flush=True)
def run(thing, again):
    print("ready", flush=True)
    while True: pass
run(Thing(), lambda: again)
""")
    locals_ = process.inspect()["execution"][-1]["locals"]
    assert [(each["name"], each["type"]) for each in locals_][:1] == [("thing", "__main__.Thing")]
    assert process.output()[0] == b"ready\n"


def test_what_cannot_move_can_be_looked_at(start: Callable[..., Process]) -> None:
    process = start("import socket\ns = socket.socket()\nprint('on', flush=True)\nwhile True: pass\n")
    assert "other" in {each["kind"] for each in process.inspect()["resources"]}


def test_over_down_and_up_and_from_one_cluster_to_another(tmp_path: Path) -> None:
    """The cluster's key outlives it; another cluster has another, and another hash seed."""
    program = tmp_path / "program.py"
    program.write_text(COUNT + "print(list({'a', 'b', 'c', 'd', 'e'}))\n")
    homes = [Path(tempfile.mkdtemp(prefix="sojourn-", dir=SCRATCH)) for _ in range(2)]
    lines = [b"%d\n" % number for number in range(0, 15_000_000, 100_000)]
    try:
        embedded.up(homes[0])
        with connect(homes[0]) as ours:
            ours.run(program, "15_000_000", python=sys.executable, name="far").freeze(tmp_path / "image")
        embedded.down(homes[0])
        embedded.up(homes[0])
        with connect(homes[0]) as ours:
            thawed = ours.thaw(tmp_path / "image")
            assert thawed.report.who == "heir" and thawed.process.name == "far"
            assert thawed.process.wait(60).exit_code == 3
            assert thawed.process.output()[0] == b"".join([*lines, b"last 14999999\n"])
        embedded.down(homes[0])
        embedded.up(homes[1])
        with connect(homes[1]) as theirs:
            with pytest.raises(Untrusted, match="node n1 of cluster") as refused:
                theirs.thaw(tmp_path / "image")
            assert theirs.ps(all=True) == []
            key: str = theirs.inspect(tmp_path / "image")["image"]["key"]
            assert key in str(refused.value)
            with pytest.raises(UsageError, match="fingerprint"):
                theirs.thaw(tmp_path / "image", trust=["me"])
            with pytest.raises(Untrusted):
                theirs.thaw(tmp_path / "image", trust=[key[::-1]])
            thawed = theirs.thaw(tmp_path / "image", trust=[key])
            assert thawed.process.wait(60).exit_code == 3
            assert thawed.process.output()[0] == b"".join([*lines, b"last 14999999\n"])
    finally:
        for home in homes:
            try:
                embedded.down(home)
            except SojournError:
                pass
            shutil.rmtree(home)


def test_a_workspace_is_in_the_image(cluster: Cluster, tmp_path: Path) -> None:
    """The folder, as the program has left it, comes out of the file where there is nothing of it any more."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "kept.txt").write_text("kept")
    program = tmp_path / "work" / "program.py"
    program.write_text(
        "open('made.txt', 'w').write('made')\n"
        "held = open('kept.txt')\n"
        "print('ready', flush=True)\n"
        "import select, sys\n"
        "while not select.select([sys.stdin], [], [], 0)[0]: pass\n"
        "print(held.read(), open('made.txt').read(), flush=True)\n"
    )
    process = cluster.run(program, python=sys.executable, cwd=tmp_path / "work", with_=[tmp_path / "work"])
    next(process.logs(follow=True))
    process.freeze(tmp_path / "image")
    process.rm()
    heir = cluster.thaw(tmp_path / "image").process
    try:
        heir.write_stdin(b"", eof=True)
        assert heir.wait(30).exit_code == 0
        assert heir.output()[0] == b"ready\nkept made\n"
    finally:
        forget(heir)

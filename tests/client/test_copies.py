"""`clone` by its three faces, and what a copy is made of: output, input, random numbers, files."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sojourn.client import Process, connect_async
from sojourn.errors import Refused
from sojourn.testing import LocalCluster

RANDOM = """
import os, random, uuid
try:
    import numpy
except ImportError:
    numpy = None
own = random.Random(7)
random.gauss(0, 1)  # remembers a second one
if numpy is not None:
    numpy.random.rand()
before = uuid.uuid4()
print("ready", flush=True)
while not os.path.exists("go"):
    pass
print(random.random(), random.gauss(0, 1), own.random(), before, uuid.uuid4() == before)
if numpy is not None:
    print(numpy.random.rand())
"""
ECHO = """
import select, sys
print("ready", flush=True)
def ask():
    while not select.select([sys.stdin], [], [], 0)[0]:  # a blocking read would hold it back (docs/pins.md)
        pass
    return sys.stdin.readline()
while line := ask():
    print("got", line.strip(), flush=True)
"""


def started(local: LocalCluster, folder: Path, text: str, *args: str) -> Process:
    """A program that has written its first line."""
    program = folder / "program.py"
    program.write_text(text)
    process = local.client.run(program, *args, python=sys.executable, cwd=folder)
    log, said = process.logs(follow=True, err=False), b""
    while b"\n" not in said:
        said += next(log).data
    assert said == b"ready\n"
    return process


def ended(local: LocalCluster, *processes: Process) -> list[str]:
    """What each wrote to stdout; they are removed."""
    outputs: list[str] = []
    for process in processes:
        assert process.wait(60).exit_code == 0, process.output()
        outputs.append(process.output()[0].decode())
        process.rm()
    return outputs


def test_a_copy_has_the_input_that_was_there_and_a_log_of_its_own(local_cluster: LocalCluster, tmp_path: Path) -> None:
    here = started(local_cluster, tmp_path, ECHO)
    report = here.clone(local_cluster.nodes[1], name="echo-copy")
    assert [(copy.name, copy.node) for copy in report.copies] == [("echo-copy", local_cluster.nodes[1])]
    assert report.pause_ms <= report.total_ms and not report.failed
    copy = local_cluster.client.process("echo-copy")
    here.write_stdin(b"one\n", eof=True)
    copy.write_stdin(b"two\n", eof=True)
    assert ended(local_cluster, here, copy) == ["ready\ngot one\n", "got two\n"]


def test_random_numbers_are_fresh_unless_they_are_to_be_kept(local_cluster: LocalCluster, tmp_path: Path) -> None:
    original = started(local_cluster, tmp_path, RANDOM)
    first, second = local_cluster.nodes[:2]
    names = [copy.name for copy in original.clone(first, second).copies]
    names += [copy.name for copy in original.clone(second, keep_random=True).copies]
    (tmp_path / "go").touch()
    processes = [original, *map(local_cluster.client.process, names)]
    one, two, three, same = (output.split() for output in ended(local_cluster, *processes))
    assert one[1:] == same, "the same numbers"  # (the first is "ready")
    one = one[1:]
    for at in (0, 1, *([5] if len(one) == 6 else [])):  # random(), gauss(), numpy's
        assert len({one[at], two[at], three[at]}) == 3, at
    assert one[2] == two[2] == three[2], "a generator of the program's own is one of its values"
    assert one[3] == two[3] and "True" not in (one[4], two[4], three[4])


@pytest.mark.parametrize(("mode", "goes"), [("r", True), ("a", True), ("w", False), ("r+", False)])
def test_files_are_shared_by_rule(local_cluster: LocalCluster, tmp_path: Path, mode: str, goes: bool) -> None:
    (tmp_path / "shared").write_text("".join(f"line {number}\n" for number in range(1000)))
    text = f"""
import os
def work():
    held = open("shared", {mode!r})
    if held.readable():
        held.readline()
    print("ready", flush=True)
    while not os.path.exists("go"): pass
    print(held.readline() if held.mode == "r" else held.write("more\\n"))
    held.close()
work()
"""
    process = started(local_cluster, tmp_path, text)
    if goes:
        names = [copy.name for copy in process.clone(local_cluster.nodes[0], local_cluster.nodes[1]).copies]
    else:
        names = []
        with pytest.raises(Refused) as refused:
            process.clone(local_cluster.nodes[1])
        said = str(refused.value.reasons)
        assert all(part in said for part in ("shared", "held", "work()", "open for writing")), said
    (tmp_path / "go").touch()
    outputs = ended(local_cluster, process, *map(local_cluster.client.process, names))
    if mode == "r":
        assert {output.removeprefix("ready\n") for output in outputs} == {"line 1\n\n"}, "each has its own offset"
    if mode == "a":
        assert (tmp_path / "shared").read_text().endswith("line 999\n" + 3 * "more\n"), "nothing was overwritten"


def test_the_same_to_await_and_as_a_command(local_cluster: LocalCluster, tmp_path: Path) -> None:
    process = started(local_cluster, tmp_path, ECHO)

    async def clone() -> str:
        async with await connect_async(local_cluster.home) as cluster:
            stages: list[str] = []
            report = await (await cluster.process(process.name)).clone(on_stage=stages.append)
            assert stages[0] == "survey" and stages[-1] == "running"
            return report.copies[0].name

    names = [asyncio.run(clone())]
    command = [sys.executable, "-m", "sojourn.cli.main", "clone"]
    env = {**os.environ, "SOJOURN_HOME": str(local_cluster.home)}

    def say(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *words], env=env, capture_output=True, text=True, timeout=60, check=False)

    done = say(process.name, *local_cluster.nodes[:2], "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and answer["from"] == process.info().node and answer["failed"] == []
    names += [copy["name"] for copy in answer["copies"]]
    done = say(process.name, "--name", "by-hand")
    assert "by-hand runs on" in done.stdout and "stood still for" in done.stdout
    done = say(process.name, "n9", "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["error"]["code"] == "not-found"
    assert "a process of its own" in say("--help").stdout
    for one in (process, *map(local_cluster.client.process, [*names, "by-hand"])):
        one.kill()
        one.rm()


def test_a_process_that_has_just_arrived_can_be_cloned(local_cluster: LocalCluster, tmp_path: Path) -> None:
    """Its record may have yet to say that it runs."""
    process = started(local_cluster, tmp_path, ECHO)
    names: list[str] = []
    for node in (local_cluster.nodes[1], local_cluster.nodes[0]) * 3:
        if process.info().node != node:
            process.move(node)
        names += [copy.name for copy in process.clone(node).copies]
    for one in (process, *map(local_cluster.client.process, names)):
        one.kill()
        one.rm()

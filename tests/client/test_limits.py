"""Programs with limits, in a cluster: what is in force, over moves too, and what happens beyond it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sojourn.client import Cluster
from sojourn.errors import UsageError
from sojourn.resources.limits import Limiter
from sojourn.testing import LocalCluster
from sojourn.wire import events

GROWS = """
import sys
kept = []
print("on", flush=True)
for line in sys.stdin:
    try:
        kept.append(bytearray(int(line) << 20))
        print("has", sum(map(len, kept)) >> 20, flush=True)
    except MemoryError:
        print("MemoryError", flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "grows.py"
    path.write_text(GROWS)
    return path


@pytest.fixture(scope="module")
def without_groups() -> Iterator[LocalCluster]:
    """A cluster whose nodes make no control groups."""
    os.environ["SOJOURN_CGROUPS"] = "off"
    try:
        with LocalCluster(nodes=2) as local:
            yield local
    finally:
        del os.environ["SOJOURN_CGROUPS"]


def until(process: Any, *texts: bytes) -> None:
    """Until these have been written."""
    missing, shown = list(texts), b""
    for chunk in process.logs(follow=True):
        shown += chunk.data
        if all(text in shown for text in missing):
            return
    raise AssertionError(f"it ended with {shown!r}")


def groups_of(pid: int | None) -> list[str]:
    with open(f"/proc/{pid}/cgroup") as file:
        return [line.strip() for line in file if "/sojourn/" in line]


@pytest.fixture
def groups(local_cluster: LocalCluster) -> Cluster:
    limiter = Limiter()
    found = limiter.tree("memory") and limiter.tree("cpu")
    limiter.close()
    if not found:
        pytest.skip("no control groups can be made here")
    return local_cluster.client


def test_held_by_control_groups_over_moves(groups: Cluster, program: Path) -> None:
    process = groups.run(program, python=sys.executable, node="n1", memory="192M", cpus=1.5)
    for number, node in enumerate(("n1", "n2", "n3")):
        if number:
            process.move(node)
        process.write_stdin(b"40\n")
        until(process, b"has %d\n" % (40 * number + 40))
        row = process.info()
        assert row.node == node
        assert row.limits.keys() == {"memory", "cpus"}
        assert row.limits["memory"].startswith("192M (cgroup v") and row.limits["cpus"].startswith(
            "1.5 (cgroup v"
        )
        assert len(groups_of(row.pid)) >= 1
    assert process.show()["limits"] == row.limits
    process.write_stdin(b"120\n")
    ended = process.wait()
    assert (ended.signal, ended.why) == (9, "over its memory limit of 192M")
    assert process.info().why == ended.why
    told = [event for event in groups.events(process=process.id) if isinstance(event, events.Ended)]
    assert [event.why for event in told] == [ended.why]
    assert b"".join(chunk.data for chunk in process.logs()) == b"on\nhas 40\nhas 80\nhas 120\n"
    process.rm()


def test_the_image_is_not_counted(groups: Cluster, program: Path) -> None:
    """What is frozen is written down in memory once more: that is not the program's."""
    process = groups.run(program, python=sys.executable, node="n1", memory="192M")
    process.write_stdin(b"130\n")
    until(process, b"has 130\n")
    assert process.move("n2").target == "n2"
    process.write_stdin(b"1\n")
    until(process, b"has 131\n")
    process.write_stdin(b"100\n")
    assert process.wait().why == "over its memory limit of 192M"
    process.rm()


def test_nothing_is_left_of_the_groups(groups: Cluster, program: Path, local_cluster: LocalCluster) -> None:
    process = groups.run(program, python=sys.executable, node="n1", memory="64M", cpus=1)
    process.move("n2")
    paths = [line.split(":")[2].strip("/") for line in groups_of(process.info().pid)]
    folders = [folder for path in paths for folder in Path("/sys/fs/cgroup").glob(f"*/{path}")]
    assert folders
    process.kill()
    process.rm()
    assert not any(folder.exists() for folder in folders)


def test_held_by_resource_limits_over_moves(without_groups: LocalCluster, program: Path) -> None:
    process = without_groups.client.run(program, python=sys.executable, node="n1", memory="256M", cpus=1)
    for number, node in enumerate(("n1", "n2", "n1")):
        if number:
            process.move(node)
        process.write_stdin(b"40\n300\n")
        until(process, b"has %d\nMemoryError\n" % (40 * number + 40))
        row = process.info()
        assert row.limits == {
            "memory": "256M (RLIMIT_DATA of each process)",
            "cpus": "1 (the processors it may run on)",
        }
        assert row.pid is not None and len(os.sched_getaffinity(row.pid)) == 1
    process.kill()
    process.rm()


def test_limits_that_cannot_be(local_cluster: LocalCluster, program: Path) -> None:
    for wrong in ({"memory": "1K"}, {"memory": "many"}, {"cpus": 0.0}):
        with pytest.raises(UsageError):
            local_cluster.client.run(program, python=sys.executable, **wrong)  # type: ignore[arg-type]


def test_the_command_says_what_is_in_force_and_what_was_exceeded(groups: Cluster, tmp_path: Path) -> None:
    program = tmp_path / "large.py"
    program.write_text("print('on', flush=True)\ndata = bytearray(400 << 20)\n")
    env = {**os.environ, "SOJOURN_HOME": str(groups.home)}

    def command(*words: str) -> subprocess.CompletedProcess[bytes]:
        line = [sys.executable, "-m", "sojourn.cli.main", *words]
        return subprocess.run(line, capture_output=True, env=env, stdin=subprocess.DEVNULL, check=False)

    done = command("run", "--memory", "128M", "--name", "large", "--python", sys.executable, str(program))
    assert (done.stdout, done.returncode) == (b"on\n", 137)
    assert b"large was killed: over its memory limit of 128M" in done.stderr
    assert b"over its memory limit of 128M" in command("wait", "large").stderr
    assert b"over its memory limit of 128M" in command("ps", "-a").stdout
    rows = json.loads(command("ps", "-a", "--json").stdout)
    row = next(row for row in rows if row["name"] == "large")
    assert row["limits"]["memory"].startswith("128M (cgroup v") and row["why"]
    shown = command("show", "large").stdout
    assert b"128M (cgroup v" in shown and b"over its memory limit" in shown
    command("rm", "large")

"""Limits: what is asked for, where groups can be made, and what they do (on this machine's own, where it has some)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn.client.calls import size
from sojourn.errors import Refused, UsageError
from sojourn.resources import cgroups
from sojourn.resources.limits import Held, Limiter, Limits, amount, available

MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
UNIFIED = "30 23 0:26 /user.slice /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_where_version_1_has_its_trees() -> None:
    own = "5:memory:/some/where\n2:cpu,cpuacct:/\n0::/\n"
    memory = Path("/sys/fs/cgroup/memory")
    unified = Path("/sys/fs/cgroup/unified")
    assert list(cgroups.trees("memory", MOUNTS, own)) == [
        (1, memory, memory / "some/where"),
        (2, unified, unified),
    ]
    cpu = Path("/sys/fs/cgroup/cpu,cpuacct")
    assert list(cgroups.trees("cpu", MOUNTS, own)) == [(1, cpu, cpu), (2, unified, unified)]


def test_where_version_2_has_its_tree() -> None:
    root = Path("/sys/fs/cgroup")
    own = "0::/user.slice/user-1000.slice/x.scope\n"
    assert list(cgroups.trees("memory", UNIFIED, own)) == [(2, root, root / "user-1000.slice/x.scope")]


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("512M", 512 << 20), ("1.5g", 3 << 29), ("64MiB", 64 << 20), ("1000", 1000), (77, 77)],
)
def test_sizes(text: str | int, bytes_: int) -> None:
    assert size(text) == bytes_


def test_sizes_that_are_none() -> None:
    for text in ("much", "-1M", "5X", ""):
        with pytest.raises(UsageError):
            size(text)
    for limits in (Limits(memory=1), Limits(cpus=0), Limits(cpus=float("nan"))):
        with pytest.raises(UsageError):
            limits.checked()
    assert (amount(512 << 20), amount(3 << 29), amount(1000)) == ("512M", "1.5G", "1000")


@pytest.fixture
def groups() -> Iterator[Limiter]:
    limiter = Limiter()
    if limiter.tree("memory") is None or limiter.tree("cpu") is None:
        pytest.skip("no control groups can be made here")
    yield limiter
    limiter.close()


def under(held: Held, code: str) -> subprocess.CompletedProcess[bytes]:
    """A program that goes in by the doors itself, as a host does."""
    enter = f"for door in {held.doors!r}: open(door, 'w').write('0')\n"
    return subprocess.run([sys.executable, "-c", enter + code], capture_output=True, check=False)


def test_groups_outlive_no_node_and_are_removed_by_another(groups: Limiter) -> None:
    tree = groups.tree("memory")
    assert tree is not None
    code = f"""if True:
        from pathlib import Path
        from sojourn.resources import cgroups
        group = cgroups.Group("of-another-node", cgroups.Tree({tree.version}, Path({str(tree.folder)!r})), None)
        input(print("made", flush=True))
    """
    made = tree.folder / "of-another-node"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"made\n"
        assert cgroups.find("memory") == tree
        assert made.exists(), "its node lives"
        other.kill()
    assert cgroups.find("memory") == tree
    assert not made.exists()


def test_over_the_memory_of_a_group(groups: Limiter) -> None:
    held = groups.hold(Limits(memory=64 << 20))
    assert held is not None and held.in_force["memory"].startswith("64M (cgroup v")
    held.apply()
    assert under(held, "len(bytearray(20 << 20))").returncode == 0
    assert held.verdict() == ""
    assert under(held, "len(bytearray(200 << 20))").returncode == -signal.SIGKILL
    assert held.verdict() == "over its memory limit of 64M"
    assert held.remove()


def test_a_share_of_the_processors(groups: Limiter) -> None:
    held = groups.hold(Limits(cpus=0.5))
    assert held is not None and held.in_force["cpus"].startswith("0.5 (cgroup v")
    code = "import os, time\nstart = time.monotonic()\nwhile time.process_time() < 0.3: pass\n"
    done = under(held, code + "print(time.process_time() / (time.monotonic() - start))")
    assert float(done.stdout) < 0.75
    assert held.remove()


def test_what_is_larger_is_refused(groups: Limiter) -> None:
    held = groups.hold(Limits(memory=32 << 20))
    assert held is not None
    enter = f"for door in {held.doors!r}: open(door, 'w').write('0')\n"
    code = "data = b'x' * (100 << 20)\nprint('here', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", enter + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"here\n"
        assert not held.remove()
        with pytest.raises(Refused, match="cannot hold"):
            held.apply(process.pid)
        held.lift(process.pid)
        process.communicate(b"\n")
    assert process.returncode == 0
    assert held.remove()


def test_groups_of_nodes_that_are_no_more_are_removed(groups: Limiter) -> None:
    tree = groups.tree("memory")
    assert tree is not None
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    left = tree.folder / f"{ended.pid}-1"
    left.mkdir()
    cgroups.find("memory")
    assert not left.exists()


def test_without_groups() -> None:
    held = Limiter(groups=False).hold(Limits(memory=512 << 20, cpus=1))
    assert held is not None and held.doors == [] and held.data == 512 << 20
    assert held.processors == sorted(os.sched_getaffinity(0))[:1]
    assert held.in_force == {
        "memory": "512M (RLIMIT_DATA of each process)",
        "cpus": "1 (the processors it may run on)",
    }
    half = Limiter(groups=False).hold(Limits(cpus=0.5))
    assert half is not None and half.processors == [] and half.in_force["cpus"].startswith("not in force")
    assert Limiter(groups=False).hold(Limits()) is None


def test_there_is_memory_here() -> None:
    assert 1 << 20 < available() < 1 << 60

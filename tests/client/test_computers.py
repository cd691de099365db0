"""Nodes on computers of their own: other processes, files, clocks, names and networks; what a user sees of it."""

from __future__ import annotations

import itertools
import json
import sys
import textwrap

import pytest

from sojourn.client import Process
from sojourn.errors import Refused
from sojourn.testing import LocalCluster

LOOK = """\
import json, os, time
spaces = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in os.listdir("/proc/self/ns")}
tmp = os.listdir("/tmp")
print(json.dumps({"name": os.uname().nodename, "up": time.monotonic(), "tmp": tmp, "namespaces": spaces}))
"""


def start(local: LocalCluster, node: str, code: str, name: str, **how: str) -> Process:
    """A program that every node sees."""
    program = local.shared / f"{name}.py"
    program.write_text(textwrap.dedent(code))
    return local.client.run(program, name=name, node=node, python=sys.executable, cwd=local.shared, **how)


def end(*processes: Process) -> bytes:
    """Kill and remove them; what the first has written."""
    for process in processes:
        process.kill()
        process.wait()
    out, err = processes[0].output()
    assert err == b""
    for process in processes:
        process.rm()
    return out


def test_nothing_is_shared_that_is_not_said_to_be(apart_cluster: LocalCluster) -> None:
    seen = [
        json.loads(computer.run(sys.executable, "-c", LOOK)) for computer in apart_cluster.computers.values()
    ]
    assert [each["name"] for each in seen] == apart_cluster.nodes
    for kind in ("mnt", "pid", "uts", "time", "net"):
        assert len({each["namespaces"][kind] for each in seen}) == len(seen), kind
    boots = sorted(each["up"] for each in seen)
    assert all(later - earlier > 3600 for earlier, later in itertools.pairwise(boots))
    folder = apart_cluster.home.relative_to("/tmp").parts[0]
    assert all(each["tmp"] == [folder] for each in seen), "of /tmp only what has to be seen"
    for name, computer in apart_cluster.computers.items():
        homes = set(computer.run("ls", str(apart_cluster.home.parent)).decode().split())
        assert homes & set(apart_cluster.nodes) == {name}


def test_the_nodes_have_joined_over_the_network(apart_cluster: LocalCluster) -> None:
    rows = {row.name: row for row in apart_cluster.client.nodes()}
    for name, computer in apart_cluster.computers.items():
        assert rows[name].address.startswith(f"{computer.address}:")
    assert {row.state for row in rows.values()} == {"up"}


def test_clocks_go_on_between_computers_that_booted_at_other_times(apart_cluster: LocalCluster) -> None:
    """The differences are days; what a busy machine takes for a move is not."""
    code = """\
        import json, time
        while True:
            clocks = [time.monotonic(), time.perf_counter(), time.clock_gettime(time.CLOCK_BOOTTIME)]
            print(json.dumps([time.time(), clocks]), flush=True)
            time.sleep(0.01)
    """
    process = start(apart_cluster, "n1", code, "clocks")
    for target in ("n2", "n3", "n1", "n3", "n2", "n1"):
        assert process.move(target).target == target
    rows = [json.loads(line) for line in end(process).splitlines(keepends=True) if line.endswith(b"\n")]
    began, firsts = rows[0]
    for now, clocks in rows:
        for clock, first in zip(clocks, firsts, strict=True):
            assert abs((clock - first) - (now - began)) < 60
    for (_, before), (_, after) in itertools.pairwise(rows):
        assert all(one <= other for one, other in zip(before, after, strict=True)), "no clock goes back"


def test_a_file_of_one_computer_is_refused(apart_cluster: LocalCluster) -> None:
    code = """\
        import time
        kept = open("/tmp/notes", "w")
        kept.write("mine")
        while True:
            time.sleep(0.01)
    """
    process = start(apart_cluster, "n2", code, "notes")
    with pytest.raises(Refused) as refused:
        process.move("n3")
    (reason,) = refused.value.details["reasons"]
    assert "/tmp/notes" in reason and "kept" in reason
    assert "on a file system that both nodes share" in reason
    assert (process.info().node, process.info().epoch, process.info().state) == ("n2", 1, "running")
    apart_cluster.computers["n3"].run("touch", "/tmp/notes")
    with pytest.raises(Refused, match="is another file here, with the same name"):
        process.move("n3")
    apart_cluster.computers["n3"].run("rm", "/tmp/notes")
    end(process)


def test_an_image_is_thawed_where_its_file_is_seen(apart_cluster: LocalCluster) -> None:
    """The others have fewer processes, but another /tmp; they take it when told to, and are brought the file."""
    code = "import time\nwhile True:\n    time.sleep(0.01)\n"
    busy, process = start(apart_cluster, "n1", code, "busy"), start(apart_cluster, "n1", code, "rests")
    computer, home = apart_cluster.computers["n1"], apart_cluster.home
    computer.sojourn(home, "freeze", "rests", "/tmp/rests.image")
    assert (process.info().file, process.info().file_at) == ("/tmp/rests.image", "n1")
    assert computer.sojourn(home, "thaw", "/tmp/rests.image")["node"] == "n1"
    computer.run("rm", "/tmp/rests.image")
    computer.sojourn(home, "freeze", "rests", "/tmp/rests.image")
    assert computer.sojourn(home, "thaw", "/tmp/rests.image", "--node", "n2")["node"] == "n2"
    computer.run("rm", "/tmp/rests.image")
    end(busy, process)


def test_limits_at_nodes_that_share_a_tree_of_control_groups(apart_cluster: LocalCluster) -> None:
    """They have the same pid, as a rule, and do not see each other's."""
    code = "import time\nwhile True:\n    time.sleep(0.01)\n"
    one, other = (start(apart_cluster, node, code, f"held-{node}", memory="256M") for node in ("n2", "n3"))
    assert one.info().limits["memory"] == other.info().limits["memory"]
    assert one.move("n3").target == "n3"
    end(one, other)

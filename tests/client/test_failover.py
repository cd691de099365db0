"""A client goes on when the node it talks to dies, and never sends twice what could be done twice."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from sojourn.client import connect
from sojourn.errors import NodeLost
from sojourn.testing import LocalCluster

TALKER = """
import sys
for number in range(3000):
    print("line", number, flush=True)
    if number == 50:
        sys.stdin.readline()
    print("error", number, file=sys.stderr)
"""


def test_the_next_node_answers(own_cluster: LocalCluster) -> None:
    first, second = own_cluster.nodes[:2]
    with connect(own_cluster.home, node=first) as cluster:
        assert cluster.ps() == []
        own_cluster.kill_node(first)
        assert cluster.ps() == []
        assert second in [row.name for row in cluster.nodes()]


def test_a_log_goes_on_behind_the_last_byte(own_cluster: LocalCluster, tmp_path: Path) -> None:
    program = tmp_path / "talker.py"
    program.write_text(TALKER)
    through, at = own_cluster.nodes[:2]
    with connect(own_cluster.home, node=through) as cluster:
        process = cluster.run(program, node=at, python=sys.executable)
        got, told = {"out": b"", "err": b""}, False
        for chunk in process.logs(follow=True):
            got[chunk.stream] += chunk.data
            if b"line 50\n" in got["out"] and not told:  # nothing else comes out of it, but "error 49" may be late
                told = True
                own_cluster.kill_node(through)
                with connect(own_cluster.home, node=at) as other:
                    other.process(process.id).write_stdin(b"go on\n", eof=True)
        assert process.wait().exit_code == 0
    assert got["out"].decode() == "".join(f"line {number}\n" for number in range(3000))
    assert got["err"].decode() == "".join(f"error {number}\n" for number in range(3000))


def test_what_could_be_done_twice_is_not_sent_twice(own_cluster: LocalCluster) -> None:
    first = own_cluster.nodes[0]
    pid = next(entry.pid for entry in own_cluster.entries if entry.name == first)
    with connect(own_cluster.home, node=first) as cluster:
        os.kill(pid, signal.SIGSTOP)  # it takes the request, and dies before it answers
        killer = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(NodeLost, match="may have been done"):
            cluster.run("whatever.py")
        killer.join()

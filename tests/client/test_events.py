"""What happens is told: in order, cluster-wide, from any node, to the command, the client and the nodes' logs."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sojourn.client import connect, connect_async
from sojourn.errors import SojournError
from sojourn.testing import LocalCluster
from sojourn.wire import events

SPIN = "print('spinning', flush=True)\nwhile True: pass\n"
HELD = "import time\nsorted([2, 1], key=lambda _: [time.sleep(0.01) for _ in range(2000)])\n"


def program(folder: Path, text: str) -> Path:
    path = folder / "program.py"
    path.write_text(text)
    return path


def test_a_life_as_it_is_told(local_cluster: LocalCluster, tmp_path: Path) -> None:
    here, there, third = local_cluster.nodes
    began = time.time()
    process = local_cluster.client.run(program(tmp_path, SPIN), name="told", node=here, python=sys.executable)
    report = process.move(there)
    process.kill()
    with connect(local_cluster.home, node=third) as other:
        story = list(other.events(process="told"))
        assert list(other.events(process=process.id)) == story
    assert [events.kind(event) for event in story] == ["started", "moving", "moved", "ended"]
    started, moving, moved, ended = story
    assert isinstance(started, events.Started) and started.node == here and started.pid
    assert isinstance(moving, events.Moving) and (moving.to, moving.epoch) == (there, 1)
    assert isinstance(moved, events.Moved)
    assert (moved.to, moved.epoch, moved.downtime_ms) == (there, report.epoch, report.downtime_ms)
    assert isinstance(ended, events.Ended) and (ended.node, ended.signal) == (there, signal.SIGKILL)
    assert began - 1 < started.time <= moving.time <= moved.time <= ended.time < time.time() + 1
    process.rm()


def test_a_refusal_is_told_with_its_reason(local_cluster: LocalCluster, tmp_path: Path) -> None:
    here, there, _ = local_cluster.nodes
    process = local_cluster.client.run(program(tmp_path, HELD), name="held", node=here, python=sys.executable)
    with pytest.raises(SojournError):
        process.move(there, deadline=0.3)
    aborted = [e for e in local_cluster.client.events(process=process.id) if isinstance(e, events.Aborted)]
    assert len(aborted) == 1
    assert "sorted" in aborted[0].why and aborted[0].to == there and aborted[0].history
    process.kill()
    process.rm()


def test_following_goes_on_when_the_node_that_tells_dies(own_cluster: LocalCluster, tmp_path: Path) -> None:
    first, second, _ = own_cluster.nodes
    spin = program(tmp_path, SPIN)
    with connect(own_cluster.home, node=first) as through, connect(own_cluster.home, node=second) as other:
        stream = through.events(follow=True, since=0.0)
        other.run(spin, name="before", node=second, python=sys.executable)
        seen = [next(event for event in stream if isinstance(event, events.Started))]
        own_cluster.kill_node(first)
        other.run(spin, name="after", node=second, python=sys.executable)
        seen.append(next(event for event in stream if isinstance(event, events.Started)))
        assert [event.process for event in seen] == ["before", "after"]


def test_following_from_asyncio(local_cluster: LocalCluster, tmp_path: Path) -> None:
    async def main() -> list[str]:
        async with await connect_async(local_cluster.home) as cluster:
            process = await cluster.run(program(tmp_path, "pass\n"), python=sys.executable)
            seen: list[str] = []
            async for event in cluster.events(follow=True, process=process.id, since=0.0):
                seen.append(events.kind(event))
                if isinstance(event, events.Ended):
                    break
            await process.rm()
            return seen

    assert asyncio.run(main()) == ["started", "ended"]


def test_the_command_follows_until_ctrl_c(local_cluster: LocalCluster, tmp_path: Path) -> None:
    environment = {**os.environ, "SOJOURN_HOME": str(local_cluster.home)}
    command = [sys.executable, "-m", "sojourn.cli.main", "events", "--process", "watched", "--json"]
    process = local_cluster.client.run(program(tmp_path, SPIN), name="watched", python=sys.executable)
    follow = [*command, "-f", "--since", "1h"]
    with subprocess.Popen(follow, stdout=subprocess.PIPE, env=environment) as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["event"] == "started"
        process.kill()
        ended = json.loads(watching.stdout.readline())
        assert (ended["event"], ended["signal"], ended["process"]) == ("ended", 9, "watched")
        watching.send_signal(signal.SIGINT)
    assert watching.returncode == 130
    done = subprocess.run(command[:-1], capture_output=True, env=environment, text=True, check=True)
    assert [line.split(maxsplit=3)[3] for line in done.stdout.splitlines()][1:] == ["ended by SIGKILL"]
    process.rm()


def test_nodes_log_lines_of_json_and_no_secret(own_cluster: LocalCluster, tmp_path: Path) -> None:
    here, there, _ = own_cluster.nodes
    process = own_cluster.client.run(program(tmp_path, SPIN), name="logged", node=here, python=sys.executable)
    process.move(there)
    process.kill()
    texts = {name: (own_cluster.home / "nodes" / name / "node.log").read_text() for name in own_cluster.nodes}
    lines = {name: [json.loads(line) for line in text.splitlines()] for name, text in texts.items()}
    about = [line for line in lines[here] if line.get("process") == "logged"]
    assert [line["event"] for line in about] == ["started", "moving", "moved"]
    assert {(line["id"], line["node"]) for line in about} == {(process.id, here)}
    assert [line["epoch"] for line in about] == [1, 1, 2]
    found = [path.read_bytes() for path in own_cluster.home.rglob("*.key")]
    keys = [key.decode().splitlines()[1] for key in found if b"PRIVATE KEY" in key]
    raw = [key for key in found if b"PRIVATE KEY" not in key]  # those that images are signed with
    keys += [form for key in raw for form in (key.hex(), base64.b64encode(key).decode(), repr(key)[2:-1])]
    assert len(keys) >= 6, "the authority's, the keeper's, that of NATS, and each node's"
    assert not [key for key in keys for text in texts.values() if key in text]


def test_nodes_come_and_go_in_the_journal(own_cluster: LocalCluster) -> None:
    up: list[str] = []
    while len(up) < len(own_cluster.nodes):  # each writes it down behind the back of `up`
        up = [event.node for event in own_cluster.client.events() if isinstance(event, events.NodeUp)]
    assert sorted(up) == own_cluster.nodes

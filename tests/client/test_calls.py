"""The decisions both clients share, without a cluster."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sojourn.client import calls, connect
from sojourn.client.calls import Chunk, Ended, Unseen
from sojourn.errors import NotFound, ProtocolError, Unavailable, UsageError


def test_no_cluster_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(tmp_path)
    assert "sojourn up" in str(caught.value)


def test_a_broken_cluster_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(Unavailable, match=r"cluster\.json"):
        connect(tmp_path)


def test_an_unknown_node_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text('{"nodes": [{"name": "n1", "socket": "/nowhere"}]}')
    with pytest.raises(NotFound) as caught:
        connect(tmp_path, node="n9")
    assert "n1" in str(caught.value)


def test_nodes_that_do_not_answer(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text('{"nodes": [{"name": "n1", "socket": "/nowhere"}]}')
    with pytest.raises(Unavailable, match="no node"):
        connect(tmp_path)


def run(**options: object) -> dict[str, object]:
    given = {"module": None, "name": None, "node": None, "python": None, "cwd": None, "env": None, **options}
    return calls.run("p.py", ["a"], **given).args  # type: ignore[arg-type]


def test_run_takes_directory_and_environment_from_here() -> None:
    asked = run()
    assert asked["cwd"] == os.getcwd() and asked["env"] == dict(os.environ)
    assert asked["program"] == "p.py" and "python" not in asked and "name" not in asked


@pytest.mark.parametrize(("python", "sent"), [("3.13", "3.13"), ("./venv", os.path.abspath("venv"))])
def test_an_interpreter_is_a_version_or_an_absolute_path(python: str, sent: str) -> None:
    assert run(python=python)["python"] == sent


def test_a_program_or_a_module() -> None:
    with pytest.raises(UsageError):
        run(module="m")


@pytest.mark.parametrize("name", ["SIGUSR1", "usr1", "Usr1", signal.SIGUSR1, 10])
def test_signals_by_name_and_number(name: str | int) -> None:
    assert calls.signal("p", name).args["signal"] == 10


def test_an_unknown_signal() -> None:
    with pytest.raises(UsageError, match="nope"):
        calls.signal("p", "nope")


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        (Ended(state="ended", exit_code=3), 3),
        (Ended(state="ended", exit_code=0), 0),
        (Ended(state="ended", signal=15), 143),
        (Ended(state="lost"), 1),
    ],
)
def test_the_status_a_shell_would_show(ended: Ended, status: int) -> None:
    assert ended.status == status


def test_a_repeated_log_is_skipped_stream_by_stream() -> None:
    unseen = Unseen()
    assert unseen.take({"stream": "out", "data": b"abc"}) == Chunk("out", b"abc")
    assert unseen.take({"stream": "err", "data": b"x"}) == Chunk("err", b"x")
    unseen.again()
    assert unseen.take({"stream": "out", "data": b"ab"}) is None
    assert unseen.take({"stream": "out", "data": b"cde"}) == Chunk("out", b"de")
    unseen.again()
    assert unseen.take({"stream": "err", "data": b"xyz"}) == Chunk("err", b"yz")
    assert unseen.take({"stream": "out", "data": b"abcdef"}) == Chunk("out", b"f")


def test_a_report_keeps_what_it_does_not_know() -> None:
    known = {"name": "p", "id": "i", "from": "a", "to": "b", "epoch": 2, "strategy": "s"}
    numbers = {"downtime_ms": 1.5, "total_ms": 3, "bytes": 4, "rounds": 1}
    report = calls.moved({**known, **numbers, "frames": 7})
    assert (report.source, report.target, report.total_ms, report.more) == ("a", "b", 3.0, {"frames": 7})


def test_an_answer_of_another_shape_is_the_peers_fault() -> None:
    with pytest.raises(ProtocolError):
        calls.ps(all=True).result([{"name": 3}])

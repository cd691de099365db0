"""The test kit finds what it is there to find."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sojourn.testing import Leaks, LocalCluster, Outcome, Scenario, moved, processes_of, roaming, staying
from sojourn.testing.computers import why_not
from sojourn.testing.leaks import gone

pytest_plugins = ["pytester"]


def test_an_open_descriptor_is_a_leak(tmp_path: Path) -> None:
    leaks = Leaks()
    with open(tmp_path / "left-open", "w"), pytest.raises(AssertionError, match="left-open"):
        leaks.check()
    leaks.check()


def test_a_temporary_file_is_a_leak() -> None:
    leaks = Leaks()
    with (
        tempfile.NamedTemporaryFile(prefix="sojourn-left"),
        pytest.raises(AssertionError, match="sojourn-left"),
    ):
        leaks.check()
    leaks.check()


@pytest.mark.parametrize("how", ["environment", "argument"])
def test_a_process_is_known_by_its_home(how: str, tmp_path: Path) -> None:
    env = {**os.environ, "SOJOURN_HOME": str(tmp_path)} if how == "environment" else None
    command = [sys.executable, "-c", "input()", *([str(tmp_path)] if how == "argument" else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=env) as child:
        assert [process.pid for process in processes_of(tmp_path)] == [child.pid]
    assert processes_of(tmp_path) == []


def test_outcomes_compare_what_a_user_sees() -> None:
    assert Outcome(b"a", b"", 0, None, refused=["once"]) == Outcome(b"a", b"", 0, None)
    assert Outcome(b"a", b"", 0, None) != Outcome(b"a", b"", 1, None)


@pytest.mark.parametrize("operator", [staying, moved(3, seed=1), roaming(seed=1)])
def test_every_operator(operator: object, local_cluster: LocalCluster, tmp_path: Path) -> None:
    program = tmp_path / "count.py"
    program.write_text(
        "for n in range(1000):\n    print(n)\n    for _ in range(100_000): pass\nprint(input())\n"
    )
    scenario = Scenario(program, stdin=b"the end")
    for _ in range(3):  # the first move to a node takes as long as it takes to get ready there
        outcome = scenario.run(local_cluster, operator)  # type: ignore[arg-type]
        assert outcome == scenario.plain(local_cluster)
        if outcome.moves or operator is staying:
            break
    assert bool(outcome.moves) == (operator is not staying)


def test_results_are_recorded_with_versions(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("pytest_plugins = ['sojourn.testing.plugin']")
    pytester.makepyfile("def test_passes(seed): assert seed == 7\ndef test_fails(): assert False\n")
    pytester.runpytest("--record", "results", "--seed", "7")
    (path,) = (pytester.path / "results").glob("*.json")
    record = path.read_text()
    assert (
        '"passed": 1' in record and "test_fails" in record and '"seed": 7' in record and "msgspec" in record
    )


def test_nothing_is_left_of_computers_whose_maker_is_killed() -> None:
    """Neither a process, nor a cable in the network of this machine."""
    if (why := why_not()) is not None:
        pytest.skip(why)
    cables = set(os.listdir("/sys/class/net"))
    code = """if True:
        from sojourn.testing import LocalCluster
        with LocalCluster(nodes=2, namespaces=True) as local:
            firsts = [computer.pid for computer in local.computers.values()]
            input(print(local.home.parent, *firsts, flush=True))
    """
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as maker:
        assert maker.stdout is not None
        said = maker.stdout.readline().decode().split()
        folder, firsts = Path(said[0]), [int(pid) for pid in said[1:]]
        assert processes_of(folder / "n1") and processes_of(folder / "n2")
        watched = [os.pidfd_open(pid) for pid in firsts]
        maker.send_signal(signal.SIGKILL)
    for fd in watched:
        assert select.select([fd], [], [], 30)[0], "a computer outlives who made it"
        os.close(fd)
    for name in ("n1", "n2"):
        gone(folder / name)
    assert set(os.listdir("/sys/class/net")) == cables
    shutil.rmtree(folder)

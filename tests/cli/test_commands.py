"""The commands, as a user types them: separate processes, their streams and statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from sojourn.testing import LocalCluster, processes_of
from sojourn.testing.leaks import SCRATCH

SOJOURN = [sys.executable, "-m", "sojourn.cli.main"]


class Shell:
    """Runs commands for one cluster."""

    def __init__(self, home: Path) -> None:
        self.env = {**os.environ, "SOJOURN_HOME": str(home), "VIRTUAL_ENV": sys.prefix}

    def __call__(self, *words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [*SOJOURN, *map(str, words)]
        return subprocess.run(
            command, input=stdin, capture_output=True, env=self.env, timeout=60, check=False
        )

    def json(self, *words: str | Path) -> Any:
        done = self(*words, "--json")
        assert done.returncode == 0, done
        return json.loads(done.stdout)


@pytest.fixture
def shell(local_cluster: LocalCluster) -> Shell:
    return Shell(local_cluster.home)


@pytest.fixture
def script(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "script.py"
        path.write_text(text)
        return path

    return write


def test_run_shows_both_streams_and_ends_with_the_exit_code(shell: Shell, script: Any) -> None:
    program = script(
        "import sys, os\n"
        "os.write(1, bytes(range(256)))\n"
        "os.write(2, b'\\xfferr')\n"
        "print(sys.argv[1:], sys.stdin.read())\n"
        "sys.exit(7)\n"
    )
    done = shell("run", program, "--name", "-x", stdin=b"input")
    assert done.stdout == bytes(range(256)) + b"['--name', '-x'] input\n"
    assert (done.stderr, done.returncode) == (b"\xfferr", 7)


def test_run_ends_as_a_shell_would_show_a_signal(shell: Shell, script: Any) -> None:
    assert shell("run", script("import os; os.kill(os.getpid(), 15)")).returncode == 143


def test_run_a_module(shell: Shell) -> None:
    done = shell("run", "-m", "calendar", "2024", "2", "--help")
    assert b"usage: calendar" in done.stdout


def test_the_first_ctrl_c_interrupts(shell: Shell, script: Any) -> None:
    program = script(
        "print('on', flush=True)\n"
        "try:\n"
        "    number = 0\n"  # 3.11 looks for the handler of a loop's jump in front of the loop
        "    while True: sum(range(99))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
        "    raise SystemExit(3)\n"
    )
    command = [*SOJOURN, "run", str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=shell.env) as run:
        assert run.stdout is not None and run.stdout.readline() == b"on\n"
        run.send_signal(signal.SIGINT)
        assert run.stdout.read() == b"interrupted\n"
    assert run.returncode == 3


def test_the_second_ctrl_c_stops(shell: Shell, script: Any) -> None:
    program = script(
        "import signal\n"
        "signal.signal(signal.SIGINT, lambda *_: print('no', flush=True))\n"
        "print('on', flush=True)\n"
        "while True: sum(range(99))\n"
    )
    command = [*SOJOURN, "run", str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=shell.env) as run:
        assert run.stdout is not None and run.stdout.readline() == b"on\n"
        run.send_signal(signal.SIGINT)
        assert run.stdout.readline() == b"no\n"
        run.send_signal(signal.SIGINT)
        assert run.stdout.read() == b""
    assert run.returncode == 128 + signal.SIGTERM


def test_a_client_that_is_killed_does_not_take_the_program_along(shell: Shell, script: Any) -> None:
    program = script("print('on', flush=True)\nwhile True: pass\n")
    command = [*SOJOURN, "run", "--name", "survivor", str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=shell.env) as run:
        assert run.stdout is not None and run.stdout.readline() == b"on\n"
        run.kill()
    assert [row["state"] for row in shell.json("ps") if row["name"] == "survivor"] == ["running"]
    assert shell("kill", "survivor").returncode == 0
    assert shell("rm", "survivor").returncode == 0


def test_a_detached_life(shell: Shell, script: Any, local_cluster: LocalCluster) -> None:
    here, there = local_cluster.nodes[:2]
    program = script("print('on', flush=True)\nwhile True: pass\n")
    done = shell("run", "--detach", "--name", "life", "--node", here, "--json", program)
    started = json.loads(done.stdout)
    assert (started["name"], started["node"]) == ("life", here)

    row = next(row for row in shell.json("ps") if row["name"] == "life")
    assert {"name", "id", "node", "machine", "state", "epoch", "moves", "started"} <= row.keys()
    report = shell.json("move", "life", there)
    assert {
        "name",
        "id",
        "from",
        "to",
        "epoch",
        "strategy",
        "downtime_ms",
        "total_ms",
        "bytes",
        "rounds",
    } <= (report.keys())
    assert (report["from"], report["to"]) == (here, there)
    assert b"life" in shell("ps").stdout and there.encode() in shell("ps").stdout

    assert shell("wait", "--timeout", "0.05", "life").returncode == 1
    assert shell("rm", "life").returncode == 1
    assert shell("stop", "life").returncode == 0
    assert shell("wait", "life").returncode == 143
    assert shell("logs", "life").stdout == b"on\n"
    assert b"life" not in shell("ps").stdout and b"ended (SIGTERM)" in shell("ps", "-a").stdout
    assert shell("rm", "life").returncode == 0
    assert b"life" not in shell("ps", "-a").stdout


def test_nodes(shell: Shell, local_cluster: LocalCluster) -> None:
    rows = shell.json("nodes")
    assert [row["name"] for row in rows] == local_cluster.nodes
    assert {"name", "address", "interpreters", "load", "processes", "state"} <= rows[0].keys()
    assert local_cluster.nodes[0].encode() in shell("nodes").stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("logs", "nobody"), 1, b"sojourn: there is no process 'nobody'"),
        (("move", "nobody"), 2, b"sojourn: Missing argument 'NODE'"),
        (("fly",), 2, b"sojourn: No such command 'fly'"),
        (("run",), 2, b"sojourn: name a program"),
    ],
)
def test_errors_are_a_line_and_a_way_out(
    shell: Shell, words: tuple[str, ...], status: int, said: bytes
) -> None:
    done = shell(*words)
    first, advice = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (status, b"")
    assert first.startswith(said) and advice.startswith(b"  ")


def test_errors_in_json(shell: Shell) -> None:
    done = shell("logs", "nobody", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "not-found"
    assert (done.returncode, done.stderr) == (1, b"")


def test_output_in_json_loses_no_byte(shell: Shell, script: Any) -> None:
    done = shell("run", "--json", script("import os; os.write(1, b'text'); os.write(2, b'\\xff')"))
    *chunks, end = map(json.loads, done.stdout.splitlines())
    assert {"stream": "out", "text": "text"} in chunks and {"stream": "err", "base64": "/w=="} in chunks
    assert (end["state"], end["exit_code"]) == ("ended", 0)


@pytest.mark.parametrize(
    "command", ["up", "run", "attach", "ps", "logs", "move", "wait", "stop", "kill", "rm", "nodes", "down"]
)
def test_help_teaches_by_example(shell: Shell, command: str) -> None:
    text = shell(command, "--help").stdout.decode()
    assert "Example" in text and f"sojourn {command}" in text and "--json" in text


def test_completion_knows_the_processes(shell: Shell, script: Any) -> None:
    shell("run", "--detach", "--name", "completed", script("while True: pass"))
    env = {
        **shell.env,
        "_SOJOURN_COMPLETE": "bash_complete",
        "COMP_WORDS": "sojourn logs compl",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(SOJOURN, capture_output=True, env=env, check=False)
    assert b"plain,completed" in done.stdout
    shell("kill", "completed")
    shell("rm", "completed")


def test_up_and_down_leave_nothing_but_logs() -> None:
    with tempfile.TemporaryDirectory(prefix="sojourn-", dir=SCRATCH) as folder:
        home = Path(folder)
        shell = Shell(home)
        assert shell("up", "--nodes", "2").returncode == 0
        assert len(shell.json("nodes")) == 2
        assert home.stat().st_mode & 0o777 == 0o700
        assert shell("up").returncode == 1
        pids = [process.pid for process in processes_of(home)]
        assert pids
        assert shell("down").returncode == 0
        assert [process.pid for process in processes_of(home)] == []
        assert shell("ps").returncode == 1

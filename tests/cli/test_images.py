"""freeze, thaw and inspect as commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from sojourn.testing import LocalCluster

WAITS = """
import os, sys
def wait(limit):
    number = 0
    while not os.path.exists(sys.argv[1]):
        number = (number + 1) % limit
    return limit
print("waits", flush=True)
print("last", wait(1000))
"""


def sojourn(local: LocalCluster, *args: str, status: int = 0) -> str:
    """What the command says on stdout (on stderr, when it is to fail)."""
    done = subprocess.run(
        [sys.executable, "-m", "sojourn.cli.main", *args],
        env={**os.environ, "SOJOURN_HOME": str(local.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done
    return done.stderr if status and not done.stdout else done.stdout


def test_out_of_a_terminal_into_a_file_and_on(local_cluster: LocalCluster, tmp_path: Path) -> None:
    """`run` stays with the process over a freeze and a thaw, and ends with it."""
    program, image, flag = tmp_path / "count.py", str(tmp_path / "image"), tmp_path / "flag"
    program.write_text(WAITS)
    command = [
        sys.executable,
        "-m",
        "sojourn.cli.main",
        "run",
        "--name",
        "frozen-run",
        "--python",
        sys.executable,
    ]
    environment = {**os.environ, "SOJOURN_HOME": str(local_cluster.home)}
    with subprocess.Popen(
        [*command, program, flag], env=environment, stdout=subprocess.PIPE, text=True
    ) as attached:
        assert attached.stdout is not None
        first = attached.stdout.readline()
        said = sojourn(local_cluster, "freeze", "frozen-run", image)
        assert said.startswith(f"frozen-run is frozen in {image}: ")
        assert "  frozen  " in sojourn(local_cluster, "ps")

        seen = sojourn(local_cluster, "inspect", image)
        for part in ("signed", "believed here", "count.py:", "limit: int", "execution", "memory"):
            assert part in seen
        assert (
            json.loads(sojourn(local_cluster, "inspect", image, "--json"))["process"]["name"] == "frozen-run"
        )
        assert "is frozen in" in sojourn(local_cluster, "stop", "frozen-run", status=1)
        assert "neither a process nor a file" in sojourn(local_cluster, "inspect", "nothing", status=1)
        refused = json.loads(sojourn(local_cluster, "freeze", "frozen-run", image, "--json", status=1))
        assert refused["error"]["code"] == "wrong-state"

        there = local_cluster.nodes[1]
        assert sojourn(local_cluster, "thaw", image, "--node", there).startswith(
            f"frozen-run goes on at {there}: "
        )
        copied = json.loads(sojourn(local_cluster, "thaw", image, "--name", "frozen-copy", "--json"))
        assert (copied["name"], copied["as"]) == ("frozen-copy", "copy")
        flag.touch()
        assert (first, attached.stdout.read()) == ("waits\n", "last 1000\n")
    assert attached.returncode == 0
    sojourn(local_cluster, "wait", "frozen-copy")
    for name in ("frozen-run", "frozen-copy"):
        sojourn(local_cluster, "rm", name)

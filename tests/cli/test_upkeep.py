"""`show`, `check`, `drain` and `run --env`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

from sojourn.testing import LocalCluster

from .test_commands import Shell

SPIN = "print('on', flush=True)\nwhile True: pass\n"


def spin(shell: Shell, folder: Path, name: str, node: str) -> None:
    program = folder / "spin.py"
    program.write_text(SPIN)
    assert shell("run", "--name", name, "--node", node, "--detach", program).returncode == 0


def test_variables(local_cluster: LocalCluster, tmp_path: Path) -> None:
    shell = Shell(local_cluster.home)
    program = tmp_path / "variables.py"
    program.write_text("import os; print(os.environ['A'], os.environ['B'])")
    done = shell("run", "--env", "A=1", "--env", "B=x=y", program)
    assert (done.stdout, done.returncode) == (b"1 x=y\n", 0)
    wrong = shell("run", "--env", "A", program)
    assert wrong.returncode == 2 and b"NAME=VALUE" in wrong.stderr


def test_show_check_and_drain(local_cluster: LocalCluster, tmp_path: Path) -> None:
    shell = Shell(local_cluster.home)
    here, there = local_cluster.nodes[:2]
    spin(shell, tmp_path, "looked-at", here)
    try:
        shown = shell("show", "looked-at")
        assert shown.returncode == 0 and f"at {here}".encode() in shown.stdout
        assert shell.json("show", "looked-at")["name"] == "looked-at"
        yes = shell("check", "looked-at", "--node", there)
        assert yes.returncode == 0 and f"{there}: would take it".encode() in yes.stdout
        assert shell.json("check", "looked-at")["can_move"] is True

        drained = shell("drain", here)
        assert drained.returncode == 0 and b"looked-at moved to" in drained.stdout, drained
        no = shell("check", "looked-at", "--node", here)
        assert no.returncode == 1 and b"drained" in no.stdout
        answer = shell("check", "looked-at", "--node", here, "--json")
        assert answer.returncode == 1 and json.loads(answer.stdout)["targets"][0]["reasons"]
        assert b"draining" in shell("nodes").stdout
        assert shell.json("drain", "--undo", here) == {"node": here, "state": "up"}
    finally:
        shell("drain", "--undo", here)
        shell("kill", "looked-at")
        shell("rm", "looked-at")


def test_check_a_file(local_cluster: LocalCluster, tmp_path: Path) -> None:
    shell = Shell(local_cluster.home)
    program = tmp_path / "program.py"
    program.write_text("import json\n")
    good = shell("check", program)
    assert good.returncode == 0 and b"nothing in" in good.stdout and b"would take it" in good.stdout, good
    program.write_text("import json\nimport multiprocessing\n")
    bad = shell("check", program)
    assert bad.returncode == 1 and f"{program}:2: multiprocessing".encode() in bad.stdout
    answer = shell("check", program, "--json")
    assert answer.returncode == 1 and json.loads(answer.stdout)["findings"][0]["certain"] is True

"""`sojourn doctor` on this machine, and on one that has been made worse, for real."""

from __future__ import annotations

import json
import os
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sojourn.testing import LocalCluster

DOCTOR = [sys.executable, "-m", "sojourn.cli.main", "doctor"]


def examined(home: Path, worse: Callable[[], None] | None = None, **env: str) -> tuple[int, dict[str, Any]]:
    environment = {**os.environ, "SOJOURN_HOME": str(home), **env}
    command = [*DOCTOR, "--json"]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=False, preexec_fn=worse)
    findings = json.loads(done.stdout)
    for finding in findings:
        assert finding["what"] and finding["found"]
        if finding["state"] != "ok":
            assert finding["limits"] and finding["advice"], finding
    return done.returncode, {finding["what"]: finding for finding in findings}


def test_this_machine_can_run_a_cluster_and_is_left_as_it_was(tmp_path: Path) -> None:
    status, found = examined(tmp_path / "h", VIRTUAL_ENV=sys.prefix)
    for what in ("SOJOURN_HOME", "loopback", "NATS", "interpreters"):
        assert found[what]["state"] == "ok", found[what]
    assert {"clock", "time namespaces", "cgroups", "userfaultfd", "ptrace", "open files", "memory"} <= set(found)
    assert status == int(any(finding["state"] == "bad" for finding in found.values()))
    assert sys.prefix in found["interpreters"]["found"]
    assert "none runs" in found["cluster"]["found"]
    assert not list(tmp_path.iterdir()), "nothing is made"
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_folder_with_too_long_a_path(tmp_path: Path) -> None:
    status, found = examined(tmp_path / ("x" * 100))
    assert status == 1
    assert found["SOJOURN_HOME"]["state"] == "bad" and "shorter" in found["SOJOURN_HOME"]["advice"]


def test_too_few_descriptors(tmp_path: Path) -> None:
    status, found = examined(tmp_path, lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)))
    assert (status, found["open files"]["state"]) == (1, "bad")
    assert "200" in found["open files"]["found"]


def test_an_interpreter_that_is_none_is_named_with_the_reason(tmp_path: Path) -> None:
    fake = tmp_path / "bin" / "python3"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho this is not it >&2; exit 1\n")
    fake.chmod(0o755)
    path = f"{fake.parent}:{os.environ['PATH']}"
    _, found = examined(tmp_path / "h", PATH=path)
    assert f"{fake}: " in found["passed over"]["found"] and "this is not it" in found["passed over"]["found"]


def test_a_cluster_is_looked_at(local_cluster: LocalCluster, tmp_path: Path) -> None:
    _, found = examined(local_cluster.home)
    assert found["cluster"]["found"] == "3 nodes answer"
    gone = json.loads((local_cluster.home / "cluster.json").read_bytes())
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(tmp_path / "s"))
    gone["nodes"][1]["socket"] = str(tmp_path / "s")
    (tmp_path / "cluster.json").write_text(json.dumps(gone))
    status, found = examined(tmp_path)
    assert (status, found["cluster"]["state"]) == (1, "bad") and "n2" in found["cluster"]["found"]


def test_for_people_it_says_what_to_do(tmp_path: Path) -> None:
    environment = {**os.environ, "SOJOURN_HOME": str(tmp_path / ("x" * 100))}
    done = subprocess.run(DOCTOR, capture_output=True, env=environment, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "BAD      SOJOURN_HOME" in done.stdout and "advice: choose a shorter SOJOURN_HOME" in done.stdout

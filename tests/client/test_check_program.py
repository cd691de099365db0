"""Checking a program that does not run: told by its text, with files and lines, and nothing of it carried out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sojourn.client import Cluster
from sojourn.client.upkeep import ProgramReport
from sojourn.errors import NotFound
from sojourn.testing import LocalCluster

PROGRAM = """\
import json
import helper
from inner import part
from inner.deep import *
raise SystemExit("it was run")
"""


def read(cluster: Cluster, folder: Path, text: str, node: str | None = None) -> ProgramReport:
    (folder / "program.py").write_text(text)
    return cluster.check_program(folder / "program.py", node, python=sys.executable, cwd=str(folder))


def test_an_ordinary_program_with_its_modules(
    cluster: Cluster, local_cluster: LocalCluster, tmp_path: Path
) -> None:
    (tmp_path / "helper.py").write_text("import numpy\nraise SystemExit('it was imported')\n")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/__init__.py").write_text("raise SystemExit('it was imported')\n")
    (tmp_path / "inner/part.py").write_text("from . import deep\nfrom ..helper import x\n")
    (tmp_path / "inner/deep.py").write_text("import decimal\n")
    report = read(cluster, tmp_path, PROGRAM)
    assert report.can_move and report.findings == []
    assert list(report.packages) == ["numpy"]  # found through the module beside it
    assert [(place.node, place.reasons) for place in report.targets] == [
        (node, []) for node in local_cluster.nodes[1:]
    ]


def test_what_is_known_to_hold_a_process_is_told_with_its_line(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("\nfrom ctypes import CDLL\n")
    text = (
        "import helper\n"
        "import multiprocessing.pool\n"
        "try:\n"
        "    import uvloop\n"
        "except ImportError:\n"
        "    pass\n"
        "import subprocess as s\n"
        "from concurrent.futures import ProcessPoolExecutor as P\n"
        "def later():\n"
        "    s.Popen([])\n"
        "    P(2)\n"
    )
    report = read(cluster, tmp_path, text)
    assert not report.can_move
    found = {(Path(f.file).name, f.line): (f.what.partition(":")[0], f.certain) for f in report.findings}
    assert found[("helper.py", 2)] == ("ctypes", False)  # its numbers travel
    assert found[("program.py", 2)] == ("multiprocessing.pool", True)
    assert found[("program.py", 4)][1] is False  # it may do without
    assert found[("program.py", 10)] == ("subprocess.Popen()", False)
    assert found[("program.py", 11)] == ("concurrent.futures.ProcessPoolExecutor()", True)
    assert len(found) == 5
    assert all(finding.what.endswith(")") for finding in report.findings), "each has its way out"


def test_what_is_nowhere_and_what_is_no_python(cluster: Cluster, tmp_path: Path) -> None:
    missing = read(cluster, tmp_path, "import json\nimport no_such_thing.at_all\n")
    assert not missing.can_move and missing.findings[0].line == 2
    assert "no_such_thing" in missing.findings[0].what
    wrong = read(cluster, tmp_path, "x = 1\ndef f(:\n")
    assert not wrong.can_move and wrong.findings[0].line == 2 and "CPython" in wrong.findings[0].what
    with pytest.raises(NotFound):
        cluster.check_program(tmp_path / "none.py")


def test_a_node_of_ones_choice(cluster: Cluster, local_cluster: LocalCluster, tmp_path: Path) -> None:
    for node in local_cluster.nodes[:2]:  # the one that is asked is as good as any
        report = read(cluster, tmp_path, "print(1)\n", node)
        assert report.can_move and [place.node for place in report.targets] == [node]
    with pytest.raises(NotFound):
        read(cluster, tmp_path, "print(1)\n", "n9")

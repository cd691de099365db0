"""A node that lacks what a process uses, and is prepared for it: an environment made by uv or by pip, offline."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn.client import Process
from sojourn.errors import NotFound, Refused, WrongState
from sojourn.machines.python.environments import find_uv
from sojourn.machines.python.packages import translated
from sojourn.testing import LocalCluster

from .far import far_node

PROGRAM = """
import select, sys
import tiny
def ask():
    while not select.select([sys.stdin], [], [], 0)[0]: pass
    return sys.stdin.readline()
tiny.counted = 7
print("on", flush=True)
while line := ask():
    print(repr(eval(line)), flush=True)
"""


def wheel(folder: Path, name: str, version: str) -> None:
    """A package with a module and a package of modules."""
    folder.mkdir(exist_ok=True)
    files = {
        f"{name}/__init__.py": "counted = 0\ndef told(): return counted\n",
        f"{name}/later.py": "answer = 42\n",
        f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{name}-{version}.dist-info/RECORD"] = "".join(f"{path},,\n" for path in files)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        for path, text in files.items():
            file.writestr(path, text)


@pytest.fixture(scope="module")
def local_cluster() -> Iterator[LocalCluster]:
    """One for this module: its last node is to be another machine."""
    with LocalCluster(nodes=3) as local:
        yield local


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder, "tiny", "1.5")
    return folder


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    """An environment that has the package."""
    folder = tmp_path_factory.mktemp("venv") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as file:
        file.extractall(site)
    return folder


@pytest.fixture(autouse=True)
def unprepared(local_cluster: LocalCluster) -> None:
    """No environment is left of an earlier test."""
    shutil.rmtree(local_cluster.home / "nodes" / local_cluster.nodes[-1] / "environments", ignore_errors=True)


@pytest.fixture
def process(local_cluster: LocalCluster, venv: Path, tmp_path: Path) -> Iterator[Process]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = local_cluster.client.run(program, node=local_cluster.nodes[0], python=venv / "bin/python")
    said = b""
    for chunk in process.logs(follow=True):
        said += chunk.data
        if said.endswith(b"\n"):
            break
    assert said == b"on\n"
    yield process
    process.kill()
    process.rm()


def told(process: Process, expression: str) -> str:
    """What the program says to an expression."""
    before = len(process.output()[0])
    process.write_stdin(expression.encode() + b"\n")
    seen = b""
    for chunk in process.logs(follow=True):
        seen += chunk.data
        if len(seen) > before and seen.endswith(b"\n"):
            break
    return seen[before:].decode().strip()


def offline(wheels: Path) -> dict[str, str]:
    return {
        "UV_FIND_LINKS": str(wheels), "UV_NO_INDEX": "1", "UV_OFFLINE": "1", "UV_NO_CONFIG": "1",
        "PIP_FIND_LINKS": str(wheels), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null",
    }  # fmt: skip


def without_uv(folder: Path) -> Path:
    """What hides uv from a node: a package of that name that has none."""
    (folder / "uv").mkdir(parents=True)
    (folder / "uv/__init__.py").write_text("def find_uv_bin(): raise FileNotFoundError\n")
    return folder


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_prepared_node_takes_the_process(
    process: Process, local_cluster: LocalCluster, venv: Path, wheels: Path, tool: str, tmp_path: Path,
    thorough: bool,
) -> None:  # fmt: skip
    env = offline(wheels)
    if tool == "uv" and find_uv() is None:
        pytest.skip("there is no uv")
    if tool == "pip":
        if not thorough and find_uv() is not None:
            pytest.skip("slow; uv stands for both (--thorough runs it)")
        if shutil.which("uv"):
            pytest.skip("uv is on PATH, and goes first")
        env["PYTHONPATH"] = str(without_uv(tmp_path / "without"))
    home = local_cluster.nodes[0]
    with far_node(local_cluster, hidden=(venv,), env=env) as far:
        with pytest.raises(Refused) as caught:
            process.move(far)
        assert "tiny 1.5" in caught.value.reasons[0] and "node prepare" in caught.value.reasons[1]
        assert not process.check(far).can_move

        steps: list[str] = []
        report = local_cluster.client.prepare(far, like=process.name, on_step=steps.append)
        assert report.packages == {"tiny": "1.5"} and report.tool == tool and len(steps) == 2
        assert process.check(far).can_move
        process.move(far)
        assert told(process, "tiny.counted, tiny.told()") == "(7, 7)"  # with its state
        assert told(process, "__import__('tiny.later').later.answer") == "42"  # and what it imports only now
        entries = told(process, "[path for path in sys.path if path.endswith('site-packages')]")
        assert report.path in entries and str(venv) not in entries
        again = local_cluster.client.prepare(far, like=process.name)
        assert again.tool == "none" and again.path == report.path
        process.move(home)
        assert told(process, "tiny.told(), tiny.later.answer") == "(7, 42)"


def test_an_index_that_has_it_not_is_told_with_its_words(
    process: Process, local_cluster: LocalCluster, venv: Path, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    with far_node(local_cluster, hidden=(venv,), env=offline(tmp_path / "none")) as far:
        with pytest.raises(Refused) as caught:
            local_cluster.client.prepare(far, like=process.name)
        assert "tiny" in " ".join(caught.value.reasons) and "index" in str(caught.value.advice)
        assert list((local_cluster.home / "nodes" / far / "environments").iterdir()) == []


def test_what_cannot_be_prepared(process: Process, local_cluster: LocalCluster) -> None:
    with pytest.raises(NotFound):
        local_cluster.client.prepare("n9", like=process.name)
    with pytest.raises(NotFound):
        local_cluster.client.prepare(local_cluster.nodes[0], like="nobody")
    process.kill()
    with pytest.raises(WrongState, match="ended"):
        local_cluster.client.prepare(local_cluster.nodes[0], like=process.name)


def test_entries_of_the_path_find_their_counterparts() -> None:
    source = ["/py/lib/python311.zip", "/py/lib/python3.11", "/venv/lib/python3.11/site-packages"]
    target = ["/py/lib/python311.zip", "/py/lib/python3.11", "/env/lib/python3.11/site-packages"]
    assert translated(source, target) == {source[2]: target[2]}
    assert translated(source, source) == {}
    assert translated(source, [path.replace("/py/", "/other/") for path in target[:2]]) == {
        "/py/lib/python311.zip": "/other/lib/python311.zip", "/py/lib/python3.11": "/other/lib/python3.11",
    }  # fmt: skip

"""Workspaces, on nodes that share a file system and on one that does not."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sojourn.client import Cluster, Process, connect_async, embedded
from sojourn.errors import NotFound, Refused, Unmovable, UsageError
from sojourn.testing import LocalCluster

from .far import far_node

PLACES = Path("/var/tmp")

ECHO = """
import os, select, sys
import helper
def ask():
    while not select.select([sys.stdin], [], [], 0)[0]: pass
    return sys.stdin.readline()
log = open("out/log.txt", "a")
data = open("data/lines.txt")
print("on", os.getcwd(), __file__, sys.argv[0], sys.path[0], flush=True)
while line := ask():
    print(repr(eval(line)), flush=True)
"""


@pytest.fixture(scope="module")
def local_cluster() -> Iterator[LocalCluster]:
    """One for this module: its last node is to be another machine."""
    with LocalCluster(nodes=3) as local:
        yield local


@pytest.fixture(scope="module")
def far(local_cluster: LocalCluster) -> Iterator[str]:
    """A node with a /var/tmp of its own."""
    with far_node(local_cluster) as name:
        yield name


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "out").mkdir(mode=0o700)
    (folder / "empty").mkdir()
    (folder / "program.py").write_text(ECHO)
    (folder / "helper.py").write_text("value = 'helped'\n")
    (folder / "data/lines.txt").write_text("one\ntwo\nthree\n")
    (folder / "data/big.bin").write_bytes(os.urandom(3 << 20))
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("data/lines.txt")
    (folder / "away").symlink_to("/nowhere/at/all")
    return folder


class Talk:
    """A program that evaluates what it is told."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._log = process.logs(follow=True)
        self._rest = b""

    def line(self) -> str:
        while b"\n" not in self._rest:
            self._rest += next(self._log).data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def __call__(self, expression: str) -> str:
        self.process.write_stdin(expression.encode() + b"\n")
        return self.line()


@pytest.fixture
def start(local_cluster: LocalCluster, project: Path) -> Iterator[Any]:
    started: list[Process] = []

    def run(program: str | Path = "program.py", **more: Any) -> Talk:
        given = {"cwd": project, "with_": [project], "node": local_cluster.nodes[0], "python": sys.executable}
        process = local_cluster.client.run(program, **{**given, **more})
        started.append(process)
        return Talk(process)

    yield run
    for process in started:
        with suppress(NotFound):  # a test that has removed it
            process.kill()
            process.rm()


def tree(folder: Path) -> dict[str, tuple[int, Any]]:
    found: dict[str, tuple[int, Any]] = {}
    for path in sorted(folder.rglob("*")):
        if "__pycache__" in path.parts:
            continue
        status = path.lstat()
        content: Any = os.readlink(path) if path.is_symlink() else None
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        found[str(path.relative_to(folder))] = (0 if path.is_symlink() else status.st_mode & 0o777, content)
    return found


def place(talk: Talk) -> Path:
    return PLACES / f"sojourn-{talk.process.id}"


def gone(path: Path) -> None:
    """Wait until what is removed in passing is."""
    until = time.monotonic() + 10
    while path.exists():
        assert time.monotonic() < until, f"{path} is still there"


def test_the_program_runs_in_a_private_copy(start: Any, project: Path) -> None:
    talk = start()
    root = place(talk) / "project"
    assert talk.line().split() == ["on", str(root), f"{root}/program.py", "program.py", str(root)]
    assert tree(root) == {**tree(project), "out/log.txt": (0o644, b"")}
    assert place(talk).stat().st_mode & 0o777 == 0o700
    assert talk.process.show()["holds"]["workspace"] == str(root)
    talk("open('new', 'w').close()")
    assert not (project / "new").exists()
    talk.process.kill()
    assert (root / "new").exists()  # until rm


def test_nodes_on_one_file_system_share_the_copy(start: Any, local_cluster: LocalCluster) -> None:
    here, there = local_cluster.nodes[:2]
    talk = start()
    talk.line()
    before = talk("os.stat('helper.py').st_ino")
    for node in (there, here, there):
        talk.process.move(node)
        assert talk("os.stat('helper.py').st_ino") == before
        assert sorted(path.name for path in place(talk).iterdir()) == ["copy", "home", "process", "project"]
    assert talk("(log.write('x'), log.flush(), open('out/log.txt').read())[-1]") == "'x'"
    talk.process.kill()
    talk.process.rm()
    gone(place(talk))


def test_it_travels_to_another_file_system_and_back(
    start: Any, local_cluster: LocalCluster, far: str, project: Path
) -> None:
    here = local_cluster.nodes[0]
    talk = start()
    talk.line()
    root = place(talk) / "project"
    assert talk("data.readline()") == r"'one\n'"
    talk.process.move(far)
    gone(root)  # here it is removed
    assert talk("os.getcwd()") == repr(str(root))
    assert talk("data.readline()") == r"'two\n'"  # open, at its place
    assert talk("sorted(os.listdir('.')) == sorted(os.listdir(os.path.dirname(__file__)))") == "True"
    assert talk("oct(os.stat('out').st_mode), oct(os.stat('run.sh').st_mode)") == "('0o40700', '0o100755')"
    links = "('data/lines.txt', '/nowhere/at/all', True)"
    assert talk("os.readlink('link'), os.readlink('away'), os.path.isdir('empty')") == links
    # What it changes there comes back: new, changed, removed, another kind, a mode, the middle of a large file.
    for change in (
        "log.write('there\\n'), log.flush()",
        "os.mkdir('made'), open('made/file', 'w').write('made')",
        "os.remove('helper.py'), os.rmdir('empty'), open('empty', 'w').write('a file now')",
        "os.remove('link'), os.symlink('data', 'link')",
        "os.chmod('run.sh', 0o600)",
        "(f := open('data/big.bin', 'r+b')).seek(1500000), f.write(b'changed'), f.close()",
    ):
        talk(change)
    report = talk.process.move(here)
    assert report.bytes < 3 << 20  # of the large file only one piece was new
    assert talk("data.readline()") == r"'three\n'"
    found = tree(root)
    assert found["out/log.txt"][1] == b"there\n" and found["made/file"][1] == b"made"
    assert "helper.py" not in found and found["empty"] == (0o644, b"a file now")
    assert found["link"] == (0, "data") and found["run.sh"][0] == 0o600
    big = (project / "data/big.bin").read_bytes()
    assert found["data/big.bin"][1] == big[:1500000] + b"changed" + big[1500007:]
    assert talk("__import__('helper').value") == "'helped'"  # its code travels too
    talk.process.move(far)  # and once more
    assert talk("open('made/file').read()") == "'made'"


def test_a_frozen_process_has_it_in_its_file(
    start: Any, local_cluster: LocalCluster, far: str, tmp_path: Path
) -> None:
    talk = start()
    talk.line()
    talk("log.write('before'), log.flush()")
    talk("open('early', 'w').write('e')")
    image = tmp_path / "image"
    talk.process.freeze(image)
    gone(place(talk))
    local_cluster.client.thaw(image, node=far)
    assert talk("open('out/log.txt').read(), open('early').read()") == "('before', 'e')"
    talk("log.write(', after'), log.flush()")
    again = tmp_path / "again"
    talk.process.freeze(again)
    local_cluster.client.thaw(again, node=local_cluster.nodes[0])
    assert talk("open('out/log.txt').read()") == "'before, after'"
    assert (place(talk) / "project/early").read_text() == "e"


def test_a_copy_goes_to_another_machine_and_nowhere_else(
    start: Any, local_cluster: LocalCluster, far: str, tmp_path: Path
) -> None:
    """A workspace has one path everywhere, so two processes with one need two file systems."""
    talk, (here, there) = start(), local_cluster.nodes[:2]
    talk.line()
    talk("log.write('before'), log.flush()")
    for node in (here, there):
        with pytest.raises(Refused) as refused:
            talk.process.clone(node)
        (why,) = refused.value.reasons
        assert f"process {talk.process.id} is there: take a node of another computer" in why
    copy = Talk(local_cluster.client.process(talk.process.clone(far).copies[0].name))
    assert copy("log.write(', copied'), log.flush(), open('out/log.txt').read()") == "(8, None, 'before, copied')"
    assert talk("open('out/log.txt').read()") == "'before'"
    talk.process.freeze(tmp_path / "image")
    second = local_cluster.client.thaw(tmp_path / "image", name="second", node=there).process
    with pytest.raises(Refused, match=f"process {second.id} is there"):
        local_cluster.client.thaw(tmp_path / "image", node=here)
    for each in (copy.process, second):
        each.kill()
        each.rm()
    local_cluster.client.thaw(tmp_path / "image", node=here)
    assert talk("open('out/log.txt').read()") == "'before'"


def test_it_starts_on_another_machine(start: Any, far: str) -> None:
    talk = start(node=far)
    talk.line()
    assert not place(talk).exists()
    assert talk("open('data/lines.txt').read().split()") == "['one', 'two', 'three']"


def test_a_file_that_is_written_all_the_time(
    start: Any, local_cluster: LocalCluster, far: str, project: Path
) -> None:
    (project / "writes.py").write_text(
        "import sys\n"
        "file = open('data/big.bin', 'r+b')\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        "    file.seek(n * 4096 % (3 << 20)); file.write(n.to_bytes(8, 'big')); file.flush()\n"
        "    if n % 20_000 == 0:\n"
        "        file.seek(n * 4096 % (3 << 20))\n"
        "        print(n, int.from_bytes(file.read(8), 'big') == n, flush=True)\n"
    )
    talk = start("writes.py")
    talk.line()
    for node in (far, local_cluster.nodes[1], far):
        talk.process.move(node)
        for _ in range(2):
            assert talk.line().endswith("True")


def test_single_files_and_the_folders_between(start: Any, project: Path) -> None:
    text = "import os; print(os.getcwd()); print(open('../data/lines.txt').readline())"
    (project / "out/tool.py").write_text(text)
    talk = start("tool.py", cwd=project / "out", with_=[project / "data/lines.txt"])
    root = place(talk) / "project"
    assert talk.line() == str(root / "out") and talk.line() == "one"
    assert set(tree(root)) == {"data", "data/lines.txt", "out", "out/tool.py"}


def test_an_absolute_program_is_the_copy(start: Any, project: Path) -> None:
    (project / "where.py").write_text("print(__file__)")
    talk = start(project / "where.py")
    assert talk.line() == str(place(talk) / "project/where.py")


def test_what_cannot_be_sent_along(cluster: Cluster, project: Path) -> None:
    with pytest.raises(NotFound, match="nothing-here"):
        cluster.run("program.py", cwd=project, with_=[project / "nothing-here"])
    os.mkfifo(project / "pipe")
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(project / "line"))
        with pytest.raises(UsageError) as caught:
            cluster.run("program.py", cwd=project, with_=[project])
    reasons = caught.value.details["reasons"]
    assert len(reasons) == 2 and "a pipe" in str(reasons) and "a socket" in str(reasons)


def test_a_pipe_in_the_workspace_is_named(start: Any, local_cluster: LocalCluster) -> None:
    talk = start()
    talk.line()
    talk("os.mkfifo('made-here')")
    with pytest.raises(Unmovable) as caught:
        talk.process.move(local_cluster.nodes[1])
    assert "made-here" in caught.value.reasons[0]
    talk("os.remove('made-here')")
    talk.process.move(local_cluster.nodes[1])


def test_without_it_an_absent_directory_is_refused_with_the_way_out(
    cluster: Cluster, local_cluster: LocalCluster, far: str
) -> None:
    folder = PLACES / f"plain-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "spin.py").write_text("print('on', flush=True)\nwhile True: pass\n")
        process = cluster.run("spin.py", cwd=folder, node=local_cluster.nodes[0], python=sys.executable)
        next(process.logs(follow=True))
        with pytest.raises(Refused) as caught:
            process.move(far)
        assert str(folder) in caught.value.reasons[0] and "--with" in caught.value.reasons[0]
        assert not process.check(far).can_move
        process.kill()
        process.rm()
    finally:
        (folder / "spin.py").unlink()
        folder.rmdir()


def test_what_stands_in_its_place_is_not_touched(start: Any, local_cluster: LocalCluster, far: str) -> None:
    talk = start(node=far)
    talk.line()
    place(talk).mkdir(mode=0o755)  # somebody's own
    try:
        with pytest.raises(Refused) as caught:
            talk.process.move(local_cluster.nodes[0])
        assert str(place(talk)) in caught.value.reasons[0]
        assert talk("os.path.exists('helper.py')") == "True"
    finally:
        place(talk).rmdir()
    talk.process.move(local_cluster.nodes[0])


def test_a_node_that_died_leaves_nothing_for_long(own_cluster: LocalCluster, project: Path) -> None:
    process = own_cluster.client.run(
        "program.py", cwd=project, with_=[project], node="n2", python=sys.executable
    )
    talk = Talk(process)
    talk.line()
    assert place(talk).exists()
    own_cluster.kill_node("n2")
    own_cluster.client.close()
    embedded.down(own_cluster.home)
    assert not place(talk).exists()
    embedded.up(own_cluster.home, nodes=1)


def test_the_same_with_asyncio(local_cluster: LocalCluster, project: Path) -> None:
    async def talk() -> None:
        async with await connect_async(local_cluster.home) as cluster:
            (project / "cat.py").write_text("print(open('data/lines.txt').read())")
            process = await cluster.run("cat.py", cwd=project, with_=[project], python=sys.executable)
            assert (await process.wait()).exit_code == 0
            assert (await process.output())[0] == b"one\ntwo\nthree\n\n"
            await process.rm()

    asyncio.run(talk())

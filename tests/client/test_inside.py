"""`sojourn.here`, `hop` and `clone`: from inside of running programs, with and without the package installed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn.client import Chunk, Process
from sojourn.errors import Busy, SojournError, UsageError, WrongState
from sojourn.testing import LocalCluster

from ..versions import OTHERS, python_of, some

TRAVELLER = """
import os, sys
assert "sojourn" not in sys.modules and not any("sojourn" in entry for entry in sys.path)
import sojourn
from sojourn import hop, here

class Noted:
    def __enter__(self):
        hop("n1")
        return self
    def __exit__(self, *exc):
        hop("n2")
        return exc[0] is KeyError

def stops(nodes):
    for node in nodes:
        try:
            hop(node)
            yield node, here().node
        finally:
            hop("n3")

def recurse(depth):
    if depth:
        return recurse(depth - 1) + 1
    sojourn.hop("n1")
    return here().moves

seen = [stop for stop in stops(["n2", "n1"])]
print(seen, here().node, here().epoch == here().moves + 1)
print(recurse(50) == 50 + here().moves, here().node)
with Noted():
    print("within", here().node)
    raise KeyError("swallowed")
print("behind", here().node)
try:
    1 / 0
except ZeroDivisionError as error:
    hop("n3")
    print("handling", repr(sys.exc_info()[1]), error.__traceback__.tb_lineno, here().node)
print([here().node for node in ("n1", "n1", "n2") if not hop(node)])
print(here().name, "sojourn.client" in sys.modules)
"""
TWINS = """
import os, sys, sojourn
assert sojourn.here().moves == 0
def fork(depth):
    if not depth:
        return sojourn.clone("n2", name=sys.argv[1])
    return fork(depth - 1)
before = sojourn.here()
name = fork(3)
now = sojourn.here()
if name is None:
    assert (now.name, now.node, now.epoch, now.moves) == (sys.argv[1], "n2", 1, 0) and now.id != before.id
    print("copy")
else:
    assert name == sys.argv[1] and now.id == before.id and now.node == before.node
    try:
        sojourn.clone(name=name)
    except sojourn.SojournError as why:
        print("original", type(why).__name__)
    sojourn.hop("n3")
    print(sojourn.here().node)
"""
REFUSED = """
import sys, _thread, sojourn
def failing(action, *args):
    try:
        action(*args)
    except sojourn.SojournError as why:
        print(type(why).__name__, type(why).__mro__[1].__name__, "|", why.message)
    print(sojourn.here().moves, sojourn.here().epoch)

failing(sojourn.hop, "n9")
failing(sojourn.hop, 7)
def key(value):
    sojourn.hop("n2")
    return value
failing(lambda: sorted([2, 1], key=key))
def with_socket():
    import socket
    held, other = socket.socketpair()
    sojourn.hop("n2")
failing(with_socket)
def forked():
    import os
    child = os.fork()
    if not child:
        assert sojourn.here() is None
        try:
            sojourn.hop("n2")
        except sojourn.NotMobile:
            os._exit(7)
        os._exit(1)
    print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
forked()
def elsewhere():
    try:
        sojourn.hop("n2")
    except sojourn.NotMobile as why:
        print("thread", why.message)
    done.release()
done = _thread.allocate_lock()
done.acquire()
_thread.start_new_thread(elsewhere, ())
done.acquire()
print("goes on")
"""
INTERRUPTED = """
import sys, sojourn
print("ready", flush=True)
sys.stdin.read(1)
try:
    sojourn.hop("n2")
    print("hopped")
except KeyboardInterrupt:
    print("interrupted", flush=True)
sojourn.hop("n3")
print(sojourn.here().node)
"""


@pytest.fixture(scope="module", params=["installed", "bare"])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter whose environment has the package, and one whose environment has nothing."""
    if request.param == "installed":
        return sys.executable
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return str(folder / "bin" / "python")


def run(local: LocalCluster, folder: Path, python: str, text: str, *args: str, name: str | None = None) -> Process:
    program = folder / "program.py"
    program.write_text(text)
    return local.client.run(program, *args, python=python, node="n1", name=name)


def line_of(log: Iterator[Chunk]) -> bytes:
    """The next line, however it was cut."""
    got = b""
    while not got.endswith(b"\n"):
        got += next(log).data
    return got


def output(process: Process) -> list[str]:
    """What it wrote; it must have ended well."""
    ended = process.wait(60)
    out, err = process.output()
    assert (ended.exit_code, err) == (0, b""), err.decode()
    process.rm()
    return out.decode().splitlines()


def travels(local: LocalCluster, folder: Path, python: str) -> None:
    name = f"traveller-{environment_name(python)}"
    assert output(run(local, folder, python, TRAVELLER, name=name)) == [
        "[('n2', 'n2'), ('n1', 'n1')] n3 True",
        "True n1",
        "within n1",
        "behind n2",
        f"handling ZeroDivisionError('division by zero') {TRAVELLER.splitlines().index('    1 / 0') + 1} n3",
        "['n1', 'n1', 'n2']",
        f"{name} False",
    ]


def twins(local: LocalCluster, folder: Path, python: str) -> None:
    name = f"copy-{environment_name(python)}"
    original = run(local, folder, python, TWINS, name)
    assert output(original) == ["original NameTaken", "n3"]
    assert output(local.client.process(name)) == ["copy"]


def refusals(local: LocalCluster, folder: Path, python: str) -> None:
    said = output(run(local, folder, python, REFUSED))
    assert said[0].startswith("NotFound UsageError | there is no node 'n9'")
    assert said[2].startswith("UsageError SojournError | a node is named by a string")
    assert said[4].startswith("Pinned Refused | held by a call") and "sorted()" in said[4] and "program.py" in said[4]
    assert said[6].startswith("Unmovable Refused |")
    assert said[1] == said[3] == said[5] == said[7] == "0 1"
    assert said[8:] == ["child 7", "thread only the main thread can ask for this", "goes on"]


def environment_name(python: str) -> str:
    return Path(python).parents[1].name.replace(".", "-").strip("-")


def test_a_program_travels(local_cluster: LocalCluster, tmp_path: Path, python: str) -> None:
    travels(local_cluster, tmp_path, python)


def test_clone_returns_in_both(local_cluster: LocalCluster, tmp_path: Path, python: str) -> None:
    twins(local_cluster, tmp_path, python)


def test_a_refusal_is_an_error_in_the_program_which_goes_on(local_cluster: LocalCluster, tmp_path: Path) -> None:
    refusals(local_cluster, tmp_path, sys.executable)


@pytest.mark.parametrize("version", OTHERS)
def test_all_of_it_on_another_version(
    version: str, local_cluster: LocalCluster, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    python = python_of(version)
    if version not in some(pytestconfig):
        pytest.skip("not in this seed's sample")
    for check in (travels, twins, refusals):
        check(local_cluster, tmp_path, python)


def test_outside_of_a_cluster(tmp_path: Path) -> None:
    program = (
        "import sojourn\n"
        "print(sojourn.here())\n"
        "for call in (sojourn.hop, sojourn.clone):\n"
        "    try: call('n2')\n"
        "    except sojourn.NotMobile as why: print(why.code, why.advice)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    told = "not-mobile start the program with `sojourn run`"
    assert done.stdout.splitlines() == ["None", told, told]


def test_an_interrupt_ends_a_hop_that_waits(own_cluster: LocalCluster, tmp_path: Path) -> None:
    """The target is stopped, so that the hop has to wait for it; Ctrl-C gets through, and the next hop works."""
    local = own_cluster
    process = run(local, tmp_path, sys.executable, INTERRUPTED)
    log = process.logs(follow=True)
    assert line_of(log) == b"ready\n"
    second = next(entry for entry in local.entries if entry.name == "n2")
    os.kill(second.pid, 19)
    try:
        process.write_stdin(b"x", eof=True)
        # Waits in the hop: no instruction of the program runs, and it is not stopped.
        deadline = time.monotonic() + 30
        while process.info().state != "moving":
            assert time.monotonic() < deadline
        process.signal("INT")
        assert line_of(log) == b"interrupted\n"
    finally:
        os.kill(second.pid, 18)
    assert process.wait(60).exit_code == 0, process.output()
    assert process.output()[0].decode().split() == ["ready", "interrupted", "n3"]


def test_moves_from_outside_meet_wishes_from_inside(local_cluster: LocalCluster, tmp_path: Path) -> None:
    """Both get their turn: a hop steps back for a move, a move that comes later finds it busy or waits."""
    text = """
import sojourn
for number in range(12):
    sojourn.hop(f"n{number % 3 + 1}")
    print(number, sojourn.here().node, flush=True)
"""
    process = run(local_cluster, tmp_path, sys.executable, text)
    outside = 0
    while process.info().state != "ended":
        try:
            process.move(f"n{outside % 3 + 1}")
            outside += 1
        except (Busy, UsageError, WrongState):
            continue
        except SojournError as why:
            raise AssertionError(why.history) from why
    said = output(process)
    assert [int(line.split()[0]) for line in said] == list(range(12))

"""`run -t` and `attach` from real terminals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sojourn.cli.keys import Watch, parsed
from sojourn.client import Process
from sojourn.errors import SojournError
from sojourn.testing import LocalCluster

from .seats import Seat

SOJOURN = [sys.executable, "-m", "sojourn.cli.main"]
ECHO = """
import os, signal, sys
signal.signal(signal.SIGWINCH, lambda *_: print("size", *os.get_terminal_size(), flush=True))
print("on", *os.get_terminal_size(), flush=True)
while True:
    try:
        line = input("? ")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        continue
    except EOFError:
        sys.exit(5)
    print("got", line, flush=True)
"""

Sit = Callable[..., Seat]


@pytest.fixture
def sit(local_cluster: LocalCluster) -> Iterator[Sit]:
    """Sits down at a terminal with a command of sojourn's."""
    seats: list[Seat] = []
    env = {**os.environ, "SOJOURN_HOME": str(local_cluster.home)}

    def sits(*words: str, rows: int = 30, columns: int = 100) -> Seat:
        seats.append(Seat([*SOJOURN, *words], env, rows=rows, columns=columns))
        return seats[-1]

    yield sits
    for seat in seats:
        seat.__exit__()


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "echo.py"
    path.write_text(ECHO)
    return str(path)


@pytest.fixture
def process(local_cluster: LocalCluster, program: str) -> Iterator[Process]:
    """A program with a terminal that answers every line."""
    started = local_cluster.client.run(program, python=sys.executable, terminal=(30, 100), node="n1")
    yield started
    for verb in (started.kill, started.rm):
        try:
            verb()
        except SojournError:
            pass


def test_run_with_a_terminal_until_its_end(sit: Sit, program: str, local_cluster: LocalCluster) -> None:
    seat = sit("run", "-t", "--name", "sat", "--python", sys.executable, program)
    seat.shows(b"on 100 30\r\n? ")
    assert seat.raw()
    seat.types(b"one\r")
    seat.shows(b"got one\r\n? ")
    seat.types(b"\x03")
    seat.shows(b"interrupted\r\n? ")
    process = local_cluster.client.process("sat")
    process.move("n2" if process.info().node != "n2" else "n3")
    seat.resize(33, 44)
    seat.shows(b"size 44 33\r\n")
    seat.types(b"two\r\x04")
    assert seat.ends() == 5
    assert seat.settings == seat.before
    assert seat.shown.replace(b"size 44 33\r\n", b"") == (
        b"on 100 30\r\n? one\r\ngot one\r\n? ^Cinterrupted\r\n? two\r\ngot two\r\n? "
    )
    process.rm()


def test_detached_and_back_from_another_terminal(sit: Sit, process: Process) -> None:
    first = sit("attach", process.name)
    first.shows(b"? ")
    first.types(b"half \x10")  # the first key of the two: it waits for the second
    first.types(b"\x11")
    assert first.ends() == 0
    assert first.settings == first.before
    assert b"comes back" in first.shown
    process.move("n2")
    second = sit("attach", process.name)
    second.shows(b"half ")
    assert second.shown.startswith(b"on 100 30\r\n? ")
    second.types(b"a line\r")
    second.shows(b"got half a line\r\n? ")
    assert process.info().state == "running"


def test_several_at_once_see_the_same(sit: Sit, process: Process) -> None:
    one, two = sit("attach", process.name), sit("attach", process.name)
    looking = sit("attach", "--no-stdin", process.name)
    for seat in (one, two, looking):
        seat.shows(b"? ")
    one.types(b"from one\r")
    two.shows(b"got from one\r\n? ")
    process.move("n3")
    two.types(b"from two\r")
    for seat in (one, two, looking):
        seat.shows(b"got from two\r\n? ")
    looking.types(b"nothing\r")
    one.types(b"last\r")
    for seat in (one, two):
        seat.shows(b"got last\r\n? ")
        assert b"nothing" not in seat.shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_detaches_and_the_terminal_is_as_it_was(sit: Sit, process: Process, number: int) -> None:
    seat = sit("attach", process.name)
    seat.shows(b"? ")
    assert seat.raw()
    seat.signal(number)
    assert seat.ends() == 128 + number
    assert seat.settings == seat.before
    assert process.info().state == "running"


def test_stopped_it_gives_the_terminal_back(sit: Sit, process: Process) -> None:
    seat = sit("attach", process.name)
    seat.shows(b"? ")
    seat.signal(signal.SIGTSTP)
    os.waitpid(seat.pid, os.WUNTRACED)
    assert not seat.raw()
    seat.signal(signal.SIGCONT)
    seat.types(b"on again\n")
    seat.shows(b"got on again")
    assert seat.raw()


def test_the_end_of_the_program_gives_the_terminal_back(sit: Sit, process: Process) -> None:
    seat = sit("attach", process.name)
    seat.shows(b"? ")
    process.kill()
    assert seat.ends() == 137
    assert seat.settings == seat.before


def test_another_key_to_detach(sit: Sit, process: Process) -> None:
    seat = sit("attach", "--detach-keys", "ctrl-]", process.name)
    seat.shows(b"? ")
    seat.types(b"\x10\x11x\r")
    seat.shows(b"got ")
    seat.types(b"\x1d")
    assert seat.ends() == 0


def test_without_a_terminal_lines_are_sent_and_the_end_of_input(
    local_cluster: LocalCluster, tmp_path: Path
) -> None:
    program = tmp_path / "plain.py"
    program.write_text(
        "import sys\nprint('on', flush=True)\nfor line in sys.stdin: print('got', line, end='')\n"
    )
    process = local_cluster.client.run(program, python=sys.executable, node="n1")
    next(process.logs(follow=True))
    process.move("n2")
    env = {**os.environ, "SOJOURN_HOME": str(local_cluster.home)}
    done = subprocess.run(
        [*SOJOURN, "attach", process.name], input=b"one\ntwo\n", capture_output=True, env=env, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"on\ngot one\ngot two\n", b"", 0)
    process.rm()


def test_keys_are_read_and_found() -> None:
    assert parsed("ctrl-p,ctrl-q") == b"\x10\x11"
    assert parsed("ctrl-],~,ctrl-@") == b"\x1d~\x00"
    assert parsed("") == b""
    for wrong in ("ctrl-1", "cc", "ctrl-", "a,,b"):
        with pytest.raises(ValueError):
            parsed(wrong)
    watch = Watch(b"\x10\x11")
    assert watch.feed(b"a\x10") == (b"a", False)
    assert watch.feed(b"\x10b") == (b"\x10\x10b", False)
    assert watch.feed(b"\x10\x10") == (b"\x10", False)
    assert watch.feed(b"\x11c") == (b"", True)
    assert Watch(b"").feed(b"\x10\x11") == (b"\x10\x11", False)

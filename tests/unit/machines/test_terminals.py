"""Programs that have a terminal: what they see of it, and that it is the same one wherever they go."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from sojourn.errors import Pinned, Unmovable
from sojourn.machines.python.driver import PythonMachine
from sojourn.machines.python.hosted import PythonHost
from sojourn.resources.log import TERMINAL, Log
from sojourn.resources.unread import Size

from .conftest import PROGRAMS, environment, machine_in, spec_of, within
from .moves import hop

SIZE = Size(rows=30, columns=100)


def plainly(venv: Path, program: Path, typed: list[tuple[bytes, bytes]]) -> bytes:
    """The program under a pty of its own, with something typed whenever its output ends so."""
    pid, master = pty.fork()
    if not pid:
        os.execve(venv / "bin" / "python", [str(venv / "bin" / "python"), str(program)], environment(TERM="xterm"))
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE.rows, SIZE.columns, 0, 0))
    seen = b""
    try:
        while True:
            try:
                data = os.read(master, 4096)
            except OSError:
                break
            seen += data
            if typed and seen.endswith(typed[0][0]):
                os.write(master, typed.pop(0)[1])
    finally:
        os.waitpid(pid, 0)
        os.close(master)
    return seen


class Seat:
    """Somebody who sits at the terminal of a program that wanders between two machines."""

    def __init__(self, machines: list[PythonMachine], log: Log) -> None:
        self._machines = machines
        self._epoch = 1
        self.log = log
        self.host: PythonHost

    async def start(self, venv: Path, program: Path | str, cwd: Path) -> None:
        spec = spec_of(venv, [str(program)], cwd, environment(TERM="xterm"))
        self.host = await self._machines[0].start(msgspec.structs.replace(spec, terminal=SIZE), self.log)

    @property
    def screen(self) -> bytes:
        return self.log.content(TERMINAL)

    async def shows(self, text: bytes, *, times: int = 1) -> None:
        while self.screen.count(text) < times:
            await asyncio.sleep(0.001)

    async def types(self, data: bytes) -> None:
        await self.host.write_stdin(data)

    async def moves(self) -> None:
        self._epoch += 1
        source, target = self._machines
        self.host, _ = await hop(self.host, source, target, self.log, self._epoch)
        self._machines.reverse()

    async def ends(self) -> int | None:
        return (await self.host.wait()).code


def seated(tmp_path: Path, state: Path, work: Callable[[Seat], Awaitable[None]]) -> None:
    async def run() -> None:
        log = Log(tmp_path / "log", 1)
        async with machine_in(state / "a") as one, machine_in(state / "b") as two:
            await work(Seat([one, two], log))
        log.close()

    within(run())


def script(folder: Path, text: str) -> Path:
    path = folder / "program.py"
    path.write_text(text)
    return path


def test_what_a_program_sees_of_its_terminal(tmp_path: Path, state: Path, venv: Path) -> None:
    typed = [(b"name? ", b"a name\n"), (b"a name\r\na name\r\n", b"one\ntwo\x04\x04")]
    program = PROGRAMS / "at_terminal.py"
    expected = plainly(venv, program, list(typed))

    async def work(seat: Seat) -> None:
        await seat.start(venv, program, tmp_path)
        for when, what in typed:
            await seat.shows(when)
            await seat.types(what)
        assert await seat.ends() == 0
        assert seat.screen == expected

    seated(tmp_path, state, work)


ASKING = (
    "import getpass, os, select, sys\nprint('on')\nfor number in range(3): print('got', number, repr({}))\n"
)
WAITING = {
    "input": "input('? ')",
    "readline": "sys.stdin.readline().strip()",
    "os.read": "os.read(0, 100).decode().strip()",
    "buffer": "sys.stdin.buffer.readline().decode().strip()",
    "select": "(select.select([0], [], []), sys.stdin.readline())[1].strip()",
    "getpass": "getpass.getpass('? ')",
}
PROGRAMS_THAT_WAIT = {way: ASKING.format(text) for way, text in WAITING.items()} | {
    "lines": "import sys\nprint('on')\nnumber = 0\n"
    "for line in sys.stdin:\n    print('got', number, repr(line.strip()))\n    number += 1\n"
    "    if number == 3: break\n",
    "one by one": "import sys\nprint('on')\nfor number in range(3):\n    line = ''\n"
    "    while (key := sys.stdin.read(1)) != chr(10): line += key\n    print('got', number, repr(line))\n",
}


@pytest.mark.parametrize("way", PROGRAMS_THAT_WAIT)
def test_a_program_that_waits_for_a_line_can_be_moved(
    tmp_path: Path, state: Path, venv: Path, way: str
) -> None:
    """Before anything is typed, in the middle of a line, and behind it."""
    program = script(tmp_path, PROGRAMS_THAT_WAIT[way])
    echo, prompt = way != "getpass", b"? " if way in ("input", "getpass") else b""

    async def work(seat: Seat) -> None:
        await seat.start(venv, program, tmp_path)
        await seat.shows(prompt or b"on\r\n")
        for number in range(3):
            await seat.moves()
            await seat.types(b"li")
            if echo:
                await seat.shows(b"li", times=2 * number + 1)
            await seat.moves()
            await seat.types(b"ne %d\n" % number)
            await seat.shows(b"got %d 'line %d'" % (number, number))
            if number < 2 and prompt:
                await seat.shows(b"? ", times=number + 2)
        assert await seat.ends() == 0
        shown = b"on\r\n"
        for number in range(3):
            shown += prompt + (b"line %d\r\n" % number if echo else b"\r\n")
            shown += b"got %d 'line %d'\r\n" % (number, number)
        assert seat.screen == shown

    seated(tmp_path, state, work)


def test_raw_mode_keys_and_window(tmp_path: Path, state: Path, venv: Path) -> None:
    """A program that draws by itself: settings, unread keys, the window's size and its signal go along."""
    program = script(
        tmp_path,
        "import os, signal, sys, tty, termios\n"
        "old = tty.setraw(0) or 0\n"
        "signal.signal(signal.SIGWINCH, lambda *_: print('size', *os.get_terminal_size(), end='\\r\\n'))\n"
        "print('raw', end='\\r\\n', flush=True)\n"
        "keys = b''\n"
        "while not keys.endswith(b'q'):\n"
        "    key = os.read(0, 1)\n"
        "    if key == b'!':\n"
        "        while not os.path.exists('go'): pass\n"
        "    keys += key\n"
        "print(keys, [bool(termios.tcgetattr(0)[3] & f) for f in (termios.ECHO, termios.ISIG)], end='')\n",
    )

    async def work(seat: Seat) -> None:
        await seat.start(venv, program, tmp_path)
        await seat.shows(b"raw\r\n")
        await seat.moves()
        await seat.types(b"\x03\x1a\x04!ahead\x13\x11\r\n")
        await seat.moves()
        seat.host.resize(Size(rows=11, columns=22))
        await seat.shows(b"size 22 11\r\n")
        await seat.moves()
        (tmp_path / "go").touch()
        await seat.types(b"q")
        assert await seat.ends() == 0
        assert seat.screen == (
            b"raw\r\nsize 22 11\r\n" + repr(b"\x03\x1a\x04!ahead\x13\x11\r\nq").encode() + b" [False, False]"
        )

    seated(tmp_path, state, work)


def test_a_line_in_the_hands_of_readline_is_named(tmp_path: Path, state: Path, venv: Path) -> None:
    program = script(tmp_path, "import readline\nprint('got', input('? '))\n")
    if subprocess.run([venv / "bin" / "python", "-c", "import readline"], capture_output=True).returncode:
        pytest.skip("this interpreter has no readline")

    async def work(seat: Seat) -> None:
        await seat.start(venv, program, tmp_path)
        await seat.shows(b"? ")
        await seat.host.survey()
        with pytest.raises(Pinned, match="GNU readline"):
            await seat.host.freeze(deadline=0.2)
        await seat.types(b"on\r")
        assert await seat.ends() == 0
        assert seat.screen.endswith(b"got on\r\n")

    seated(tmp_path, state, work)


def test_output_is_exact_over_many_moves(tmp_path: Path, state: Path, venv: Path) -> None:
    """The transcript of a program that writes without end, colours and all, and never stops for a move."""
    program = script(
        tmp_path,
        "import sys\n"
        "for number in range(8000):\n"
        "    print('\\x1b[3%dm' % (number % 8), number, end='\\n\\t' if number % 3 else '\\r', flush=True)\n"
        "print(input())\n",
    )

    async def work(seat: Seat) -> None:
        await seat.start(venv, program, tmp_path)
        for number in range(4):
            await seat.shows(b" %d" % (number * 1500))
            await seat.moves()
        await seat.shows(b" 7999")
        await seat.types(b"end\n")
        assert await seat.ends() == 0
        assert seat.screen == expected

    expected = plainly(venv, program, [(b" 7999\r\n\t", b"end\n")])
    seated(tmp_path, state, work)


def test_keys_that_are_signals_reach_it_wherever_it_is(tmp_path: Path, state: Path, venv: Path) -> None:
    program = script(
        tmp_path,
        "import os, signal, time\n"
        "got = []\n"
        "def heard(number, frame):\n"
        "    got.append(number)\n"
        "    os.write(1, signal.strsignal(number).encode())\n"  # print may not be called while it is at work
        "for number in (signal.SIGINT, signal.SIGTSTP, signal.SIGQUIT): signal.signal(number, heard)\n"
        "os.write(1, b'on')\n"
        "while len(got) < 6: time.sleep(0.001)\n",
    )

    async def work(seat: Seat) -> None:
        await seat.start(venv, program, tmp_path)
        await seat.shows(b"on")
        for times in (1, 2):
            for key, name in ((b"\x03", b"Interrupt"), (b"\x1a", b"Stopped"), (b"\x1c", b"Quit")):
                await seat.types(key)
                await seat.shows(name, times=times)
            if times == 1:
                await seat.moves()
        assert await seat.ends() == 0

    seated(tmp_path, state, work)


def test_the_windows_of_curses_are_refused_by_name(tmp_path: Path, state: Path, venv: Path) -> None:
    program = script(
        tmp_path,
        "import curses, os, time\n"
        "screen = curses.initscr()\n"
        "screen.addstr('drawn')\n"
        "screen.refresh()\n"
        "while not os.path.exists('go'): time.sleep(0.001)\n"
        "curses.endwin()\n",
    )

    async def work(seat: Seat) -> None:
        await seat.start(venv, program, tmp_path)
        await seat.shows(b"drawn")
        with pytest.raises(Unmovable, match=r"_curses\.window.*screen"):
            await seat.moves()
        (tmp_path / "go").touch()
        assert await seat.ends() == 0

    seated(tmp_path, state, work)

"""A running program is frozen, thawed by another machine, and goes on: its output is that of a plain run."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sojourn.errors import HostDied, Pinned, Refused, Unmovable, WrongState
from sojourn.machines.python import hosted
from sojourn.machines.python.driver import PythonMachine
from sojourn.machines.python.hosted import PythonHost
from sojourn.resources.log import ERR, OUT, START, Log

from .conftest import VENVS, Ran, machine_in, plainly, spec_of, within
from .moves import hop

HOPS = 10
Argv = tuple[str, ...]
SCRIPT: Argv = ("program.py",)
MODULE: Argv = ("-m", "program")
STEPS = """
import os, sys

def work(n):
    total = 0
    for i in range(n):
        total += i * i % 7
    return total

def main():
    seen = {}
    for step in range(int(sys.argv[1])):
        while step > 130 and len(sys.argv) > 2 and not os.path.exists(sys.argv[2]):
            pass
        seen[step] = work(60_000 + step)
        print(step, seen[step], flush=True)
        if step % 10 == 0:
            print("ten more", file=sys.stderr)
    print(sum(seen.values()), len(seen), sys.argv, __file__, sys.path[0], __name__)

main()
"""


async def lines(log: Log, wanted: bytes) -> None:
    """Waits until the program has written this."""
    position = START
    while wanted not in log.content():
        _, position = log.read(position)
        if not await log.grown(position):
            raise AssertionError(f"the program ended without writing {wanted!r}:\n{log.content().decode()}")


async def begun(
    machine: PythonMachine, venv: Path, folder: Path, source: str, log: Log, *arguments: str, by: Argv = SCRIPT
) -> PythonHost:
    (folder / "program.py").write_text(source)
    return await machine.start(spec_of(venv, [*by, *arguments], folder), log)


def ran(log: Log, code: int | None, number: int | None) -> Ran:
    out, err = (log.content(stream).decode() for stream in (OUT, ERR))
    return Ran(out, err, code if code is not None else -(number or 0))


def test_ten_moves_in_a_row(venv: Path, state: Path, tmp_path: Path) -> None:
    async def work() -> Ran:
        async with machine_in(state / "a") as a, machine_in(state / "b") as b:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, venv, tmp_path, STEPS, log, "150", "go")
            machines = [a, b]
            for move in range(HOPS):
                await lines(log, b"\n%d " % (4 + 12 * move))
                host, figures = await hop(host, machines[move % 2], machines[1 - move % 2], log, move + 2)
                assert figures["size"] < 20_000
            (tmp_path / "go").touch()  # it may not end before its last move
            end = await host.wait()
            return ran(log, end.code, end.signal)

    assert within(work()) == plainly(venv, ["program.py", "150", "go"], tmp_path)


ENDINGS = [
    "raise ValueError('told')",
    "import traceback; traceback.print_stack()",
    "import sys; sys.exit('a message')",
    "raise SystemExit(7)",
    "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "raise KeyboardInterrupt",
    "import atexit; atexit.register(print, 'at exit')",
    "import sys; sys.excepthook = lambda *a: print('hooked', a[:2]); 1 / 0",
]


@pytest.mark.parametrize(("ending", "by"), [*((e, SCRIPT) for e in ENDINGS), *((e, MODULE) for e in ENDINGS[:3])])
def test_ends_as_it_would_have(venv: Path, ending: str, by: Argv, state: Path, tmp_path: Path) -> None:
    """A program that was started with -m has two frames of the library outside, which every traceback shows."""
    source = f"""
class Noisy:
    def __del__(self):
        print("finalized", flush=True)

def end():
    {ending}

noisy = Noisy()
print("ready", flush=True)
import os
while not os.path.exists("go"):
    pass
end()
"""

    async def work() -> Ran:
        async with machine_in(state / "a") as a, machine_in(state / "b") as b:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, venv, tmp_path, source, log, by=by)
            await lines(log, b"ready")
            host, _ = await hop(host, a, b, log, 2)
            (tmp_path / "go").touch()
            end = await host.wait()
            return ran(log, end.code, end.signal)

    ours, plain = within(work()), plainly(venv, [*by], tmp_path)
    assert ours == plain


def test_an_aborted_move_leaves_no_trace(state: Path, tmp_path: Path) -> None:
    async def work() -> Ran:
        async with machine_in(state / "a") as a:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, VENVS[0], tmp_path, STEPS, log, "60")
            for step in (2, 20, 40):
                await lines(log, b"\n%d " % step)
                await host.survey()
                frozen = await host.freeze(deadline=5)
                os.close(frozen.fd)
                with pytest.raises(WrongState):
                    await host.freeze(deadline=1)
                os.kill(host.pid, signal.SIGCONT)  # somebody else's: it must not wake
                before = log.content()
                while Path(f"/proc/{host.pid}/stat").read_text().split()[2] != "T":
                    await asyncio.sleep(0)
                assert log.content() == before
                await host.unfreeze()
            end = await host.wait()
            return ran(log, end.code, end.signal)

    assert within(work()) == plainly(VENVS[0], ["program.py", "60"], tmp_path)


def test_input_travels_with_what_was_read_ahead(state: Path, tmp_path: Path) -> None:
    source = """
import sys
print("first", sys.stdin.readline(), flush=True)
import os
while not os.path.exists("go"):
    pass
print("rest", sys.stdin.read())
"""
    typed = "eins\nzwei é\n" + "drei " * 30_000 + "\nvier"

    async def work() -> Ran:
        async with machine_in(state / "a") as a, machine_in(state / "b") as b:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, VENVS[0], tmp_path, source, log)
            await host.write_stdin(typed.encode())
            await lines(log, b"first")
            await host.survey()
            frozen = await host.freeze(deadline=5)
            os.close(frozen.fd)
            await host.unfreeze()
            host, _ = await hop(host, a, b, log, 2)
            await host.write_stdin(b" und mehr\n", eof=True)
            (tmp_path / "go").touch()
            end = await host.wait()
            return ran(log, end.code, end.signal)

    ours = within(work())
    assert ours == plainly(VENVS[0], ["program.py"], tmp_path, stdin=(typed + " und mehr\n").encode())


PINNED = """
import sys
print("ready", flush=True)
import os
def slow(item):
    while not os.path.exists("go"):
        pass
    return item
data = sorted([3, 1, 2], key=slow)
print(data)
"""


@pytest.mark.parametrize(("source", "words"), [(PINNED, ("sorted", "program.py:9"))])
def test_pinned_is_named_and_unharmed(
    source: str, words: tuple[str, ...], state: Path, tmp_path: Path
) -> None:
    async def work() -> Ran:
        async with machine_in(state / "a") as a:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, VENVS[0], tmp_path, source, log)
            await lines(log, b"ready")
            await host.survey()
            with pytest.raises(Pinned) as caught:
                await host.freeze(deadline=0.1)
            assert all(word in str(caught.value) for word in words), caught.value
            (tmp_path / "go").touch()
            end = await host.wait()
            return ran(log, end.code, end.signal)

    assert within(work()) == plainly(VENVS[0], ["program.py"], tmp_path)


def test_a_read_in_the_middle_of_a_line_is_named(state: Path, tmp_path: Path) -> None:
    source = "import sys\nprint('ready', flush=True)\nprint(sys.stdin.readline())\n"

    async def work() -> Ran:
        async with machine_in(state / "a") as a:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, VENVS[0], tmp_path, source, log)
            await lines(log, b"ready")
            await host.write_stdin(b"wo")
            await host.survey()
            with pytest.raises(Pinned) as caught:
                await host.freeze(deadline=0.1)
            assert "middle of a line" in str(caught.value) and "readline" in str(caught.value)
            assert "program.py:3" in str(caught.value)
            await host.write_stdin(b"ken\n", eof=True)
            end = await host.wait()
            return ran(log, end.code, end.signal)

    assert within(work()) == plainly(VENVS[0], ["program.py"], tmp_path, stdin=b"woken\n")


def test_an_image_that_comes_too_late_stops_nobody(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host writes its image when its time runs out: it cannot hear that before it has stopped itself."""
    monkeypatch.setattr(hosted, "GRACE", 0.0)
    source = """
import os
kept = [[number] for number in range(150_000)]
print("ready", flush=True)
while not os.path.exists("go"):
    pass
print(len(kept))
"""

    async def work() -> bool:
        async with machine_in(state / "a") as a:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, VENVS[0], tmp_path, source, log)
            await lines(log, b"ready")
            await host.survey()
            late = 0
            for deadline in (0.004, 0.008, 0.015, 0.03, 0.06):
                try:
                    os.close((await host.freeze(deadline=deadline)).fd)
                    await host.unfreeze()
                except Pinned:
                    late += 1
                await host.survey()  # it goes on, and answers
            (tmp_path / "go").touch()
            end = await host.wait()
            assert end.code == 0 and log.content().endswith(b"150000\n")
            return late > 0

    assert within(work())


def test_where_no_handler_runs_the_kernel_is_asked(state: Path, tmp_path: Path) -> None:
    source = """
import ctypes
lock = ctypes.CDLL(None).pthread_mutex_lock
mutex = ctypes.create_string_buffer(64)
lock(mutex)
print("ready", flush=True)
lock(mutex)
"""

    async def work() -> None:
        async with machine_in(state / "a") as a:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, VENVS[0], tmp_path, source, log)
            await lines(log, b"ready")
            with pytest.raises(Pinned, match="blocked in the system call futex"):
                await host.freeze(deadline=0.1)
            await host.kill()

    within(work())


def test_a_host_that_is_killed_says_so(state: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with machine_in(state / "a") as a:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, VENVS[0], tmp_path, PINNED, log)
            await lines(log, b"ready")
            await host.survey()
            freezing = asyncio.create_task(host.freeze(deadline=20))
            await asyncio.sleep(0)
            os.kill(host.pid, signal.SIGKILL)
            with pytest.raises(HostDied, match="signal 9"):
                await freezing
            assert (await host.wait()).signal == signal.SIGKILL

    within(work())


def test_a_frozen_process_can_be_killed(state: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with machine_in(state / "a") as a:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, VENVS[0], tmp_path, STEPS, log, "1000")
            await lines(log, b"\n2 ")
            await host.survey()
            os.close((await host.freeze(deadline=5)).fd)
            await host.kill()
            assert (await host.wait()).signal == signal.SIGKILL
            with pytest.raises(HostDied):
                await host.unfreeze()

    within(work())


def test_what_the_target_lacks_is_said_all_at_once(state: Path, tmp_path: Path) -> None:
    source = """
import os
kept = open("data.txt")
number = os.open("other.txt", os.O_RDONLY)
print("ready", flush=True)
while True: pass
"""

    async def work() -> None:
        async with machine_in(state / "a") as a, machine_in(state / "b") as b:
            log = Log(tmp_path / "log", 1)
            for name in ("data.txt", "other.txt"):
                (tmp_path / name).write_text("text")
            host = await begun(a, VENVS[0], tmp_path, source, log)
            await lines(log, b"ready")
            offer = await host.survey()
            (tmp_path / "other.txt").rename(tmp_path / "moved.txt")
            (tmp_path / "data.txt").rename(tmp_path / "gone.txt")
            (tmp_path / "data.txt").write_text("another")

            async def fetch(digest: str) -> Path:
                path = a.blob(digest)
                assert path is not None
                return path

            with pytest.raises(Refused) as caught:
                await b.prepare(offer, log, fetch)
            first, second = caught.value.reasons
            assert "data.txt" in first and "another file" in first and "__main__.kept" in first
            assert "other.txt" in second and "cannot be reached" in second
            await host.kill()

    within(work())


@pytest.mark.parametrize(
    ("holding", "words"),
    [
        ("import os; os.mkfifo('fifo'); end = os.open('fifo', os.O_RDWR)", ["a pipe", "descriptor 3"]),
        ("import socket; sock = socket.socket()", ["a socket", "__main__.sock"]),
        ("import os; number = os.eventfd(0)", ["eventfd"]),
        ("import subprocess; p = subprocess.Popen(['sleep', '60'])", ["child"]),
        ("import fcntl; f = open('locked', 'w'); fcntl.flock(f, fcntl.LOCK_EX)", ["locked", "__main__.f"]),
    ],
)
def test_what_cannot_travel_is_refused_by_name(
    holding: str, words: list[str], state: Path, tmp_path: Path
) -> None:
    async def work() -> None:
        async with machine_in(state / "a") as a:
            log = Log(tmp_path / "log", 1)
            source = f"{holding}\nprint('ready', flush=True)\nwhile True: pass\n"
            host = await begun(a, VENVS[0], tmp_path, source, log)
            await lines(log, b"ready")
            with pytest.raises(Unmovable) as caught:
                await host.survey()
            said = " ".join(caught.value.reasons)
            assert all(word in said for word in words), said
            await host.kill()

    within(work())


def test_a_host_dies_with_its_node(state: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import os\nprint(os.getpid(), flush=True)\nwhile True: pass\n")
    node = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pathlib import Path
from tests.unit.machines.conftest import PythonMachine, SEED, VENVS, spec_of
from tests.unit.machines.test_moves import lines
from sojourn.resources.log import Log

async def main():
    machine = PythonMachine(Path({str(state / "a")!r}), seed=SEED)
    log = Log(Path({str(tmp_path / "log")!r}), 1)
    host = await machine.start(spec_of(VENVS[0], ["program.py"], Path({str(tmp_path)!r})), log)
    await lines(log, b"\\n")
    print(host.pid, log.content().decode(), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", node], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        host, seen = process.stdout.readline().split()
        assert host == seen
        watch = os.pidfd_open(int(host))
        process.kill()
    assert select.select([watch], [], [], 10)[0]
    os.close(watch)


def test_a_cancelled_freeze_is_undone(state: Path, tmp_path: Path) -> None:
    async def work() -> Ran:
        async with machine_in(state / "a") as a:
            log = Log(tmp_path / "log", 1)
            host = await begun(a, VENVS[0], tmp_path, STEPS, log, "60")
            await lines(log, b"\n2 ")
            await host.survey()
            freezing = asyncio.create_task(host.freeze(deadline=5))
            await asyncio.sleep(0)
            freezing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await freezing
            end = await host.wait()
            return ran(log, end.code, end.signal)

    assert within(work()) == plainly(VENVS[0], ["program.py", "60"], tmp_path)


def zombies() -> set[str]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        child
        for child in children
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    }


def test_what_a_program_leaves_behind_is_reaped(state: Path, tmp_path: Path) -> None:
    source = """
import os
child = os.fork() or os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it has ended, and is left to whoever comes after
print("ready", flush=True)
"""
    before = zombies()

    async def work() -> None:
        async with machine_in(state / "a") as a:
            for number in range(3):
                log = Log(tmp_path / f"log{number}", 1)
                await (await begun(a, VENVS[0], tmp_path, source, log)).wait()
            assert zombies() <= before

    within(work())
    assert zombies() <= before

"""Computers of their own, on one kernel: what only works because nodes share a computer does not work between these.

Concepts. A *computer* is a first process in namespaces of its own, and whatever is run there after it. A *switch* is a
process in a network of its own with a bridge in it; from each computer a cable (a veth pair) leads there. Nothing is
made in the network of the machine that this runs on, so nothing of it can be in anybody's way.

| what | a computer has |
|---|---|
| processes | a table of its own: nobody sees the others', and the same pids come again |
| files | its own `/tmp`, `/var/tmp` and `/dev/shm`, empty but for `visible` folders; elsewhere everybody's |
| name | its own, `uname -n` |
| clocks | its own boot: CLOCK_MONOTONIC and CLOCK_BOOTTIME, each another; the wall clock is the kernel's |
| network | its own, with one address; the others and nobody else can be reached |

Guarantee: everything ends with the process that made it, however that ends: its first processes read a pipe that the
kernel closes then, and namespaces end with their first process, cables with their namespaces.

Rejected: `ip netns`, which names its namespaces in /run and leaves them there when a test is killed. Containers, which
need a daemon and an image. Virtual machines, which take seconds to start and are what a nightly run may use.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

import sojourn
from sojourn.errors import SojournError, Unavailable, from_wire

PRIVATE = ("/tmp", "/var/tmp", "/dev/shm")
NETWORK = "10.77.0"
DAY = 24 * 3600
BOOTED = (0, 40 * DAY + 1234, 3 * DAY + 567)  # how many seconds before this machine a computer was, by turns
_PROGRAM = Path(__file__).with_name("computer.py")


@functools.cache
def why_not() -> str | None:
    """Why this machine cannot have such computers; None when it can."""
    if sys.platform != "linux" or os.geteuid():
        return "namespaces with a network need Linux and root"
    if shutil.which("ip") is None:
        return "the `ip` command (iproute2) is not here"
    try:
        with Switch() as switch, Computer(switch, 1, "probe", visible=()):
            return None
    except SojournError as why:
        return str(why)


class _First:
    """A first process, which lives until its standard input ends."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-I", "-S", str(_PROGRAM), *words]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the one who turns it off
        )
        self.pid = int(self._hear())  # as this machine counts

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode().strip()
        if not line:
            _, errors = self._process.communicate()
            said = errors.decode(errors="replace").strip().splitlines() or ["it ended"]
            raise Unavailable(f"this machine does not let us have namespaces of our own: {said[-1]}")
        return line

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())
        self._process.stdin.flush()

    def start(
        self, *command: str | os.PathLike[str], cwd: str | Path = "/", env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command there, with pipes for its output."""
        enter = [sys.executable, "-I", "-S", str(_PROGRAM), "enter", str(self.pid), str(cwd)]
        return subprocess.Popen(
            [*enter, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
        )

    def run(
        self, *command: str | os.PathLike[str], cwd: str | Path = "/", env: Mapping[str, str] | None = None
    ) -> bytes:
        """Run a command there to its end; its output. Raises SojournError when it fails."""
        with self.start(*command, cwd=cwd, env=env) as running:
            out, errors = running.communicate()
        if running.returncode:
            said = errors.decode(errors="replace").strip()
            raise SojournError(f"`{' '.join(map(str, command))}` ended with {running.returncode}: {said}")
        return out

    def close(self) -> None:
        """End it, and everything that runs there; returns when nothing does."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        assert self._process.stderr is not None
        self._process.stderr.close()


class Switch(_First):
    """What connects computers."""

    def __init__(self) -> None:
        super().__init__("switch")

    def __enter__(self) -> Switch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def configure(self, *lines: str) -> None:
        """Run commands of `ip` at the switch. Raises SojournError."""
        self.run("sh", "-ec", "\n".join(f"ip {line}" for line in lines))


class Computer(_First):
    """One computer.

    Args:
        switch: what its cable leads to.
        number: 1 or more, the last part of its address.
        name: its host name.
        visible: folders that are there although they are in a folder that it has for itself.
    """

    def __init__(self, switch: Switch, number: int, name: str, *, visible: Sequence[Path]) -> None:
        self.name = name
        self.address = f"{NETWORK}.{number}"
        self._switch = switch
        self._port = f"port{number}"
        self.on = False
        package = Path(sojourn.__file__).resolve().parents[1]
        hidden = [
            str(path)
            for path in dict.fromkeys([*visible, Path(sys.prefix), Path(sys.base_prefix), package])
            if any(path.is_relative_to(folder) for folder in PRIVATE)
        ]
        said = {
            "name": name,
            "address": self.address,
            "ahead": BOOTED[(number - 1) % len(BOOTED)],
            "private": PRIVATE,
            "visible": hidden,
        }
        super().__init__("hold", msgspec.json.encode(said).decode())
        try:
            switch.configure(
                f"link add {self._port} master bridge type veth peer name eth0 netns {self.pid}",
                f"link set {self._port} up",
            )
            self._say("go")
            self._hear()
        except BaseException:
            self.close()
            raise
        self.on = True

    def __enter__(self) -> Computer:
        return self

    def __exit__(self, *_: object) -> None:
        self.off()

    def off(self) -> None:
        """Turn it off, as a power cut would: the others hear nothing of it, and nothing more from it."""
        if self.on:
            self.on = False
            self.unplug()
            self.close()

    def unplug(self) -> None:
        """Pull its cable: it runs on, and reaches nobody."""
        self._switch.configure(f"link set {self._port} down")

    def plug(self) -> None:
        """Put the cable in again."""
        self._switch.configure(f"link set {self._port} up")

    def begin_sojourn(self, home: Path, *args: str) -> Answer:
        """Start a command of `sojourn` there, with `--json`."""
        words = [sys.executable, "-m", "sojourn.cli.main", *args, "--json"]
        environment = {**os.environ, "SOJOURN_HOME": str(home)}
        return Answer(self.start(*words, env=environment))

    def sojourn(self, home: Path, *args: str) -> Any:
        """Run a command of `sojourn` there, with `--json`: its answer. Raises the command's error."""
        return self.begin_sojourn(home, *args).wait()


class Answer:
    """What a command of `sojourn` is about to say."""

    def __init__(self, running: subprocess.Popen[bytes]) -> None:
        self._running = running

    def wait(self) -> Any:
        """Its answer. Raises the command's error."""
        with self._running:
            out, errors = self._running.communicate()
        try:
            answer: Any = msgspec.json.decode(out)
        except msgspec.DecodeError:
            raise SojournError(errors.decode(errors="replace").strip() or "it said nothing") from None
        if self._running.returncode:
            raise from_wire(answer["error"])
        return answer

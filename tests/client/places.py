"""Three machines that do not see each other's files: the host of a cluster, a node that has joined it, and a laptop
whose command line has logged in. The nodes run in mount namespaces of their own; the laptop is where the tests run.

What a `Wire` carries can be held or cut: the laptop reaches the cluster through one.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sojourn.client import Process, connect, embedded
from sojourn.client.calls import Call
from sojourn.client.home import nodes_of
from sojourn.errors import SojournError, Unavailable
from sojourn.testing.leaks import SCRATCH, gone

SOON = 60.0


class Places:
    """`mine` is a folder of this path on each machine, of different content; `down` ends what `up` has started."""

    def __init__(self, top: Path) -> None:
        self.host, self.far, self.laptop = top / "h", top / "f", top / "l"
        self.mine = top / "mine"
        self.shared = top / "shared"  # the same folder everywhere
        self.mine.mkdir()
        self.shared.mkdir()

    def up(self) -> None:
        self._up(self.host, "up", "--faults")
        self._up(self.far, "join", "--token", self.token(), "--name", "far")
        embedded.login(self.laptop, self.token(role="client"), name="laptop")
        self.direct = (self.laptop / "afar.json").read_bytes()

    def _up(self, home: Path, verb: str, *more: str) -> None:
        words = [sys.executable, "-m", "sojourn.node", verb, "--home", str(home), *more]
        script = 'mount -t tmpfs none "$0" && exec "$@"'
        subprocess.run(
            ["unshare", "-m", "sh", "-c", script, str(self.mine), *words],
            check=True, stdout=subprocess.DEVNULL, env={**os.environ, "SOJOURN_HOME": str(home)},
        )  # fmt: skip

    def token(self, **how: Any) -> str:
        end = time.monotonic() + SOON
        while True:
            try:
                with connect(self.host) as cluster:
                    return cluster.link.ask(Call("token", how, dict))["token"]
            except Unavailable:  # the door opens a moment after `up`
                assert time.monotonic() < end

    def pid(self, home: Path) -> int:
        return nodes_of(home)[0].pid

    def there(self, home: Path) -> set[str]:
        """What lies in `mine` on the machine of that node."""
        return {each.name for each in Path(f"/proc/{self.pid(home)}/root{self.mine}").iterdir()}

    def command(self, home: Path, *args: str) -> subprocess.CompletedProcess[str]:
        """A command, typed on that node's machine."""
        inside = ["nsenter", "-t", str(self.pid(home)), "-m", sys.executable, "-m", "sojourn.cli.main", *args]
        environment = {**os.environ, "SOJOURN_HOME": str(home)}
        return subprocess.run(inside, env=environment, capture_output=True, text=True, check=False)

    def run(self, text: str, node: str, *args: str) -> Process:
        """A program that has written its first line."""
        with connect(self.host) as cluster:
            program = self.shared / f"program{len(list(self.shared.iterdir()))}.py"
            program.write_text(text)
            process = cluster.run(program, *args, node=node, python=sys.executable, cwd=self.shared)
            next(process.logs(follow=True))
            return process

    @contextmanager
    def wire(self) -> Generator[Wire]:
        """The laptop's only way to the cluster, for as long as the block lasts."""
        host = nodes_of(self.host)[0]
        wire = Wire(host.address)
        entry = {"name": host.name, "address": wire.address}
        (self.laptop / "afar.json").write_bytes(msgspec.json.encode({"nodes": [entry]}))
        try:
            yield wire
        finally:
            (self.laptop / "afar.json").write_bytes(self.direct)
            wire.close()

    def clear(self) -> None:
        """Nothing of a test stays."""
        with connect(self.host) as cluster:
            for row in cluster.ps(all=True):
                for verb in ("kill", "rm"):
                    try:
                        cluster.link.ask(Call(verb, {"name": row.id}, object))
                    except SojournError:
                        pass
        roots = [Path("/"), *(Path(f"/proc/{self.pid(home)}/root") for home in (self.host, self.far))]
        for folder in (root / self.mine.relative_to("/") for root in roots):
            for each in folder.iterdir():
                shutil.rmtree(each) if each.is_dir() else each.unlink()

    def down(self) -> None:
        for home in (self.far, self.host):
            if (home / "cluster.json").exists():
                embedded.down(home)
                gone(home)


@contextmanager
def three_places() -> Generator[Places]:
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs mount namespaces: run as root")
    top = Path(tempfile.mkdtemp(prefix="sojourn-", dir=SCRATCH))
    places = Places(top)
    try:
        places.up()
        yield places
    finally:
        places.down()
        shutil.rmtree(top)


class Wire:
    """Carries connections to `address`, and stops when it has carried so many bytes."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._to = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._lock = threading.Condition()  # guards what follows
        self._ends: list[socket.socket] = []
        self._limit: int | None = None
        self._full = False
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def stop_after(self, count: int) -> None:
        """Carry that many more bytes, and no more until `cut` or `go_on`."""
        with self._lock:
            self._limit, self._full = count, False

    def until_stopped(self) -> None:
        with self._lock:
            assert self._lock.wait_for(lambda: self._full, SOON), "so much was never carried"

    def go_on(self) -> None:
        with self._lock:
            self._limit = None
            self._lock.notify_all()

    def cut(self) -> None:
        """End every connection; new ones are carried as if nothing had been."""
        with self._lock:
            ends, self._ends = self._ends, []
            self._limit = None
            self._lock.notify_all()
            for end in ends:
                _shut(end)

    def close(self) -> None:
        _shut(self._listening)
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(self._to)
            with self._lock:
                self._ends += [near, far]
            self._start(self._pump, near, far)
            self._start(self._pump, far, near)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                with self._lock:
                    if self._limit is not None:
                        self._limit -= len(data)
                    if self._limit is not None and self._limit < 0:
                        self._full = True
                        self._lock.notify_all()
                        self._lock.wait_for(lambda: self._limit is None)
                    if source not in self._ends:
                        return
                target.sendall(data)
        except OSError:
            pass
        finally:
            _shut(target)
            source.close()


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass

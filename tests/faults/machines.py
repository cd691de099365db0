"""Several machines to break: each node in a home of its own, joined by token, as on computers of their own.

They share the kernel, and with it the loopback; nothing else: each has its own files, certificates and NATS server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from sojourn.client import connect, embedded
from sojourn.client.calls import PlaneInfo
from sojourn.errors import NodeLost, NotFound, Unavailable, WrongState
from sojourn.names import server as servers
from sojourn.names.registry import Site
from sojourn.node import config
from sojourn.testing.leaks import gone

from .arena import SOON, Arena


class Machines(Arena):
    """The host's, with the node n1, and others, with a node of their name."""

    def __init__(self, scratch: Path, *others: str, lease: int = 3) -> None:
        super().__init__(scratch, nodes=1, lease=lease)
        self._others = others
        self._homes: dict[str, Path] = {}

    def __enter__(self) -> Machines:
        super().__enter__()
        self._homes["n1"] = self.home
        for name in self._others:
            self.join(name)
        return self

    def __exit__(self, *_: object) -> None:
        for link in self._links.values():
            link.close()
        try:
            for home in self.homes:
                embedded.down(home, force=True)
                gone(home)
        finally:
            self._pool.shutdown()
            for home in self.homes:
                shutil.rmtree(home)

    def home_of(self, node: str) -> Path:
        return self._homes[node]

    @property
    def homes(self) -> list[Path]:
        return list(self._homes.values())

    def join(self, name: str) -> None:
        """One more machine."""
        home = self._homes[name] = Path(tempfile.mkdtemp(prefix="sojourn-", dir="/tmp"))
        self.pids[name] = embedded.join(home, self.invitation(), name=name)["nodes"][0]["pid"]

    def invitation(self) -> str:
        """A token; the door opens a moment after `up`."""
        end = time.monotonic() + SOON
        while True:
            try:
                return self.ask("n1", "token")["token"]
            except Unavailable:
                assert time.monotonic() < end

    def plane(self, node: str) -> PlaneInfo:
        """What that node says of the control plane."""
        with connect(self.home_of(node)) as client:
            return client.plane()

    def replicated(self) -> None:
        """Wait until every machine has heard of three servers, and its own lets it in."""
        for home in self.homes:
            self.until(lambda home=home: config.layout(home) is not None, f"{home} knows of the servers")
        for node in self.living:
            self.until(lambda node=node: "any one of them may fail" in self.plane(node).told, "all are up")

    @property
    def sites(self) -> dict[str, Site]:
        """The servers of the control plane, by the node of their machine."""
        known = config.layout(self.home)
        assert known is not None
        return {site.name or "n1": site for site in known.sites}

    def outcast(self, node: str) -> None:
        """That node is nobody's any more."""
        self._killed.add(node)

    def server(self, node: str) -> int:
        """The pid of that machine's NATS server."""
        pid = servers.running(config.nats_folder(self.home_of(node)))
        assert pid is not None
        return pid

    def moves(self, name: str, to: str, via: str) -> None:
        """Move it, as soon as that works: the servers may be choosing one to lead, a short lease may have run out."""

        def moved() -> bool:
            try:
                return self.move(name, to, via=via).result(SOON)["to"] == to
            except (Unavailable, NodeLost, NotFound, WrongState):
                return self.row(name).node == to

        self.until(moved, f"{name} moves to {to}")

    def starts(self, node: str) -> None:
        """A machine that died is started again."""
        self.pids[node] = embedded.start(self.home_of(node))["nodes"][0]["pid"]
        self._killed.discard(node)

    def power_off(self, node: str) -> None:
        """Everything on that machine dies at once."""
        self._kill(node, {self.server(node), *self._below(node)})

    def lose(self, node: str) -> None:
        """The node of that machine dies, and what it had started; a server of its own goes on, if it has one."""
        self._kill(node, self._below(node))

    def _below(self, node: str) -> set[int]:
        return {process.pid for process in psutil.Process(self.pids[node]).children(recursive=True)}

    def _kill(self, node: str, more: set[int]) -> None:
        self._killed.add(node)
        pids = [self.pids[node], *more]  # the node first: it must not see the others die
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if (link := self._links.pop(node, None)) is not None:
            link.close()
        for pid in pids:
            self.until(lambda pid=pid: not lives(pid), f"{pid} is dead")


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextlib.contextmanager
def machines(scratch: Path, *others: str, lease: int = 3) -> Iterator[Machines]:
    """Machines, whose invariants are checked at the end."""
    with Machines(scratch, *others, lease=lease) as here:
        yield here
        here.check()

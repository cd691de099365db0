"""A cluster of your own, in a temporary folder, for as long as a `with` block lasts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from sojourn.client import Cluster, connect, embedded
from sojourn.client.home import NodeEntry, nodes_of
from sojourn.errors import SojournError, Unavailable
from sojourn.testing.computers import Computer, Switch, why_not
from sojourn.testing.leaks import SCRATCH, gone

REPLICATED = 3  # computers, from which on each carries a part of the control plane (docs/decisions/0020)
PATIENCE = 90.0  # seconds for that, which may take a second attempt


class _Seed(msgspec.Struct):
    seed: str | int | None = None


class LocalCluster:
    """NATS and some nodes, started on entry, ended on exit.

    Args:
        nodes: how many.
        keep: leave the folder (logs, above all) when the block is left by an exception.
        namespaces: each node is on a computer of its own (`testing.computers`), with a home of its own. The first runs
            NATS; the others join with a token, over the network. Raises Unavailable where that cannot be had.
        shared: with `namespaces`, folders that every node sees, besides those that are not private to it.
    """

    def __init__(
        self, nodes: int = 3, *, keep: bool = False, namespaces: bool = False, shared: Sequence[Path] = ()
    ) -> None:
        self._count = nodes
        self._keep = keep
        self._namespaces = namespaces
        self._also_shared = shared
        self._folder = Path()
        self._nodes: list[NodeEntry] = []  # with namespaces
        self._ending = contextlib.ExitStack()
        self.home = Path()  # of the first node
        self.shared = SCRATCH  # what every node sees by this path, for programs' files
        self.computers: dict[str, Computer] = {}  # by node, with namespaces

    def __enter__(self) -> LocalCluster:
        if self._namespaces and (why := why_not()) is not None:
            raise Unavailable(f"a cluster over namespaces cannot be had here: {why}")
        with contextlib.ExitStack() as undo:
            # Short, since a unix socket's path holds 107 bytes, whatever TMPDIR says.
            self._folder = self.home = Path(tempfile.mkdtemp(prefix="sojourn-", dir=SCRATCH))
            undo.callback(shutil.rmtree, self._folder, ignore_errors=True)
            if self._namespaces:
                self._up_apart(undo)
            else:
                embedded.up(self.home, nodes=self._count)
            self._ending = undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._keep and kind:
            self._ending.callback(shutil.copytree, self._folder, f"{self._folder}-kept", symlinks=True)
        with self._ending:
            self.client.close()
            if self._namespaces:
                self._down_apart()
            else:
                embedded.down(self.home)
                gone(self.home)

    # -- with namespaces -------------------------------------------------------------------------

    def _up_apart(self, undo: contextlib.ExitStack) -> None:
        self.shared = self._folder / "shared"
        self.shared.mkdir()
        switch = undo.enter_context(Switch())
        names = [f"n{number}" for number in range(1, self._count + 1)]
        for number, name in enumerate(names, 1):
            self._home_of(name).mkdir(mode=0o700)
            seen = [self._home_of(name), self.shared, *self._also_shared]
            computer = undo.enter_context(Computer(switch, number, name, visible=seen))
            self.computers[name] = computer
        self.home = self._home_of("n1")
        first = self.computers["n1"]
        first.sojourn(self.home, "up", "--listen", first.address)
        if self._count > 1:
            token = first.sojourn(self.home, "token", "--uses", str(self._count))
            join = ("node", "--join", token["url"], "--token", token["token"])
            answers = [
                self.computers[name].begin_sojourn(self._home_of(name), *join, "--name", name)
                for name in names[1:]
            ]
            for answer in answers:
                answer.wait()
        for name in names:
            self._nodes += nodes_of(self._home_of(name))
            if self._count >= REPLICATED:
                self._await_servers(name)

    def _await_servers(self, name: str) -> None:
        """The control plane is carried into several servers by now, which nobody should meet by chance."""
        until = time.monotonic() + PATIENCE
        with connect(self._home_of(name)) as client:
            while len(servers := client.plane().servers) < REPLICATED:
                if time.monotonic() > until:
                    raise Unavailable(f"the control plane has {len(servers)} servers after {PATIENCE:.0f} s")
                time.sleep(0.05)

    def _down_apart(self) -> None:
        """All at once, since the end of each would cost the others their control plane."""
        answers = [
            computer.begin_sojourn(self._home_of(name), "down", "--force")
            for name, computer in self.computers.items()
            if computer.on
        ]
        for answer in answers:
            with contextlib.suppress(SojournError):  # it was killed, or expelled; its computer is turned off next
                answer.wait()
        for name, computer in self.computers.items():
            computer.off()
            gone(self._home_of(name))

    def _home_of(self, name: str) -> Path:
        return self._folder / name

    # -- what there is ---------------------------------------------------------------------------

    @cached_property
    def client(self) -> Cluster:
        """A handle of the cluster, through its first node."""
        return connect(self.home)

    @property
    def entries(self) -> list[NodeEntry]:
        """The nodes as `cluster.json` has them, with their pids; with `namespaces`, as each node's computer counts."""
        return self._nodes or nodes_of(self.home)

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes."""
        return [entry.name for entry in self.entries]

    @cached_property
    def seed(self) -> str:
        """The hash seed of the cluster's programs, as PYTHONHASHSEED takes it."""
        seed = msgspec.json.decode((self.home / "cluster.json").read_bytes(), type=_Seed).seed
        return "0" if seed is None else str(seed)

    def kill_node(self, name: str) -> None:
        """End a node as a crash would: SIGKILL, with everything it was doing."""
        pid = next(entry.pid for entry in self.entries if entry.name == name)
        if name in self.computers:
            self.computers[name].run("kill", "-9", str(pid))
        else:
            os.kill(pid, signal.SIGKILL)

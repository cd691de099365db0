"""A cluster of your own, in a temporary folder, for as long as a `with` block lasts."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from functools import cached_property
from pathlib import Path

import msgspec

from sojourn.client import Cluster, connect, embedded
from sojourn.client.home import NodeEntry, nodes_of
from sojourn.testing.leaks import gone


class _Seed(msgspec.Struct):
    seed: str | int | None = None


class LocalCluster:
    """NATS and some nodes, started on entry, ended on exit.

    Args:
        nodes: how many.
        keep: leave the folder (logs, above all) when the block is left by an exception.
    """

    def __init__(self, nodes: int = 3, *, keep: bool = False) -> None:
        self._count = nodes
        self._keep = keep
        self.home = Path()

    def __enter__(self) -> LocalCluster:
        # Short, since a unix socket's path holds 107 bytes, whatever TMPDIR says.
        self.home = Path(tempfile.mkdtemp(prefix="sojourn-", dir="/tmp"))
        try:
            embedded.up(self.home, nodes=self._count)
        except BaseException:
            shutil.rmtree(self.home, ignore_errors=True)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.client.close()
        try:
            embedded.down(self.home)
            gone(self.home)
        finally:
            if not (self._keep and kind):
                shutil.rmtree(self.home, ignore_errors=True)

    @cached_property
    def client(self) -> Cluster:
        """A handle of the cluster, through its first node."""
        return connect(self.home)

    @property
    def entries(self) -> list[NodeEntry]:
        """The nodes as `cluster.json` has them, with their pids."""
        return nodes_of(self.home)

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
        """End a node as a power cut would: SIGKILL, with everything it was doing."""
        os.kill(next(entry.pid for entry in self.entries if entry.name == name), signal.SIGKILL)

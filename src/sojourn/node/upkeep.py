"""This machine's NATS server: it is kept running, as the layout of the control plane says, and lets in who belongs.

Guarantees. A server that dies is started again at once, at the same port and with the same store; what was acknowledged
is in the store (`sync_interval: always`). When the layout changes, because one of the servers' machines was expelled,
it is started anew, so that the expelled one's connections end with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

from sojourn.errors import Unavailable
from sojourn.names import server as servers
from sojourn.node import config, founding
from sojourn.node.config import Cluster
from sojourn.node.membership import identity_of
from sojourn.node.owner import first
from sojourn.trust.identity import NODE

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

log = logging.getLogger(__name__)

GRACE = 1.0  # seconds for a server to end by itself
AGAIN = 0.5  # seconds between attempts at what did not work


class Upkeep:
    """By the one node of a home that does it."""

    def __init__(self, node: Node, home: Path, cluster: Cluster) -> None:
        self._node = node
        self._home = home
        self._cluster = cluster
        self._launch: servers.Launch | None = None  # of a server that is our child
        self._free = asyncio.Event()
        self._free.set()
        self._look = asyncio.Event()

    async def run(self) -> None:
        """For as long as the node lives."""
        while True:
            self._look.clear()
            await self._free.wait()
            pid = servers.running(config.nats_folder(self._home))
            if pid is not None and self._as_wanted():
                await first(ended(pid), self._look.wait())
                self._reap()
                continue
            if pid is not None:
                log.warning("the layout of the control plane has changed; NATS is started anew")
                await end(pid)
            elif self._free.is_set():
                log.error("NATS has ended; it is started again")
            await self._start()

    async def _start(self) -> None:
        if not self._free.is_set():
            return
        try:
            self._launch = await asyncio.to_thread(start_again, self._home, self._cluster)
        except (Unavailable, OSError) as why:
            log.error("NATS cannot be started: %s", why)
            await asyncio.sleep(AGAIN)
        else:
            log.warning("NATS runs again, pid %d", self._launch.pid)

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncGenerator[None]:
        """As long as this lasts the server may be ended, and stays so."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()
            self._look.set()

    def look(self) -> None:
        """The layout may have changed."""
        self._look.set()

    def admit(self, folder: Path | None = None) -> None:
        """Let in the keeper, and the nodes that were not expelled; at the server of that folder, or at this machine's
        part of the control plane.
        """
        cluster = self._cluster.cluster
        members = [
            identity_of(member, cluster)
            for member in self._node.directory.members()
            if member.role == NODE and not member.expelled
        ]
        if servers.admit(folder or config.nats_folder(self._home), [*members, founding.keeper(cluster)]):
            log.info("NATS lets in %s", ", ".join(member.name for member in members))

    def _as_wanted(self) -> bool:
        """Whether the server was started for this layout. (A first one may have been given any free port.)"""
        known = config.layout(self._home)
        if known is None or known.ring is None:
            return True
        folder = config.replica_folder(self._home)
        wanted = servers.configuration(
            folder, name=self._cluster.nats.expect, authority=config.trusted(self._home), ring=known.ring
        )
        return (folder / "nats.conf").read_bytes() == wanted

    def _reap(self) -> None:
        if self._launch is not None:
            self._launch.reap()


def start_again(home: Path, cluster: Cluster) -> servers.Launch:
    """Start this machine's server, where it was before. Raises Unavailable."""
    known = config.layout(home)
    ring = known.ring if known is not None else None
    host, port = servers.place(cluster.nats.urls[0]) if ring is None else ("", -1)
    launch = servers.start(
        config.nats_folder(home),
        name=cluster.nats.expect,
        authority=config.trusted(home),
        host=host,
        port=port,
        ring=ring,
    )
    launch.wait()
    return launch


def end_leftovers(home: Path) -> list[int]:
    """Ask servers to end that are not, or no longer, this machine's part of the control plane; their pids."""
    folders = {config.first_folder(home), config.copy_folder(home), config.replica_folder(home)}
    asked: list[int] = []
    for folder in folders - {config.nats_folder(home)}:
        pid = servers.running(folder)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            asked.append(pid)
    return asked


async def end(pid: int) -> None:
    """End a server, and wait until it has: gracefully, unless that takes too long. (One that is just catching up with
    the others says goodbye for five seconds. What it has answered is on the disk either way.)
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                return await ended(pid)
    await ended(pid)


async def ended(pid: int) -> None:
    """Until that process is over."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(fd, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)


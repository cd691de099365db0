"""What one node does for the whole cluster: it keeps the embedded NATS server alive (`upkeep`), makes three of it when
there are enough machines (`replicating`), and it is the join door.

Concepts. The *host* is a node of the home in which `up` ran; there the authority is, and NATS. Which of them it is a
file lock decides: when the host dies the lock is free, and another takes over, on the same port. The host has a NATS
user of its own, the keeper, which alone may write down who is a member.

Guarantees. Who is expelled is cut off from NATS as soon as the host hears of it. A token is used up before its newcomer
is written down. When the host's machine is gone nobody can join or be expelled; all else goes on, if the control plane
is replicated.

A NATS server of the user's own is left alone: then there is no user to take away, only the data plane refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sojourn._util import clock
from sojourn.errors import NameTaken, NotFound, SojournError, Unauthorized, Unavailable
from sojourn.names.directory import Value
from sojourn.names.nats_kv import NatsRegistry
from sojourn.names.registry import Member
from sojourn.node import config, founding
from sojourn.node.config import Cluster
from sojourn.node.joining import JoinDoor
from sojourn.node.replica import note
from sojourn.node.replicating import Replicating
from sojourn.node.upkeep import Upkeep, end_leftovers, ended
from sojourn.trust import contexts
from sojourn.trust.identity import CLIENT, NODE

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

log = logging.getLogger(__name__)

LOOK = 1.0  # seconds between attempts to become the host
SETTLING = 5.0  # seconds for a new cluster to have written down who belongs to it
AGAIN = 0.5  # seconds between attempts at what did not work


async def keeper_registry(home: Path, cluster: Cluster) -> NatsRegistry:
    """The registry as the keeper, who may write down members. Raises Unavailable."""
    mine, known = config.keeper_credentials(home), functools.partial(config.servers_known, home)
    tls = contexts.calling(config.trusted(home), mine, names=True, known=known) if cluster.nats.expect else None
    return await NatsRegistry.connect(config.control(home, cluster), founding.keeper(cluster.cluster), tls=tls)


class Host:
    """The part of one node that waits to be the host, and is it."""

    def __init__(self, node: Node, home: Path, cluster: Cluster) -> None:
        self._node = node
        self._home = home
        self._cluster = cluster
        self._door: JoinDoor | None = None
        self._upkeep = Upkeep(node, home, cluster)
        self._lock = -1
        self._changed = asyncio.Event()
        self._relaid = asyncio.Event()

    async def run(self) -> None:
        """For as long as the node lives."""
        self._lock = os.open(self._home / "host.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        unlisten = self._node.directory.listen(self._heard)
        try:
            while not self._locked():
                await asyncio.sleep(LOOK)
            log.info("this node is the host")
            async with asyncio.TaskGroup() as tasks:
                if self._cluster.nats.expect:
                    for pid in end_leftovers(self._home):
                        await ended(pid)
                    tasks.create_task(self._upkeep.run())
                    tasks.create_task(self._keep_layout())
                    tasks.create_task(Replicating(self._node, self._home, self._cluster, self._upkeep).run())
                tasks.create_task(self._keep_members())
        finally:
            unlisten()
            if self._door is not None:
                await self._door.close()
            os.close(self._lock)

    def _heard(self, kind: str, name: str, old: Value, new: Value) -> None:
        if kind in ("member", "plane"):
            self._changed.set()
            self._relaid.set()

    def _locked(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def _keep_layout(self) -> None:
        """Where the servers are: without those that were expelled."""
        while True:
            self._relaid.clear()
            if config.layout(self._home) is not None:
                note(self._home, self._node.directory, self._cluster)
                self._upkeep.look()
            await self._relaid.wait()

    # -- who belongs to us -----------------------------------------------------------------------

    async def _keep_members(self) -> None:
        """Write down the founders, open the door, and let NATS know of every change."""
        while True:
            try:
                keeper = await keeper_registry(self._home, self._cluster)
                break
            except (Unavailable, Unauthorized) as why:
                log.warning("the keeper is not let in: %s", why)
                await asyncio.sleep(AGAIN)
        try:
            for member in founding.founders(self._home):
                await self._write_down(keeper, member)
            await self._open_door(keeper)
            while True:
                self._changed.clear()
                if self._cluster.nats.expect:
                    self._upkeep.admit()
                await self._changed.wait()
        finally:
            await keeper.close()

    async def _open_door(self, keeper: NatsRegistry) -> None:
        self._door = JoinDoor(self._node, self._home, self._cluster, keeper)
        while True:
            try:
                return await self._door.open()
            except Unavailable as why:
                log.error("the join door cannot be opened: %s", why)
                await asyncio.sleep(AGAIN)

    async def _write_down(self, keeper: NatsRegistry, member: Member) -> None:
        directory = self._node.directory
        while directory.member(member.role, member.name) is None:
            try:
                with contextlib.suppress(NameTaken):  # an earlier host did
                    await keeper.put_member(member, new=True)
                await directory.until(lambda: directory.member(member.role, member.name) is not None)
            except Unavailable as why:
                log.warning("%s could not be written down: %s", member.name, why)
                await asyncio.sleep(AGAIN)


async def expel(node: Node, home: Path, cluster: Cluster, name: str) -> Member:
    """Take a node's membership, or that of a command line, for good. Raises NotFound, Unavailable."""
    if any(founder.name == name for founder in founding.founders(home)):  # the host writes them down as it begins
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLING):
                await node.directory.until(lambda: node.directory.member(NODE, name) is not None)
    member = node.directory.member(NODE, name) or node.directory.member(CLIENT, name)
    if member is None:
        names = ", ".join(known.name for known in node.directory.members() if not known.expelled)
        raise NotFound(f"there is no member {name!r}", advice=f"the members are: {names}")
    if member.expelled:
        return member
    gone = msgspec.structs.replace(member, expelled=clock.wall())
    keeper = await keeper_registry(home, cluster)
    try:
        await keeper.put_member(gone, new=False)
        if gone.role == NODE:
            with contextlib.suppress(SojournError):  # a lease runs out by itself, and nobody heeds it any more
                await keeper.release(name, 0)
        await node.directory.until(lambda: node.membership.expelled(gone.role, name))
    finally:
        await keeper.close()
    return gone

"""Finding the node that has a process, and having something done there.

An owner that is asked with an old epoch refuses before it does anything; whoever asked looks in the registry and asks
again. So a request follows a process that moves, and nothing is done twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn.errors import NodeLost, NotFound, StaleEpoch, Unavailable
from sojourn.model.process import State
from sojourn.names.registry import Known
from sojourn.node import naming
from sojourn.node.processes import Process
from sojourn.node.requests import Named
from sojourn.node.talk import Emit

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

CATCH_UP = 0.5  # seconds that a listing waits for the latest writes of others
FOLLOW = 30.0  # seconds to look for the owner of a process that keeps moving

Local = Callable[[str, Process, Named, Emit], Awaitable[Any]]


class Router:
    """Routes for one node. `local` does an operation on a process that is here."""

    def __init__(self, node: Node, local: Local) -> None:
        self._node = node
        self._directory = node.directory
        self._local = local

    async def at_owner(self, op: str, ask: Callable[[], Named], emit: Emit) -> Any:
        """Have an operation done where the process is, wherever it goes meanwhile. `ask` gives the
        arguments, anew for each owner.
        """
        known = await self.find(ask().name)
        until = time.monotonic() + FOLLOW
        while True:
            record, asked, began = known.record, ask(), time.monotonic()
            process = self._node.processes.get(record.id)
            try:
                if process is not None and not process.departed:
                    return await self._local(op, process, asked, emit)
                if record.node == self._node.name:
                    if record.state is State.LOST:
                        raise NodeLost(f"{record.name} was lost with node {record.node}")
                    raise StaleEpoch(f"{record.name} is not here yet, or not any more")
                channel = await self._node.peers.channel(record.node)
                args = {
                    **msgspec.to_builtins(asked, builtin_types=(bytes,)),
                    "name": record.name,
                    "id": record.id,
                    "epoch": record.epoch,
                }
                return await channel.ask(op, args, emit)
            except StaleEpoch:
                now = time.monotonic()
                if now > until:
                    raise
                if now - began > 1.0:  # it was served for a while, and the process has moved since
                    until = now + FOLLOW
            known = await self.newer(known)

    async def find(self, name: str) -> Known:
        """The record of that name or id. Raises NotFound."""
        known = self._directory.process(name)
        if known is None:
            try:
                known = await self._node.registry.get(naming.checked(name))
            except Unavailable:
                known = None
            if known is not None:
                self._directory.wrote(known.record, known.revision)
            else:
                await self.catch_up()  # an id is found by the watch alone, which may lag behind who was told the id
            claimed, known = known, self._directory.process(name)
            if known is None and claimed is not None:
                raise NotFound(f"the name {name!r} is claimed, and not yet anybody's")
            if known is None:
                raise NotFound(f"there is no process {name!r}", advice="`sojourn ps -a` lists them all")
        return known

    async def newer(self, stale: Known) -> Known:
        """What the registry says now; waits a little while it says the same."""
        name = stale.record.name
        try:
            known = await self._node.registry.get(name)
        except Unavailable:
            known = self._directory.process(name)
        if known is None or known.record.id != stale.record.id:
            await self.catch_up()
            known = self._directory.process(stale.record.id)  # it has another name, or is gone
            if known is None:
                raise NotFound(f"{name} is gone")
        self._directory.wrote(known.record, known.revision)
        if known.revision == stale.revision:
            try:
                async with asyncio.timeout(0.05):
                    await self._directory.changed()
            except TimeoutError:
                pass
        return self._directory.process(stale.record.id) or known

    async def catch_up(self) -> None:
        """Know what others have written before now; while the control plane is away, go by what is known."""
        try:
            async with asyncio.timeout(CATCH_UP):
                latest = await self._node.registry.barrier()
                await self._directory.until(lambda: self._directory.revision >= latest)
        except (Unavailable, TimeoutError):
            pass

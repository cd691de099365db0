"""`node prepare`: have a node make the environment that a process would need there.

The process's owner says what it needs, by the offer that a move would make; the node that is to be prepared makes it
with its own tools, from its own index. Asked for what is there already, it says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sojourn.errors import NotFound, WrongState
from sojourn.machines.base import Offer
from sojourn.node.owner import Handler
from sojourn.node.processes import Process
from sojourn.node.requests import Named
from sojourn.node.routing import Router
from sojourn.node.talk import Emit

if TYPE_CHECKING:
    from sojourn.node.daemon import Node


class Equip(Named, kw_only=True):
    """Arguments of `equip`: `name` is the process, `node` the one to prepare."""

    node: str


class EquipHere(msgspec.Struct, kw_only=True):
    offer: Offer


class Equipping:
    """The preparations of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.owner_table: dict[str, tuple[type[Named], Handler]] = {"needs": (Named, self._needs)}
        self.peer_table = {"equip.here": (EquipHere, self._here)}

    async def asked(self, router: Router, asked: Equip, emit: Emit) -> Any:
        """The whole of it, for a client."""
        if asked.node != self._node.name and self._node.address_of(asked.node) is None:
            names = ", ".join(entry.name for entry in self._node.directory.nodes())
            raise NotFound(f"there is no node {asked.node!r}", advice=f"the nodes are: {names}")
        process = Named(name=asked.name)
        needs = await router.at_owner("needs", lambda: process, emit)
        if asked.node == self._node.name:
            return await self._here(msgspec.convert({"offer": needs}, EquipHere), emit)
        channel = await self._node.peers.channel(asked.node)
        return await channel.ask("equip.here", {"offer": needs}, emit)

    async def _needs(self, process: Process, asked: Named, emit: Emit) -> Any:
        if process.host is None or process.over.is_set():
            raise WrongState(f"{process.name} has ended: there is nothing to be like")
        offer = await process.host.survey()
        return msgspec.to_builtins(msgspec.structs.replace(offer, blobs={}))

    async def _here(self, asked: EquipHere, emit: Emit) -> Any:
        async def say(text: str) -> None:
            await emit({"text": text})

        done = await self._node.machine(asked.offer.machine).equip(asked.offer, say)
        return {"node": self._node.name, "like": asked.offer.name, **done}

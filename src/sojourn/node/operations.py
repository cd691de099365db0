"""What can be asked of a node, by clients over the control socket and by other nodes on behalf of theirs.

Clients ask any node. What concerns one process is carried out by its owner (`owner`), here or elsewhere (`routing`);
what concerns the cluster is answered from this node's directory, caught up with the registry.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn import __version__
from sojourn.errors import NodeLost, NotFound, StaleEpoch, Unauthorized, UsageError, WrongState
from sojourn.model.placement import Candidate, place
from sojourn.model.process import OVER, State
from sojourn.names.registry import Known, Record
from sojourn.node import naming
from sojourn.node.cloning import Cloning
from sojourn.node.draining import Draining
from sojourn.node.equipping import Equip, Equipping
from sojourn.node.images import Images
from sojourn.node.inquiry import Inquiry, shown
from sojourn.node.launch import launch
from sojourn.node.output import Output
from sojourn.node.owner import Owner, first
from sojourn.node.renaming import Renaming
from sojourn.node.requests import List, Named, Nothing, Point, Run, Wait
from sojourn.node.routing import Router
from sojourn.node.spaces import Spaces
from sojourn.node.standing import Standing
from sojourn.node.talk import Emit
from sojourn.node.trusting import LOCAL_ONLY, Trusting
from sojourn.node.watching import Watching
from sojourn.trust.identity import CLIENT, NODE, Identity

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

Handler = Callable[[Any, Emit], Awaitable[Any]]


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """A process as clients see it; a listing may have ten thousand."""

    name: str
    id: str
    node: str
    machine: str
    state: str
    epoch: int
    moves: int
    started: float
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    program: str = ""
    terminal: bool = False
    file: str = ""
    file_at: str = ""
    limits: dict[str, str] = {}
    why: str = ""


class Operations:
    """The operations of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._directory = node.directory
        self._owner = Owner(node)
        self._router = Router(node, self._owner.do)
        standing = Standing(node)
        self.draining = Draining(node, standing.warnings)
        inquiry = Inquiry(node)
        output = Output(node, self._router)
        self._equipping = Equipping(node)
        self.images = Images(node, self._router)
        self._owner.also(inquiry.owner_table)
        self._owner.also(self._equipping.owner_table)
        self._owner.also(Cloning(node).owner_table)
        self._owner.also(Renaming(node).owner_table)
        self._owner.also(output.owner_table)
        self._owner.also(self.images.owner_table)
        self._peer_ops: dict[str, tuple[type, Handler]] = {
            **self.draining.peer_table,
            **inquiry.peer_table,
            **self._equipping.peer_table,
            **self.images.peer_table,
            **Spaces(node).peer_table,
            **(node.replica.peer_table if node.replica is not None else {}),
        }
        self._ops: dict[str, tuple[type, Handler]] = {
            **self.draining.table,
            **self.images.table,
            **inquiry.table,
            **Spaces(node).table,
            **output.table,
            "hello": (Nothing, self._hello),
            "run": (Run, self._run),
            "ps": (List, self._ps),
            "find": (Named, self._find),
            "nodes": (Nothing, self._nodes),
            "wait": (Wait, self._wait),
            "rm": (Named, self._rm),
            "down": (Nothing, self._down),
            "show": (Named, self._show),
            "equip": (Equip, self._equip),
            **Watching(node).table,
            **Trusting(node).table,
            **standing.table,
            "testing.hold": (Point, self._hold),
            "testing.reached": (Point, self._reached),
            "testing.release": (Point, self._release),
        }
        for op in sorted(self._owner.kinds.keys() - {"logs"}):
            self._ops.setdefault(op, (self._owner.kinds[op], self._routed(op)))

    # -- ways in ---------------------------------------------------------------------------------

    async def serve_client(self, op: str, args: dict[str, Any], emit: Emit) -> Any:
        """A request from the control socket. Raises UsageError and whatever the operation raises."""
        found = self._ops.get(op)
        if found is None:
            raise UsageError(f"there is no operation {op!r}", advice=f"there are: {', '.join(self._ops)}")
        kind, handler = found
        return await handler(msgspec.convert(args, kind), emit)

    async def serve_member(self, who: Identity, op: str, args: dict[str, Any], emit: Emit) -> Any:
        """A request of a member, over the data plane's door: another node, or a command line from afar."""
        if who.role != CLIENT:
            return await self.serve_peer(op, args, emit)
        if op in LOCAL_ONLY or op.startswith("testing."):
            raise Unauthorized(f"{op!r} can only be asked on the node's own machine")
        if op == "freeze":
            args = {**args, "at": who.name}  # the file is to be on that machine
        return await self.serve_client(op, args, emit)

    async def serve_peer(self, op: str, args: dict[str, Any], emit: Emit) -> Any:
        """A request of another node, for what is here."""
        if op == "run":
            return _row(await launch(self._node, msgspec.convert(args, Run)))
        if op in self._peer_ops:
            kind, handler = self._peer_ops[op]
            return await handler(msgspec.convert(args, kind), emit)
        if op not in self._owner.kinds:
            raise UsageError(f"there is no operation {op!r} between nodes")
        asked = msgspec.convert(args, self._owner.kinds[op])
        process = self._node.processes.get(asked.id)
        if process is None or process.departed or asked.epoch < process.record.epoch:
            raise StaleEpoch(f"{asked.name} is not at node {self._node.name} with epoch {asked.epoch}")
        return await self._owner.do(op, process, asked, emit)

    def _routed(self, op: str) -> Handler:
        async def handler(asked: Named, emit: Emit) -> Any:
            return await self._router.at_owner(op, lambda: asked, emit)

        return handler

    # -- about the cluster -----------------------------------------------------------------------

    async def _hello(self, asked: Nothing, emit: Emit) -> Any:
        return {
            "node": self._node.name,
            "version": __version__,
            "pid": os.getpid(),
            "address": self._node.address,
        }

    async def _ps(self, asked: List, emit: Emit) -> Any:
        await self._router.catch_up()
        return [
            _row(known.record)
            for known in self._directory.processes()
            if asked.all or known.record.state is not State.ENDED
        ]

    async def _find(self, asked: Named, emit: Emit) -> Any:
        await self._router.catch_up()
        known = self._directory.process(asked.name)
        if known is None:
            raise NotFound(f"there is no process {asked.name!r}", advice="`sojourn ps -a` lists them all")
        return _row(known.record)

    async def _show(self, asked: Named, emit: Emit) -> Any:
        try:
            return await self._router.at_owner("show", lambda: asked, emit)
        except NodeLost:  # what the registry knows is left
            return shown((await self._router.find(asked.name)).record)

    async def _equip(self, asked: Equip, emit: Emit) -> Any:
        return await self._equipping.asked(self._router, asked, emit)

    async def _nodes(self, asked: Nothing, emit: Emit) -> Any:
        await self._router.catch_up()
        counts = self._counts()
        rows: list[dict[str, Any]] = [
            {
                "name": entry.name,
                "address": entry.address,
                "interpreters": entry.interpreters,
                "load": entry.load,
                "processes": counts.get(entry.name, 0),
                "state": "draining" if entry.draining else "up",
                "pid": entry.pid,
            }
            for entry in self._directory.nodes()
            if not self._node.membership.expelled(NODE, entry.name)
        ]
        gone = {known.record.node for known in self._directory.processes()} - {row["name"] for row in rows}
        rows += [
            {"name": name, "address": "", "interpreters": [], "load": 0.0, "processes": counts.get(name, 0),
             "state": "gone", "pid": None}
            for name in sorted(gone)
        ]  # fmt: skip
        return rows

    def _counts(self) -> dict[str, int]:
        """Living processes by node."""
        counts: dict[str, int] = {}
        for known in self._directory.processes():
            if known.record.state not in (*OVER, State.FROZEN):
                counts[known.record.node] = counts.get(known.record.node, 0) + 1
        return counts

    async def _down(self, asked: Nothing, emit: Emit) -> Any:
        self._node.ending.set()

    async def _run(self, asked: Run, emit: Emit) -> Any:
        if (asked.program is None) == (asked.module is None):
            raise UsageError("name either a program or a module")
        if asked.name is not None:
            naming.checked(asked.name)
        chosen = asked.node or self._place()
        if chosen == self._node.name:
            return _row(await launch(self._node, asked))
        if self._node.address_of(chosen) is None:
            names = ", ".join(entry.name for entry in self._directory.nodes())
            raise NotFound(f"there is no node {chosen!r}", advice=f"the nodes are: {names}")
        channel = await self._node.peers.channel(chosen)
        return await channel.ask("run", msgspec.to_builtins(msgspec.structs.replace(asked, holder=self._node.name)))

    def _place(self) -> str:
        counts = self._counts()
        taking = [entry for entry in self._directory.nodes() if not entry.draining]
        nodes = [Candidate(e.name, counts.get(e.name, 0), e.load) for e in taking]
        return place(nodes, self._node.name) or self._node.name

    # -- the end of a process -----------------------------------------------------------------------------------

    async def _wait(self, asked: Wait, emit: Emit) -> Any:
        known = await self._router.find(asked.name)
        name, process_id = known.record.name, known.record.id

        def latest() -> Record | None:
            now = self._directory.process(process_id)
            return now.record if now is not None else None

        def over() -> bool:
            process = self._node.processes.get(process_id)
            record = latest()
            return record is None or record.state in OVER or (process is not None and process.over.is_set())

        try:
            async with asyncio.timeout(asked.timeout):
                process = self._node.processes.get(process_id)
                if process is None:
                    await self._directory.until(over)
                else:
                    await first(self._directory.until(over), process.over.wait())
                    if not over():
                        await self._directory.until(over)
        except TimeoutError:
            pass
        record = latest()
        if record is None:
            raise NotFound(f"{name} was removed")
        process = self._node.processes.get(process_id)
        if process is not None and process.exit is not None:
            end = process.exit
            return {"state": "ended", "exit_code": end.code, "signal": end.signal, "why": end.why}
        return {
            "state": record.state.value,
            "exit_code": record.exit_code,
            "signal": record.signal,
            "why": record.why,
        }

    async def _rm(self, asked: Named, emit: Emit) -> Any:
        await self._router.catch_up()  # it may have ended this moment, elsewhere
        known = await self._router.find(asked.name)
        while True:
            process = self._node.processes.get(known.record.id)
            if process is not None and process.over.is_set():
                await process.written()  # its end is on the way into the registry
                known = Known(process.record, process.revision)
            if known.record.state not in (*OVER, State.FROZEN):
                raise WrongState(
                    f"{known.record.name} is {known.record.state.value}", advice="`sojourn stop` it first"
                )
            try:
                revision = await self._node.registry.delete(known.record.name, known.revision)
                break
            except StaleEpoch:
                known = await self._router.newer(known)
        self._directory.deleted(known.record.name, revision)

    # -- testing --------------------------------------------------------------------------------------------------

    async def _hold(self, asked: Point, emit: Emit) -> Any:
        self._node.points.hold(asked.point)

    async def _reached(self, asked: Point, emit: Emit) -> Any:
        await self._node.points.reached(asked.point)

    async def _release(self, asked: Point, emit: Emit) -> Any:
        self._node.points.release(asked.point, asked.then)


def _row(record: Record) -> Row:
    return Row(
        record.name,
        record.id,
        record.node,
        record.machine,
        record.state.value,
        record.epoch,
        record.moves,
        record.started,
        record.exit_code,
        record.signal,
        record.pid,
        record.program,
        record.terminal,
        record.rest.file if record.rest is not None else "",
        record.rest.at if record.rest is not None else "",
        record.limits,
        record.why,
    )

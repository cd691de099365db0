"""What a node does with images: `freeze` a process of its own, `thaw` one here or have it thawed elsewhere, `inspect`.

A file is named as the machine of the one who asks knows it, and is there. He shows something of it with his request
(`folders.sight`). A node that sees that writes or reads the file itself; one that does not has it carried, by him, from
and to where he is (`node.carrying`). A request that shows nothing means a path on this node's machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn._util.ids import new_id
from sojourn.errors import HostDied, NotFound, UsageError, WrongState
from sojourn.folders import sight
from sojourn.folders.layout import Layout, open_layout
from sojourn.folders.sight import Look, Shown
from sojourn.image import report
from sojourn.image.opened import opened
from sojourn.image.signing import FINGERPRINT, Believed, KeyFile, Signer, Verifier
from sojourn.mobility.source import FREEZE
from sojourn.model.placement import Candidate, place
from sojourn.model.process import OVER, State
from sojourn.node import config
from sojourn.node.apart import apart
from sojourn.node.carrying import Delivery, Lending, Lent, Ticket
from sojourn.node.freezing import Freezing, seen_of
from sojourn.node.processes import Process
from sojourn.node.requests import Named
from sojourn.node.routing import Router
from sojourn.node.talk import Emit
from sojourn.node.thawing import Thawing

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

Handler = Callable[[Process, Any, Emit], Awaitable[Any]]


class Freeze(Named, kw_only=True):
    """Arguments of `freeze`."""

    file: str
    token: Shown | None = None  # lies beside the file
    at: str = ""  # on whose machine; the node that is asked says it
    deadline: float | None = None


class Settled(Named, kw_only=True):
    """Arguments of `freeze.settled`: the process, of which epoch, and which freeze."""

    frozen_of: int
    image: str


class Thaw(msgspec.Struct, kw_only=True):
    """Arguments of `thaw`."""

    file: str
    look: Look | None = None  # at the file
    node: str | None = None
    name: str | None = None
    trust: list[str] = []  # fingerprints of keys that are believed this once


class InspectFile(msgspec.Struct, kw_only=True):
    """Arguments of `inspect.file`."""

    file: str
    look: Look | None = None


class Images:
    """The images of one node. It believes its own key, and those of the nodes that hold a lease now."""

    def __init__(self, node: Node, router: Router) -> None:
        self._node = node
        self._router = router
        self._freezes: dict[str, asyncio.Task[Any]] = {}  # by process
        self._deliveries: dict[str, Delivery] = {}  # by the id of the freeze
        self._loans: dict[str, Lent] = {}
        self.owner_table: dict[str, tuple[type[Named], Handler]] = {
            "freeze": (Freeze, self._freeze),
            "freeze.settled": (Settled, self._settled),
            "inspect": (Named, self._inspect),
        }
        self.peer_table: dict[str, tuple[type, Callable[[Any, Emit], Awaitable[Any]]]] = {
            "thaw": (Thaw, self._thaw_here),
            "image.take": (Ticket, self._take),
            "image.kept": (Ticket, self._kept),
            "image.lend": (Lending, self._lend),
        }
        self.table = {
            "freeze": (Freeze, self._ask_freeze),
            "thaw": (Thaw, self._thaw),
            "inspect.file": (InspectFile, self._inspect_file),
            **{op: (kind, self._passed_on(op)) for op, (kind, _) in self.peer_table.items() if op != "thaw"},
        }

    @cached_property
    def signer(self) -> Signer:
        return KeyFile(config.image_key(self._node.home))

    def verifier(self, trust: list[str]) -> Verifier:
        for name in trust:
            if len(name) != FINGERPRINT or set(name.lower()) - set("0123456789abcdef"):
                raise UsageError(
                    f"{name!r} is not the fingerprint of a key",
                    advice=f"{FINGERPRINT} hexadecimal digits, as `sojourn inspect FILE` shows them",
                )
        keys = (entry.image_key for entry in self._node.directory.nodes())
        announced = [bytes.fromhex(key) for key in keys if key]
        return Believed([self.signer.public, *announced], trust)

    # -- freeze ------------------------------------------------------------------------------------------------

    async def _ask_freeze(self, asked: Freeze, emit: Emit) -> Any:
        """A client asks: if not from afar, its machine is this node's."""
        asked.at = asked.at or self._node.name
        return await self._router.at_owner("freeze", lambda: asked, emit)

    async def _freeze(self, process: Process, asked: Freeze, emit: Emit) -> Any:
        """Goes on when it is complete but for the registry's word; is undone when the one who asked goes away before.
        """
        if asked.deadline is not None and asked.deadline <= 0:
            raise UsageError(f"the deadline is {asked.deadline} seconds; it must be positive")
        if not asked.file.startswith("/"):
            raise UsageError(f"{asked.file!r} is not an absolute path")
        stages: asyncio.Queue[str | None] = asyncio.Queue()
        delivery = None
        if asked.token is not None:
            seen = await asyncio.to_thread(sight.finds, asked.file, asked.token)
            delivery = None if seen else Delivery()
            await emit({"seen": seen})
        freezing = Freezing(
            self._node,
            process,
            file=asked.file,
            at=asked.at or self._node.name,
            to=asked.file if delivery is None else delivery,
            deadline=FREEZE if asked.deadline is None else asked.deadline,
            signer=self.signer,
            report=stages.put_nowait,
        )
        work = self._node.spawn(freezing.run())
        work.add_done_callback(lambda _: stages.put_nowait(None))
        self._freezes.setdefault(process.id, work)
        if delivery is not None:
            self._deliveries[freezing.image] = delivery
        try:
            while (stage := await stages.get()) is not None:
                await emit({"stage": stage})
                if stage == "write" and delivery is not None:
                    ticket = {"node": self._node.name, "ticket": freezing.image}
                    await emit({"bring": {**ticket, "epoch": process.record.epoch}})
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if not freezing.committing:
                work.cancel()
            raise
        finally:
            work.add_done_callback(lambda _: self._over(process.id, work, freezing.image))

    def _over(self, process: str, work: asyncio.Task[Any], image: str) -> None:
        if self._freezes.get(process) is work:
            del self._freezes[process]
        if delivery := self._deliveries.pop(image, None):
            delivery.end()

    async def _settled(self, process: Process, asked: Settled, emit: Emit) -> Any:
        """When the freeze is over: whether the process is frozen in that image. None where it cannot be known any more.
        """
        if work := self._freezes.get(process.id):
            await asyncio.wait((work,))
        record = process.record
        if record.rest is not None and record.rest.image == asked.image:
            return {"frozen": True}
        return {"frozen": False if record.epoch == asked.frozen_of else None}

    # -- files that are with the one who asks ------------------------------------------------------------------

    def _passed_on(self, op: str) -> Callable[[Any, Emit], Awaitable[Any]]:
        """What a client brings or takes, at the node that it names."""

        async def handler(asked: Ticket, emit: Emit) -> Any:
            if asked.node == self._node.name:
                return await self.peer_table[op][1](asked, emit)
            channel = await self._node.peers.channel(asked.node)
            return await channel.ask(op, msgspec.to_builtins(asked, builtin_types=(bytes,)))

        return handler

    async def _take(self, asked: Ticket, emit: Emit) -> Any:
        delivery = self._deliveries.get(asked.ticket)
        return {"over": True} if delivery is None else await delivery.take()

    async def _kept(self, asked: Ticket, emit: Emit) -> Any:
        delivery = self._deliveries.get(asked.ticket)
        return {"over": True} if delivery is None else await delivery.kept()

    async def _lend(self, asked: Lending, emit: Emit) -> Any:
        loan = self._loans.get(asked.ticket)
        return {"over": True} if loan is None else await loan.lend(asked)

    @asynccontextmanager
    async def _found(self, file: str, shown: Look | None, emit: Emit) -> AsyncGenerator[Callable[[str], Layout]]:
        """How to open that file for as long as the block lasts."""
        if shown is None or await asyncio.to_thread(sight.sees, file, shown):
            yield open_layout
            return
        ticket = new_id()
        loan = self._loans[ticket] = Lent(emit, self._node.name, ticket)
        try:
            yield lambda _: loan.open()
        finally:
            del self._loans[ticket]
            loan.end()

    # -- thaw --------------------------------------------------------------------------------------------------

    async def _thaw(self, asked: Thaw, emit: Emit) -> Any:
        if not asked.file.startswith("/"):
            raise UsageError(f"{asked.file!r} is not an absolute path")
        chosen = asked.node or await self._place(asked)
        if chosen == self._node.name:
            return await self._thaw_here(asked, emit)
        if self._node.address_of(chosen) is None:
            names = ", ".join(entry.name for entry in self._node.directory.nodes())
            raise NotFound(f"there is no node {chosen!r}", advice=f"the nodes are: {names}")
        channel = await self._node.peers.channel(chosen)
        return await channel.ask("thaw", msgspec.to_builtins(asked), emit)

    async def _place(self, asked: Thaw) -> str:
        """Of the nodes that may see the file, if this one does, or else of all, the one with the fewest processes."""
        seen = asked.look is None or await asyncio.to_thread(sight.sees, asked.file, asked.look)
        directory, here = self._node.directory, self._node.directory.node(self._node.name)
        counts: dict[str, int] = {}
        for known in directory.processes():
            if known.record.state not in (*OVER, State.FROZEN):
                counts[known.record.node] = counts.get(known.record.node, 0) + 1
        nodes = [
            Candidate(entry.name, counts.get(entry.name, 0), entry.load)
            for entry in directory.nodes()
            if not entry.draining
            and (not seen or (here is not None and (entry.boot, entry.files) == (here.boot, here.files)))
        ]
        return place(nodes, self._node.name) or self._node.name

    async def _thaw_here(self, asked: Thaw, emit: Emit) -> Any:
        """Goes on when the one who asked goes away, as a move does; unless he has the file, and some of it is missing.
        """
        self._node.refuse_when_draining()
        verifier = self.verifier(asked.trust)
        async with self._found(asked.file, asked.look, emit) as find:
            thawing = Thawing(self._node, asked.file, name=asked.name, verifier=verifier, find=find)
            return await asyncio.shield(self._node.spawn(thawing.run()))

    # -- inspect -----------------------------------------------------------------------------------------------

    async def _inspect(self, process: Process, asked: Named, emit: Emit) -> Any:
        """Of what runs, the program is asked, between two of its instructions; of what is frozen, nobody but the
        file.
        """
        record = process.record
        if record.rest is not None:
            raise WrongState(
                f"{record.name} is frozen in {record.rest.place}",
                advice="`sojourn inspect` looks into that file, there",
            )
        if process.host is None or process.over.is_set():
            raise WrongState(f"{record.name} has ended")
        try:
            found, looked = await process.host.inspect()
        except HostDied:
            raise WrongState(f"{record.name} has ended") from None
        seen = seen_of(looked, found, record.program, memory=memory_of(process.host.pid))
        return {
            "process": {"name": record.name, "id": record.id, "epoch": record.epoch, "node": record.node},
            **msgspec.to_builtins(seen),
        }

    async def _inspect_file(self, asked: InspectFile, emit: Emit) -> Any:
        async with self._found(asked.file, asked.look, emit) as find:
            return await apart(lambda: self._look_into(asked.file, find))

    def _look_into(self, file: str, find: Callable[[str], Layout]) -> dict[str, Any]:
        with opened(file, self.verifier([]), find) as image:
            said, seen = image.manifest, report.read(image.segment("inspect"))
            return {
                "process": msgspec.to_builtins(said.process),
                "image": {
                    "file": file,
                    "id": said.image,
                    "version": said.version,
                    "frozen_at": said.frozen_at,
                    "cluster": said.by.cluster,
                    "node": said.by.node,
                    "key": image.key,
                    "believed": image.distrust is None,
                    "seed": said.seed,
                    "segments": {
                        kind: {"bytes": said.size(kind), "pieces": len(said.of(kind))}
                        for kind in ("memory", "blob", "log", "inspect")
                    },
                },
                **msgspec.to_builtins(seen),
            }


def memory_of(pid: int) -> dict[str, int]:
    """Bytes of memory of a host process, as the kernel counts them; it is not stopped for this."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            rows = dict(line.split(":", 1) for line in file if line.endswith("kB\n"))
    except OSError as why:
        raise HostDied(f"process {pid} cannot be looked at: {why}") from None
    named = {"resident": "Rss", "own": "Private_Dirty", "shared": "Shared_Clean", "swapped": "Swap"}
    return {name: int(rows[row].split()[0]) << 10 for name, row in named.items() if row in rows}

"""Cloning a process that is here: what the node does around `mobility.clone`.

The original is in the hands of a clone from the request until its image is complete: another clone waits for its
turn, a move is refused as busy. After that nothing of the clone concerns it, and it may move or end while its copies
are still being built.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn._util import clock
from sojourn._util.ids import new_id
from sojourn.errors import NotFound, Outdated, StaleEpoch, UsageError, WrongState
from sojourn.machines.base import Host, Offer
from sojourn.mobility.clone import Cloning as Run
from sojourn.mobility.clone import OriginSide
from sojourn.mobility.link import Link, Opening
from sojourn.mobility.sender import PREPARE, THAW
from sojourn.mobility.source import FREEZE
from sojourn.model.clone import Origin
from sojourn.model.process import State
from sojourn.names.registry import Known
from sojourn.node import naming
from sojourn.node.departure import OFFERS
from sojourn.node.launch import forget, take_name
from sojourn.node.processes import SOON, Process, about, told_of
from sojourn.node.requests import Named
from sojourn.node.talk import Emit
from sojourn.wire import events, greeting

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

log = logging.getLogger(__name__)

MOST = 256  # copies in one request


class Clone(Named, kw_only=True):
    """`nodes`: where the copies are to run, one each; none: here."""

    nodes: list[str] = msgspec.field(default_factory=list[str])
    copy: str | None = None  # the name of the only one
    deadline: float | None = None
    keep_random: bool = False


class Cloning:
    """Clones of the processes of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.owner_table: dict[str, tuple[type[Named], Callable[[Process, Any, Emit], Awaitable[Any]]]] = {
            "clone": (Clone, self._asked)
        }

    async def _asked(self, process: Process, asked: Clone, emit: Emit) -> Any:
        """The clone goes on when the one who asked goes away."""
        stages: asyncio.Queue[str | None] = asyncio.Queue()
        work = self._node.spawn(self.clone(process, asked, stages.put_nowait))
        work.add_done_callback(lambda _: stages.put_nowait(None))
        while (stage := await stages.get()) is not None:
            await emit({"stage": stage})
        return await work

    async def clone(
        self, process: Process, asked: Clone, report: Callable[[str], None], *, wish: int | None = None
    ) -> dict[str, Any]:
        """The facts. Raises why there is no copy."""
        self._check(asked)
        if process.moving:
            process.check_free()
        for _ in range(OFFERS - 1):
            with contextlib.suppress(Outdated):  # it goes on importing modules
                return await self._once(process, asked, report, wish)
        return await self._once(process, asked, report, wish)

    def _check(self, asked: Clone) -> None:
        """Raises UsageError, NotFound."""
        for name in asked.nodes:
            if self._node.address_of(name) is None:
                names = ", ".join(entry.name for entry in self._node.directory.nodes())
                raise NotFound(f"there is no node {name!r}", advice=f"the nodes are: {names}")
        if len(asked.nodes) > MOST:
            raise UsageError(f"{len(asked.nodes)} copies at once are too many; {MOST} can be made")
        if asked.copy is not None:
            naming.checked(asked.copy)
            if len(asked.nodes) > 1:
                raise UsageError(
                    "one name cannot be given to several copies", advice="leave it out, or clone one by one"
                )
        if asked.deadline is not None and asked.deadline <= 0:
            raise UsageError(f"the deadline is {asked.deadline} seconds; it must be positive")

    async def _once(
        self, process: Process, asked: Clone, report: Callable[[str], None], wish: int | None
    ) -> dict[str, Any]:
        node = self._node
        freeze = FREEZE if asked.deadline is None else asked.deadline
        async with contextlib.AsyncExitStack() as ahead, process.cloning:
            await process.hands_off()
            if process.moving:
                process.check_free()
            host = _running(process)
            report("survey")
            openings = [
                await ahead.enter_async_context(self._opening(target)) for target in asked.nodes or [node.name]
            ]
            offer, reserved = await self._offer(host, process, asked)
            sides = [
                self._side(known, offer, opening, freeze, asked.keep_random)
                for known, opening in zip(reserved, openings, strict=True)
            ]

            def staged(stage: str) -> None:
                if stage == "freeze":
                    process.settled.clear()
                    process.can_kill = lambda: True
                report(stage)

            run = Run(process.name, sides, host, freeze=freeze, wish=wish, report=staged)
            process.call_off = run.call_off
            going = asyncio.create_task(run.run())
            try:
                await run.went_on.wait()
            finally:
                process.can_kill = process.call_off = None
                process.settled.set()
        try:
            facts: dict[str, Any] = {"id": process.id, "from": node.name, **await going}
        finally:
            node.reserved.difference_update(side.record.id for side in sides)
        for copy in facts["copies"]:
            node.events.tell(
                events.Cloned(
                    **told_of(process.record, node.name),
                    to=copy["node"],
                    copy_name=copy["name"],
                    copy_id=copy["id"],
                    downtime_ms=facts["pause_ms"],
                )
            )
        for side in sides:
            if side.state is not Origin.CLONED:
                log.warning(
                    "no copy at %s: %s", side.record.node, "; ".join(side.history), extra=about(side.record)
                )
        return facts

    async def _offer(self, host: Host, process: Process, asked: Clone) -> tuple[Offer, list[Known]]:
        """What the program is, and its copies' records: found out and written at the same time."""
        reserving = self._node.spawn(self._reserve(process, asked))
        try:
            offer = await host.survey(copy=True)
        except BaseException:
            giving_up = self._node.spawn(self._give_up(reserving))
            await asyncio.wait((giving_up,), timeout=SOON)
            raise
        return offer, await reserving

    async def _give_up(self, reserving: asyncio.Task[list[Known]]) -> None:
        """Remove the records of copies that cannot be made."""
        for known in await reserving:
            await forget(self._node, known)

    async def _reserve(self, process: Process, asked: Clone) -> list[Known]:
        """The copies' records: their names are taken, and nobody will run under them but these copies."""
        node, reserved = self._node, list[Known]()
        clone = new_id()
        try:
            for target in asked.nodes or [node.name]:
                record = msgspec.structs.replace(
                    process.record,
                    name=asked.copy or self._free_name(process.name),
                    id=new_id(),
                    node=target,
                    address=node.address_of(target) or "",
                    state=State.STARTING,
                    epoch=1,
                    moves=0,
                    started=clock.wall(),
                    pid=None,
                    move=clone,
                    stays=[],
                    was="",
                    fallback=node.name,  # answers for it until it runs: it is not lost before
                )
                node.reserved.add(record.id)
                reserved.append(await take_name(node, record, None if asked.copy else self._free_name))
        except BaseException:
            for known in reserved:
                node.reserved.discard(known.record.id)
                node.spawn(forget(node, known))
            raise
        return reserved

    def _free_name(self, name: str) -> str:
        taken = {known.record.name for known in self._node.directory.processes()}
        return naming.made_from(name, taken | {name})

    def _opening(self, target: str) -> Opening:
        async def call() -> Link:
            return Link(await self._node.peers.call(target, greeting.MOVE))

        return Opening(call)

    def _side(
        self, known: Known, offer: Offer, opening: Opening, freeze: float, keep_random: bool
    ) -> OriginSide:
        node = self._node
        return OriginSide(
            known=known,
            offer=offer,
            call=opening.take,
            blob=node.machine(known.record.machine).blob,
            patience=PREPARE + freeze + THAW,
            keep_random=keep_random,
            registry=node.registry,
            directory=node.directory,
            tenure=node.keeper,
            points=node.points,
        )


def _running(process: Process) -> Host:
    """Its host. Raises StaleEpoch, WrongState."""
    if process.departed:
        raise StaleEpoch(f"{process.name} has moved away")
    state = State.ENDED if process.over.is_set() else process.record.state
    # One that has just arrived runs, though its record may have yet to say so.
    if process.host is None or state not in (State.RUNNING, State.STARTING, State.MOVING):
        raise WrongState(f"{process.name} cannot be cloned: it is {state.value}")
    return process.host



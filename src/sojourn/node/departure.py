"""Moving a process away: what the node does around `mobility.source`.

The record is marked first, by compare-and-set; without an answer to that there is no move, and nothing has
happened to the program. Only one move of a process is under way at a time: the second is refused as busy,
at once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn._util.ids import new_id
from sojourn.errors import (
    Busy,
    NotFound,
    Outdated,
    SojournError,
    StaleEpoch,
    Unavailable,
    UsageError,
    WrongState,
)
from sojourn.mobility.link import Link, Opening
from sojourn.mobility.source import FREEZE, Result, SourceMove
from sojourn.model.move import On, Source
from sojourn.model.process import State
from sojourn.names.registry import Known
from sojourn.node.processes import Process, about, told_of
from sojourn.node.talk import Emit
from sojourn.wire import events, greeting

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

log = logging.getLogger(__name__)

BEFORE_COMMIT = frozenset({Source.OFFERING, Source.SHIPPING, Source.FREEZING, Source.SENDING})
SYNC = 3.0  # seconds for earlier writes of the record to be answered
TRIES = 5  # at marking a record that changes under us
OFFERS = 6  # for a program that goes on importing modules while its move is under way


async def depart(
    node: Node, process: Process, target: str, deadline: float | None, emit: Emit, *, wish: int | None = None
) -> Any:
    """Move `process` to `target`; the facts. The move goes on when the one who asked goes away.

    `wish` is the number of the program's own request, if it is one.
    """
    process.check_free()
    if target == node.name:
        raise UsageError(f"{process.name} is at {target} already")
    address = node.address_of(target)
    if address is None:
        names = ", ".join(other.name for other in node.directory.nodes())
        raise NotFound(f"there is no node {target!r}", advice=f"the nodes are: {names}")
    if deadline is not None and deadline <= 0:
        raise UsageError(f"the deadline is {deadline} seconds; it must be positive")
    stages: asyncio.Queue[str | None] = asyncio.Queue()
    process.moving = True
    work = node.spawn(
        _moves(
            node, process, target, address, FREEZE if deadline is None else deadline, stages.put_nowait, wish
        )
    )
    work.add_done_callback(lambda _: stages.put_nowait(None))
    while (stage := await stages.get()) is not None:
        await emit({"stage": stage})
    return await work


async def _moves(
    node: Node, process: Process, target: str, address: str, freeze: float, report: Any, wish: int | None
) -> dict[str, Any]:
    """Moves until an offer still holds at the freeze; tells of it."""
    node.events.tell(events.Moving(**told_of(process.record, node.name), to=target))
    try:
        facts = await _until_it_holds(node, process, target, address, freeze, report, wish)
    except SojournError as why:
        reasons = [str(reason) for reason in why.details.get("reasons") or ()]
        told = told_of(process.record, node.name)
        node.events.tell(
            events.Aborted(**told, to=target, why=str(why), reasons=reasons, history=why.history)
        )
        raise
    known = {key: facts[key] for key in ("to", "strategy", "downtime_ms", "total_ms", "bytes")}
    told = told_of(process.record, node.name) | {"epoch": facts["epoch"]}
    node.events.tell(events.Moved(**told, **known))
    return facts


async def _until_it_holds(
    node: Node, process: Process, target: str, address: str, freeze: float, report: Any, wish: int | None
) -> dict[str, Any]:
    for _ in range(OFFERS - 1):
        try:
            return await _move(node, process, target, address, freeze, report, wish)
        except Outdated:
            process.moving = True
    return await _move(node, process, target, address, freeze, report, wish)


async def _move(
    node: Node, process: Process, target: str, address: str, freeze: float, report: Any, wish: int | None
) -> dict[str, Any]:
    """One move from mark to outcome."""

    async def call() -> Link:
        return Link(await node.peers.call(target, greeting.MOVE))

    try:
        async with Opening(call) as opening:
            known = await _mark(process)
            assert process.host is not None

            def staged(stage: str) -> None:
                if stage == "freeze":
                    process.settled.clear()
                report(stage)

            move = SourceMove(
                known=known,
                target=target,
                address=address,
                host=process.host,
                log=process.output,
                call=opening.take,
                blob=node.machine(known.record.machine).blob,
                report=staged,
                freeze=freeze,
                wish=wish,
                registry=node.registry,
                directory=node.directory,
                tenure=node.keeper,
                points=node.points,
            )
            process.can_kill = lambda: move.state in BEFORE_COMMIT
            process.call_off = lambda: move.give(On.CANCEL, SojournError("the program gave it up"))
            result = await move.run()
        if result.outcome is not Source.MOVED:
            log.warning(
                "%s: %s", result.outcome.name.lower(), "; ".join(move.history), extra=about(known.record)
            )
        return _conclude(node, process, result)
    finally:
        process.moving = False
        process.can_kill = process.call_off = None
        process.settled.set()


async def _mark(process: Process) -> Known:
    """The record says moving. Raises WrongState, Unavailable."""
    try:
        async with asyncio.timeout(SYNC):
            await process.written()
    except TimeoutError:
        raise Unavailable(
            f"{process.name} cannot be moved now: the control plane does not answer",
            advice="it goes on running; try again when the control plane is back",
        ) from None
    for _ in range(TRIES):
        if process.departed or process.over.is_set() or process.record.state is not State.RUNNING:
            if process.departed:
                raise StaleEpoch(f"{process.name} has moved away")
            state = "ended" if process.over.is_set() else process.record.state.value
            raise WrongState(f"{process.name} cannot be moved: it is {state}")
        record = msgspec.structs.replace(
            process.record, state=State.MOVING, move=new_id(), stays=process.stays()
        )
        try:
            revision = await process.registry.update(record, process.revision)
        except StaleEpoch:
            await process.reread()
            continue
        except Unavailable:
            process.publish(state=State.RUNNING)  # the mark may still land
            raise
        process.adopt(Known(record, revision))
        return Known(record, revision)
    raise Busy(f"the record of {process.name} keeps changing")


def _conclude(node: Node, process: Process, result: Result) -> dict[str, Any]:
    """Put the outcome into effect here. Raises why the process did not move."""
    if result.outcome in (Source.MOVED, Source.FENCED):
        node.directory.wrote(result.record, result.revision)
        node.let_go(process)
    else:
        process.adopt(Known(result.record, result.revision))
        if result.outcome is Source.ABORTED and result.unmark and process.exit is None:
            process.publish(state=State.RUNNING)
    if result.outcome is Source.MOVED:
        return result.facts
    if result.outcome is Source.ENDED:
        raise WrongState(f"{process.name} ended before it could move", history=_history(result))
    assert result.error is not None
    raise result.error


def _history(result: Result) -> list[str]:
    return result.error.history if result.error else []

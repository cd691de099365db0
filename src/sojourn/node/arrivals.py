"""Moves that come in: the door that another node's move knocks at, and what the node does around `mobility.target`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from sojourn.errors import Busy, NotFound, PeerError, ProtocolError, SojournError, TransferCut, Unauthorized
from sojourn.machines.base import Machine, Offer
from sojourn.mobility.link import PROPOSAL, Link
from sojourn.mobility.target import Landing, TargetMove
from sojourn.model.move import Target
from sojourn.model.process import State
from sojourn.names.registry import Known, Record
from sojourn.node.copies import receive_copy
from sojourn.node.processes import Process, about
from sojourn.resources.log import Log
from sojourn.trust.connection import Connection
from sojourn.wire import peer

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

log = logging.getLogger(__name__)

LEAVING = 5.0  # seconds for a process to have left, or to be discarded, before it comes back

_records = msgspec.msgpack.Decoder(Record)
_offers = msgspec.msgpack.Decoder(Offer)


async def receive(node: Node, connection: Connection) -> None:
    """What another node's connection brings: a move, or a copy. Ends when that is over, or refused."""
    link = Link(connection)
    try:
        async with asyncio.timeout(PROPOSAL):
            proposal = await _proposal(link)
        if proposal is None:
            return link.close()
        if isinstance(proposal, peer.Duplicate):
            return await receive_copy(node, link, proposal)
        if not isinstance(proposal, peer.Propose):
            raise ProtocolError(f"a move begins with Propose, not {type(proposal).__name__}")
        if proposal.version != peer.VERSION:
            raise ProtocolError(
                f"node {node.name} speaks version {peer.VERSION}, the other {proposal.version}"
            )
        try:
            record, offer = _records.decode(proposal.record), _offers.decode(proposal.offer)
        except msgspec.MsgspecError as why:
            raise ProtocolError(f"a proposal that is not one: {why}") from why
        if proposal.epoch != record.epoch + 1 or record.state is not State.MOVING:
            raise ProtocolError("a proposal that contradicts itself")
        if record.node != link.peer:
            raise Unauthorized(f"node {link.peer} wants to move away what is at {record.node}")
    except (PeerError, TimeoutError) as why:
        log.warning("a move that wanted to come here is refused: %s", why or type(why).__name__)
        link.close()
        return
    try:
        machine = await _place_for(node, record)
    except SojournError as why:
        with contextlib.suppress(PeerError):
            await link.send(peer.Refused(epoch=proposal.epoch, error=why.to_wire()))
        link.close()
        return
    await _land(node, link, proposal, record, offer, machine)


async def _proposal(link: Link) -> peer.Message | None:
    """The first message; None where the other side found, before it came to that, that there is nothing to propose."""
    try:
        return await link.receive()
    except TransferCut:
        if link.touched:
            raise
        return None


async def _place_for(node: Node, record: Record) -> Machine:
    """The machine that can take it. Raises Busy, NotFound, Refused."""
    process = node.processes.get(record.id)
    for over in (process and process.gone, node.landings.get(record.id)):
        if over is not None:  # it left us a moment ago, or could not come, and is coming already
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVING):
                    await over.wait()
    if record.id in node.processes or record.id in node.expected:
        raise Busy(f"node {node.name} still has {record.name} in its hands")
    if node.ending.is_set():
        raise NotFound(f"node {node.name} is ending")
    node.refuse_when_draining()
    return node.machine(record.machine)


async def _land(
    node: Node, link: Link, proposal: peer.Propose, record: Record, offer: Offer, machine: Machine
) -> None:
    folder = node.log_folder(record.id)
    output = Log(folder)
    if {segment.epoch for segment in output.segments() if segment.size} - set(proposal.log):
        output.remove()  # left by a stay that was taken back: not a part of the process's log
        output = Log(folder)
    here: list[Process] = []

    def landed(landing: Landing) -> None:
        process = node.keep(Known(landing.record, landing.revision), landing.host, landing.log)
        process.settled.clear()
        here.append(process)

    def confirmed(known: Known) -> None:
        for process in here:
            process.adopt(known)

    began = time.monotonic()
    move = TargetMove(
        link=link,
        proposal=proposal,
        record=record,
        offer=offer,
        me=node.name,
        address=node.address,
        machine=machine,
        log=output,
        blobs=node.folder / "blobs",
        landed=landed,
        confirmed=confirmed,
        registry=node.registry,
        directory=node.directory,
        tenure=node.keeper,
        points=node.points,
    )
    node.expected.add(record.id)
    over = node.landings[record.id] = asyncio.Event()
    try:
        outcome = await move.run()
    finally:
        node.expected.discard(record.id)
        del node.landings[record.id]
        over.set()
    _log_move(record, outcome, move.error, time.monotonic() - began, move.history)
    if outcome is Target.ARRIVED:
        for process in here:
            if move.publish:
                process.publish(state=State.RUNNING, pid=process.record.pid, fallback="")
            process.settled.set()
        return
    for process in here:
        node.let_go(process)
        process.settled.set()


def _log_move(
    record: Record, outcome: Target, error: SojournError | None, took: float, history: list[str]
) -> None:
    say: Callable[..., None] = log.info if outcome is Target.ARRIVED else log.warning
    say(
        "from %s: %s in %.1f ms%s",
        record.node,
        outcome.name.lower(),
        took * 1e3,
        "" if outcome is Target.ARRIVED else f" ({error}; {'; '.join(history)})",
        extra=about(msgspec.structs.replace(record, epoch=record.epoch + 1)),
    )

"""Copies that come to be here: the door that a clone knocks at, and what the node does around `mobility.copy`."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import msgspec

from sojourn._util.ids import is_id
from sojourn.errors import Busy, NotFound, PeerError, ProtocolError, SojournError, Unauthorized
from sojourn.machines.base import Offer
from sojourn.mobility.copy import CopyHere
from sojourn.mobility.link import Link
from sojourn.mobility.target import Landing
from sojourn.model.clone import Copy
from sojourn.model.process import State
from sojourn.names.registry import Known, Record
from sojourn.node import naming
from sojourn.node.processes import about
from sojourn.resources.log import Log
from sojourn.wire import peer

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

log = logging.getLogger(__name__)

_records = msgspec.msgpack.Decoder(Record)
_offers = msgspec.msgpack.Decoder(Offer)


async def receive_copy(node: Node, link: Link, proposal: peer.Duplicate) -> None:
    """From the first message to the outcome. Raises PeerError, and leaves the link to the caller then."""
    record, offer = _read(node, link.peer, proposal)
    try:
        node.refuse_when_draining()
        if node.ending.is_set():
            raise NotFound(f"node {node.name} is ending")
        if record.id in node.processes or record.id in node.expected:
            raise Busy(f"node {node.name} has {record.name} already")
        machine = node.machine(record.machine)
    except SojournError as why:
        with contextlib.suppress(PeerError):
            await link.send(peer.Failed(epoch=proposal.epoch, error=why.to_wire()))
        link.close()
        return

    def landed(landing: Landing) -> None:
        node.keep(Known(landing.record, landing.revision), landing.host, landing.log)

    side = CopyHere(
        link=link,
        proposal=proposal,
        record=record,
        offer=offer,
        machine=machine,
        log=Log(node.log_folder(record.id)),
        blobs=node.folder / "blobs",
        landed=landed,
        registry=node.registry,
        directory=node.directory,
        tenure=node.keeper,
        points=node.points,
    )
    node.expected.add(record.id)
    try:
        outcome = await side.run()
    finally:
        node.expected.discard(record.id)
    if outcome is not Copy.ARRIVED:
        log.warning(
            "a copy from %s was not made: %s; %s", record.fallback, side.error, "; ".join(side.history),
            extra=about(record),
        )  # fmt: skip


def _read(node: Node, peer_name: str, proposal: peer.Duplicate) -> tuple[Record, Offer]:
    """What it proposes. Raises ProtocolError for what contradicts itself, Unauthorized for what is not its to bring."""
    if proposal.version != peer.VERSION:
        raise ProtocolError(
            f"node {node.name} speaks version {peer.VERSION}, the other {proposal.version}"
        )
    try:
        record, offer = _records.decode(proposal.record), _offers.decode(proposal.offer)
        naming.checked(record.name)
    except (msgspec.MsgspecError, SojournError) as why:
        raise ProtocolError(f"a proposal of a copy that is not one: {why}") from why
    agrees = (offer.id, offer.name, offer.epoch) == (record.id, record.name, record.epoch)
    if not (
        agrees and is_id(record.id) and record.node == node.name
        and record.state is State.STARTING and record.epoch == proposal.epoch == 1
    ):  # fmt: skip
        raise ProtocolError("a proposal of a copy that contradicts itself")
    if record.fallback != peer_name:
        raise Unauthorized(f"node {peer_name} brings a copy that {record.fallback} answers for")
    return record, offer

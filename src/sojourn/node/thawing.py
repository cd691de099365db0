"""Thawing an image here: who comes out of it is decided by the registry (`model.rest`), and nothing runs before it has.

Concepts. A place is made and the image built in it, held, as at the target of a move; `machines.prepare` says
everything that is missing at once. The process itself is taken by one compare-and-set from its frozen record (settled
as a freeze settles its own); a copy takes its name first, as a program that is started does. Then it runs.

Guarantees. A thaw that fails or is refused leaves the registry as it was, a frozen process frozen, and nothing here. Of
several who thaw one image at once, one gets the process. The log goes on: its segments are in the image.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn._util import clock
from sojourn._util.ids import new_id
from sojourn.errors import (
    BadImage,
    Busy,
    NameTaken,
    ProtocolError,
    Refused,
    SojournError,
    StaleEpoch,
    Unavailable,
)
from sojourn.folders.layout import Layout
from sojourn.image.manifest import Manifest
from sojourn.image.opened import Opened, opened
from sojourn.image.stream import Room
from sojourn.machines.base import Held, Interpreter, Offer, Workspace
from sojourn.model.process import Event, State, after, epoch_after
from sojourn.model.rest import Found, Image, Who, who
from sojourn.names.registry import Known, Record, identity
from sojourn.node import naming
from sojourn.node.apart import apart
from sojourn.node.freezing import settle
from sojourn.node.launch import forget, take_name
from sojourn.node.processes import about, told_of
from sojourn.resources import files
from sojourn.resources.log import Log
from sojourn.wire import events

if TYPE_CHECKING:
    from sojourn.image.signing import Verifier
    from sojourn.node.daemon import Node

log = logging.getLogger(__name__)

FORGET = 2.0  # seconds to free the name of a copy that did not come to be


class Thawing:
    """One thaw of `file`, under another name if one is given; `find` gives its files."""

    def __init__(
        self, node: Node, file: str, *, name: str | None, verifier: Verifier, find: Callable[[str], Layout]
    ) -> None:
        self._node = node
        self._file = file
        self._find = find
        self._name = name
        self._verifier = verifier
        self._began = clock.monotonic_ns()
        self._who = Who.ITSELF
        self._held: Held | None = None
        self._room: Room | None = None

    async def run(self) -> dict[str, Any]:
        """The whole thaw; the facts."""
        if self._name is not None:
            naming.checked(self._name)
        opening = opened(self._file, self._verifier, self._find)
        image = await apart(opening.__enter__)
        try:
            if image.distrust is not None:
                raise image.distrust
            found = await self._found(image.manifest)
            self._who = self._decide(image.manifest, found)
            if self._who is Who.ITSELF and found is not None:
                return await self._itself(image, found)
            return await self._another(image)
        finally:
            opening.__exit__(None, None, None)

    async def _found(self, said: Manifest) -> Known | None:
        """What the registry has under the name that is wanted, or as the process itself."""
        name = self._name
        if name is None:
            same = self._node.directory.process(said.process.id)
            name = same.record.name if same is not None else naming.checked(said.process.name)
        known = await self._node.registry.get(name)
        if known is not None:
            self._node.directory.wrote(known.record, known.revision)
        return known

    def _decide(self, said: Manifest, found: Known | None) -> Who:
        process, seen = Image(said.image, said.process.id, said.process.name), None
        if found is not None:
            record = found.record
            seen = Found(record.id, record.name, record.state, record.rest.image if record.rest else "")
        return who(process, seen, asked=self._name)

    # -- the process itself --------------------------------------------------------------------------------

    async def _itself(self, image: Opened, found: Known) -> dict[str, Any]:
        node, frozen = self._node, found.record
        if frozen.id in node.expected:
            raise Busy(f"{frozen.name} is being thawed already")
        resting = node.processes.get(frozen.id)
        record = msgspec.structs.replace(
            frozen,
            node=node.name,
            address=node.address,
            state=after(frozen.state, Event.THAWED),
            epoch=epoch_after(frozen.epoch, Event.THAWED),
            rest=None,
        )
        output = _log(image.manifest, node.log_folder(record.id), kept=resting is not None)
        node.expected.add(record.id)
        try:
            try:
                await self._build(image, record, output)
                await node.points.reach("thaw.ready")
                assert self._held is not None
                record = msgspec.structs.replace(record, pid=self._held.pid)
                won = await settle(node, found.revision, record, frozen, lambda: None)
                if won is None:
                    raise NameTaken(f"{frozen.name} was thawed or removed by somebody else just now")
                node.directory.wrote(won.record, won.revision)
                if won.record.state is State.FROZEN:
                    raise Unavailable(
                        f"{frozen.name} was not thawed: the control plane did not answer",
                        advice="it stays frozen; try again when the control plane is back",
                    )
            except BaseException:
                await self._undo(output, record.epoch, whole=resting is None)
                raise
            await node.points.reach("thaw.committed")
            try:
                facts = await self._go(won, output, image.manifest)
            except SojournError:
                await self._undo(output, record.epoch, whole=resting is None)
                await self._back(won, frozen)
                raise
            if resting is not None:
                resting.depart()  # whoever reads its log goes on with the new one
            return facts
        finally:
            node.expected.discard(record.id)

    async def _back(self, won: Known, frozen: Record) -> None:
        """It could not run: it is frozen again, in the same image; its log is there, too."""
        record = msgspec.structs.replace(frozen, epoch=epoch_after(won.record.epoch, Event.THAWED))
        try:
            revision = await self._node.registry.update(record, won.revision)
            self._node.directory.wrote(record, revision)
        except (StaleEpoch, Unavailable):  # then it counts as lost, and the image makes copies
            log.warning("it could not be thawed, nor be frozen again", extra=about(record))

    # -- an heir, or a copy --------------------------------------------------------------------------------

    async def _another(self, image: Opened) -> dict[str, Any]:
        node, process = self._node, image.manifest.process
        record = Record(
            name=self._name or process.name,
            id=new_id(),
            node=node.name,
            address=node.address,
            machine=process.machine,
            epoch=process.epoch + 1,  # its log begins with what was written until the freeze
            started=clock.wall(),
            program=process.program,
        )
        node.expected.add(record.id)
        try:
            known = await take_name(node, record, None)
            output = Log(node.log_folder(record.id))
            try:
                await self._build(image, record, output)
                facts = await self._go(known, output, image.manifest)
            except BaseException:
                await self._undo(output, record.epoch, whole=True)
                # Its name is free when it is refused, or as soon as the control plane answers.
                await asyncio.wait((node.spawn(forget(node, known)),), timeout=FORGET)
                raise
        finally:
            node.expected.discard(record.id)
        copy = node.processes[record.id]
        copy.publish(state=State.RUNNING, pid=copy.record.pid)
        await copy.soon_written()
        return facts

    # -- building ------------------------------------------------------------------------------------------

    async def _build(self, image: Opened, record: Record, output: Log) -> None:
        """A complete copy, held. Raises Refused with everything that is missing."""
        said = image.manifest
        offer = Offer(
            id=record.id,
            name=record.name,
            epoch=record.epoch,
            machine=record.machine,
            interpreter=msgspec.convert(msgspec.to_builtins(said.interpreter), Interpreter),
            packages=said.packages,
            size=said.size("memory"),
            resources=said.resources,
            blobs=said.sizes(),
            workspace=None if said.workspace is None else msgspec.convert(said.workspace, Workspace),
            detail={**said.detail, "seed": said.seed},
        )

        async def fetch(digest: str) -> Path:
            return await apart(lambda: _extracted(image, digest, self._node.folder / "blobs"))

        shared = files.unshareable(said.resources) if self._who is Who.COPY else []
        try:
            self._held = await self._node.machine(record.machine).prepare(offer, output, fetch)
            if shared:
                raise Refused("two processes would share what they cannot")
        except Refused as why:
            why.message = f"{record.name} cannot be thawed on {self._node.name}: {why.message}"
            why.reasons += shared
            raise
        self._room = await apart(image.memory)
        await apart(lambda: _adopt(image, output))
        copy = self._who is Who.COPY
        await self._held.thaw(self._room.fd, said.size("memory"), copy=copy, keep_random=not copy)
        output.begin(record.epoch)

    async def _go(self, known: Known, output: Log, said: Manifest) -> dict[str, Any]:
        assert self._held is not None and self._room is not None
        host, first_at = await self._held.go(identity(known.record))
        self._held = None
        self._close_room()
        record = msgspec.structs.replace(known.record, pid=host.pid)
        self._node.keep(Known(record, known.revision), host, output)
        total = clock.milliseconds(self._began, clock.monotonic_ns())
        self._node.events.tell(events.Thawed(**told_of(record, self._node.name), file=self._file))
        return {
            "name": record.name,
            "id": record.id,
            "node": record.node,
            "epoch": record.epoch,
            "as": self._who.name.lower(),
            "image": said.image,
            "image_bytes": said.size("memory"),
            "first_instruction_ms": round(clock.milliseconds(self._began, first_at), 3),
            "total_ms": round(total, 3),
            "resources": said.resources,
        }

    async def _undo(self, output: Log, epoch: int, *, whole: bool) -> None:
        """Nothing of the attempt stays; a log that was here before does."""
        self._close_room()
        if self._held is not None:
            held, self._held = self._held, None
            await held.discard()
        if whole:
            output.remove()
        else:
            output.close()
            (output.folder / f"{epoch}.log").unlink(missing_ok=True)

    def _close_room(self) -> None:
        if self._room is not None:
            self._room.close()
            self._room = None


def _extracted(image: Opened, name: str, folder: Path) -> Path:
    """A blob, in a file. (Whoever asked compares it with its name.)"""
    data = image.blob(name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / f".{new_id()}"
    draft.write_bytes(data)
    return draft.replace(folder / name)


def _log(said: Manifest, folder: Path, *, kept: bool) -> Log:
    """The log to go on with. Unless the frozen process itself rests here and its log is `kept`, what a stay that was
    taken back has left in the folder goes.
    """
    output = Log(folder)
    ends = {piece.epoch: piece.offset + piece.size for piece in said.of("log")}
    if not kept and any(segment.size > ends.get(segment.epoch, -1) for segment in output.segments()):
        output.remove()
        output = Log(folder)
    return output


def _adopt(image: Opened, output: Log) -> None:
    """Take in the log of the image, as far as it is not here. Raises BadImage."""
    try:
        for piece in image.manifest.of("log"):
            output.adopt(piece.epoch, piece.offset, image.piece(piece))
    except ProtocolError as why:
        raise BadImage(f"the log in the image is not that of the process: {why}") from why

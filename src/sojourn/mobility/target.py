"""The target's side of a move: carries out `model.move.TARGET` for one process that wants to come here.

Nothing of the program runs before the start, and the start comes only after the commit is known to have
won. A copy that was complete and left alone settles the record before it is thrown away.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from sojourn.errors import BadImage, InternalError, NotFound, PeerError, SojournError, TransferCut
from sojourn.image import stream
from sojourn.image.chunks import content_digest
from sojourn.machines.base import Held, Host, Machine, Offer
from sojourn.mobility.link import Link, boot_id, check_epoch
from sojourn.mobility.move import PACE, Driver
from sojourn.model.move import On, Target
from sojourn.model.process import State
from sojourn.names.registry import Known, Record
from sojourn.resources.log import Log
from sojourn.wire import peer

LARGEST_RESERVATION = 4 << 30  # bytes that an estimate alone may claim
OWN = 16 << 20  # of an offer's size: what any interpreter takes, and no image holds
LARGEST_BLOB = 1 << 30
LOOK = 0.25  # seconds between looks at our own lease


class Landing(msgspec.Struct, kw_only=True):
    """A process that has begun to run here."""

    record: Record
    revision: int
    host: Host
    log: Log


class TargetMove(Driver):
    """One move to here.

    Args:
        link: the connection, after its `Propose` was read.
        proposal: that message; `record` and `offer` are what it carries.
        me: this node's name and address.
        machine: of the offered kind.
        log: of the process on this node; may hold what an earlier stay left.
        blobs: folder for fetched blobs.
        landed: told at the first instruction.
        confirmed: told when the record says that it runs here.
    """

    def __init__(
        self,
        *,
        link: Link,
        proposal: peer.Propose,
        record: Record,
        offer: Offer,
        me: str,
        address: str,
        machine: Machine,
        log: Log,
        blobs: Path,
        landed: Callable[[Landing], None],
        confirmed: Callable[[Known], None],
        **common: Any,
    ) -> None:
        super().__init__(
            name=record.name, move=record.move, epoch=record.epoch + 1, start=Target.PREPARING, **common
        )
        self.link = self._link = link
        self.publish = False  # the record has yet to say running
        self._proposal = proposal
        self._marked = record
        self._offer = offer
        self._me = me
        # What the source commits, down to the last field: so nobody has to send or read it again.
        self._commit = msgspec.structs.replace(
            record,
            node=me,
            address=address,
            state=State.MOVING,
            epoch=self.epoch,
            moves=record.moves + 1,
            pid=None,
            fallback=record.node,
        )
        self._machine = machine
        self._log = log
        self._blobs = blobs
        self._landed = landed
        self._confirmed = confirmed
        self._held: Held | None = None
        self._host: Host | None = None
        self._room: stream.Room | None = None
        self._size = 0
        self._ready_at = 0.0
        self._committed = 0  # revision of the commit
        self._first_at = 0
        self._fetching: dict[str, asyncio.Future[Path]] = {}

    async def run(self) -> Target:
        """The whole move."""
        self.arm(On.DEADLINE, self._proposal.patience)
        self.spawn(self._prepare())
        self.spawn(self._listen())
        try:
            await self.drive()
        finally:
            self._release()
        assert isinstance(self.state, Target)
        return self.state

    async def _listen(self) -> None:
        while True:
            try:
                message = await self._link.receive()
                check_epoch(message, self.epoch)
                await self._hear(message)
            except PeerError as why:
                self.give(On.CUT, why)
                return

    async def _hear(self, message: peer.Message) -> None:
        match message:
            case peer.Blob():
                await self._receive_blob(message)
            case peer.NoBlob():
                if waiting := self._fetching.pop(message.digest, None):
                    waiting.set_exception(NotFound(f"the source has no blob {message.digest}"))
            case peer.Piece():
                self._log.adopt(message.segment, message.offset, message.data)
            case peer.Image():
                await self._receive_image(message)
            case peer.Go():
                self._committed = message.revision
                await self.reach("target.before-start")
                late = self.tenure.lapsed() or self.tenure.sound_since() > self._ready_at
                self.give(On.LATE_GO if late else On.GO)
            case peer.Abort():
                self.give(On.ABORT, PeerError(message.why or "the source gave up"))
            case peer.Retired():
                self.give(On.RETIRED)
            case _:
                self.give(On.READY)  # a stray, whatever it is

    # -- preparing -------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        try:
            self._held = await self._machine.prepare(self._offer, self._log, self._fetch)
            self._room = await asyncio.to_thread(stream.Room, self._expected())
        except SojournError as why:
            self.give(On.CANNOT_PREPARE, why)
            return
        except OSError as why:
            self.give(On.CANNOT_PREPARE, InternalError(f"no place for {self.name}: {why}"))
            return
        await self.reach("target.prepared")
        self.give(On.PREPARED)

    def _expected(self) -> int:
        """Bytes to reserve for the image."""
        return min(max(0, self._offer.size - OWN), LARGEST_RESERVATION)

    def _has(self) -> dict[int, int]:
        return {segment.epoch: segment.size for segment in self._log.segments()}

    async def _fetch(self, digest: str) -> Path:
        """A blob of the offer: from here if it was fetched before, else from the source."""
        size = self._offer.blobs.get(digest)
        if size is None or not digest.isalnum():
            raise NotFound(f"the offer lists no blob {digest!r}")
        path = self._blobs / digest
        if path.exists():
            return path
        waiting = self._fetching.get(digest)
        if waiting is None:
            waiting = self._fetching[digest] = asyncio.get_running_loop().create_future()
            await self._link.send(peer.Fetch(epoch=self.epoch, digest=digest))
        return await waiting

    async def _receive_blob(self, message: peer.Blob) -> None:
        waiting = self._fetching.pop(message.digest, None)
        if waiting is None or message.size > LARGEST_BLOB:
            raise TransferCut(f"a blob that nobody asked for, or of {message.size} bytes")
        room = await asyncio.to_thread(stream.Room, message.size)
        try:
            await self._link.receive_bytes(room, message.size)
            path = await asyncio.to_thread(_store, room.fd, self._blobs, message.digest)
        except BaseException as why:
            waiting.set_exception(why if isinstance(why, SojournError) else TransferCut(str(why)))
            raise
        finally:
            room.close()
        waiting.set_result(path)

    # -- receiving and building ------------------------------------------------------------------

    async def _receive_image(self, message: peer.Image) -> None:
        if self.state is not Target.RECEIVING or self._room is None:
            self.give(On.IMAGE)
            return
        try:
            await self._link.receive_bytes(self._room, message.size)
        except BadImage as why:
            self.give(On.BAD_IMAGE, why)
            return
        has = self._has()
        if any(has.get(segment, 0) != size for segment, size in message.log.items()):
            self.give(On.BAD_IMAGE, BadImage(f"the log of {self.name} arrived with a gap"))
            return
        self._size = message.size
        self.give(On.IMAGE)

    async def do_thaw(self) -> None:
        await self.reach("target.before-thaw")
        assert self._held is not None and self._room is not None
        try:
            await self._held.thaw(self._room.fd, self._size)
            self._log.begin(self.epoch)
        except SojournError as why:
            self.give(On.CANNOT_THAW, why)
            return
        await self.reach("target.ready")
        self.give(On.THAWED)

    async def do_start(self) -> None:
        assert self._held is not None
        try:
            self._host, self._first_at = await self._held.go()
        except SojournError as why:
            self.give(On.CANNOT_START, why)
            return
        self._held = None
        self._landed(
            Landing(
                record=msgspec.structs.replace(self._commit, pid=self._host.pid),
                revision=self._committed,
                host=self._host,
                log=self._log,
            )
        )
        await self.reach("target.before-running")
        self.give(On.STARTED)
        while True:  # level, not edge: the machine may have been deaf to an earlier one
            await asyncio.sleep(LOOK)
            self.give(On.LAPSED if self.tenure.lapsed() else On.RENEWED)

    # -- the registry ----------------------------------------------------------------------------

    def _back(self, epoch: int) -> Record:
        """The record with the source as the owner, settled."""
        return msgspec.structs.replace(self._marked, state=State.RUNNING, epoch=epoch)

    async def do_abort_record(self) -> None:
        await self.write(self._back(self.epoch), self._proposal.revision)

    async def do_confirm(self) -> None:
        await self.reach("target.before-confirm")
        pid = self._host.pid if self._host else None
        record = msgspec.structs.replace(self._commit, state=State.RUNNING, pid=pid, fallback="")
        written = await self.write(record, self._committed)
        if written is not None:
            self._confirmed(Known(record, written))

    async def do_return(self) -> None:
        await self.write(self._back(self.epoch + 1), self._committed)

    async def do_read(self) -> None:
        try:
            known = await self.registry.get(self.name)
        except SojournError as why:
            await asyncio.sleep(PACE)
            self.give(On.UNANSWERED, why)
            return
        ours = (
            known is not None
            and known.record.id == self._marked.id
            and known.record.node == self._me
            and known.record.move == self.move
            and known.record.epoch == self.epoch
        )
        if not ours or known is None:
            self.give(On.OTHERS)
            return
        self._committed = known.revision
        if known.record.state is State.MOVING:
            self.give(On.OURS)
        else:
            self._confirmed(known)
            self.give(On.CONFIRMED)

    # -- telling ---------------------------------------------------------------------------------

    def _wire(self) -> dict[str, Any]:
        return (self.error or InternalError("no reason was kept")).to_wire()

    async def _tell(self, message: peer.Message) -> None:
        try:
            await self._link.send(message)
        except TransferCut:
            pass  # the source finds out from the registry

    async def do_tell_accepted(self) -> None:
        await self._link.send(peer.Accepted(epoch=self.epoch, log=self._has()))

    async def do_tell_refused(self) -> None:
        await self._tell(peer.Refused(epoch=self.epoch, error=self._wire()))

    async def do_tell_failed(self) -> None:
        await self._tell(peer.Failed(epoch=self.epoch, error=self._wire()))

    async def do_tell_ready(self) -> None:
        self._ready_at = time.monotonic()
        await self._link.send(peer.Ready(epoch=self.epoch))

    async def do_tell_running(self) -> None:
        self.disarm(On.DEADLINE)
        await self._tell(peer.Running(epoch=self.epoch, first_at=self._first_at, boot=boot_id()))

    async def do_tell_returned(self) -> None:
        await self._tell(peer.Returned(epoch=self.epoch, error=self._wire()))

    # -- the copy --------------------------------------------------------------------------------

    def do_suspend(self) -> None:
        if self._host is not None:
            self._host.signal(signal.SIGSTOP)

    def do_resume(self) -> None:
        if self._host is not None:
            self._host.signal(signal.SIGCONT)

    def do_publish(self) -> None:
        self.publish = True

    async def do_discard(self) -> None:
        """Nothing of the process stays: not the copy, and not the log, which may not be a part of its log."""
        if self._host is not None:
            await self._host.kill()
        if self._held is not None:
            held, self._held = self._held, None
            await held.discard()
        self._log.remove()

    def _release(self) -> None:
        for waiting in self._fetching.values():
            waiting.cancel()
        if self._room is not None:
            self._room.close()
            self._room = None


def _store(fd: int, folder: Path, digest: str) -> Path:
    """Keep a blob under its name, whole or not at all. Raises BadImage when it is another."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = folder / f".{digest}.{os.getpid()}.{fd}"
    try:
        with open(temporary, "wb") as file, open(fd, "rb", closefd=False) as received:
            received.seek(0)
            shutil.copyfileobj(received, file, 1 << 20)
        if content_digest(temporary) != digest:
            raise BadImage(f"a blob that is not {digest}")
        return temporary.rename(folder / digest)
    finally:
        temporary.unlink(missing_ok=True)

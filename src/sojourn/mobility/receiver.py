"""What every side shares that a process comes to, by a move or as a copy: making a place, taking in blobs, log
and image, building the process, held, and throwing it away.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from abc import abstractmethod
from pathlib import Path
from typing import Any

from sojourn.errors import BadImage, InternalError, NotFound, PeerError, SojournError, TransferCut
from sojourn.image import stream
from sojourn.image.chunks import content_digest
from sojourn.machines.base import Held, Host, Machine, Offer
from sojourn.mobility.link import Link, check_epoch
from sojourn.mobility.move import Driver
from sojourn.model.move import On
from sojourn.names.registry import Record, identity
from sojourn.resources.log import Log
from sojourn.wire import peer

LARGEST_RESERVATION = 4 << 30  # bytes that an estimate alone may claim
OWN = 16 << 20  # of an offer's size: what any interpreter takes, and no image holds
LARGEST_BLOB = 1 << 30


class Receiver(Driver):
    """One process that comes here.

    Args:
        link: the connection, after its first message was read.
        offer: what that message carried.
        machine: of the offered kind.
        log: of the process on this node.
        blobs: folder for fetched blobs.
        patience: seconds until the other side gives up.
        copy: it is a copy, not the process itself. keep_random: one that draws the original's random numbers.
    """

    def __init__(
        self,
        *,
        link: Link,
        offer: Offer,
        machine: Machine,
        log: Log,
        blobs: Path,
        patience: float,
        copy: bool = False,
        keep_random: bool = True,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.link = self._link = link
        self._offer = offer
        self._machine = machine
        self._log = log
        self._blobs = blobs
        self._patience = patience
        self._copy = copy
        self._keep_random = keep_random
        self._held: Held | None = None
        self._host: Host | None = None
        self._first_at = 0  # monotonic nanoseconds of its first instruction here
        self._room: stream.Room | None = None
        self._size = 0
        self._receiving = False  # accepted, and nothing of the image is here yet
        self._fetching: dict[str, asyncio.Future[Path]] = {}

    async def receive(self) -> None:
        """From the offer to the outcome."""
        self.arm(On.DEADLINE, self._patience)
        self.spawn(self._prepare())
        self.spawn(self._listen())
        try:
            await self.drive()
        finally:
            self._release()
            if self._held is not None:  # made while it was being called off
                await self._held.discard()

    async def _listen(self) -> None:
        while True:
            try:
                message = await self._link.receive()
                check_epoch(message, self.epoch)
                match message:
                    case peer.Blob():
                        await self._receive_blob(message)
                    case peer.NoBlob():
                        if waiting := self._fetching.pop(message.digest, None):
                            waiting.set_exception(NotFound(f"the source has no blob {message.digest}"))
                    case peer.Image():
                        await self._receive_image(message)
                    case peer.Abort():
                        self.give(On.ABORT, PeerError(message.why or "the source gave up"))
                    case _:
                        await self._hear(message)
            except PeerError as why:
                self.give(On.CUT, why)
                return

    @abstractmethod
    async def _hear(self, message: peer.Message) -> None:
        """A message that only one kind of receiver knows."""

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
        self._receiving = True
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
        if not self._receiving or self._room is None:
            self.give(On.IMAGE)
            return
        self._receiving = False
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
            await self._held.thaw(
                self._room.fd, self._size, copy=self._copy, keep_random=self._keep_random
            )
            self._log.begin(self.epoch)
        except SojournError as why:
            self.give(On.CANNOT_THAW, why)
            return
        await self.reach("target.ready")
        self.give(On.THAWED)

    async def _begin(self, record: Record) -> Host | None:
        """Let the program go on, as what the record says; its host, or None when it could not."""
        assert self._held is not None
        try:
            self._host, self._first_at = await self._held.go(identity(record))
        except SojournError as why:
            self.give(On.CANNOT_START, why)
            return None
        self._held = None
        return self._host

    async def do_discard(self) -> None:
        """Nothing of the process stays: not what was built, and not the log, which may not be a part of its log."""
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

    # -- telling ---------------------------------------------------------------------------------

    def _wire(self) -> dict[str, Any]:
        return (self.error or InternalError("no reason was kept")).to_wire()

    async def _tell(self, message: peer.Message) -> None:
        try:
            await self._link.send(message)
        except TransferCut:
            pass  # the other side finds out from the registry

    async def do_tell_accepted(self) -> None:
        await self._link.send(peer.Accepted(epoch=self.epoch, log=self._has()))

    async def do_tell_failed(self) -> None:
        await self._tell(peer.Failed(epoch=self.epoch, error=self._wire()))


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

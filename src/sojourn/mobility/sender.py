"""What every side shares that a process goes out from, by a move or as a copy: hearing the target, giving it the blobs
that it asks for, and telling it that nothing comes of it.
"""

from __future__ import annotations

import asyncio
import os
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sojourn.errors import NotFound, PeerError, Refused, SojournError, TransferCut, from_wire
from sojourn.machines.base import Offer
from sojourn.mobility.link import Link, check_epoch
from sojourn.mobility.move import Driver
from sojourn.model.move import On
from sojourn.wire import peer

PREPARE = 60.0  # seconds for the target to make a place (a first interpreter, a first baseline)
THAW = 60.0  # seconds for the target to receive and build, beyond the time for the bytes
SLOW = 10 << 20  # bytes a second that are surely faster than this

Blob = Callable[[str], Path | None]


class Sender(Driver):
    """One process that goes out from here.

    Args:
        call: opens the connection.
        blob: finds a blob that the target asks for.
        offer: what goes out; None until it is known.
    """

    def __init__(
        self, *, call: Callable[[], Awaitable[Link]], blob: Blob, offer: Offer | None = None, **common: Any
    ) -> None:
        super().__init__(**common)
        self._call = call
        self._blob = blob
        self._offer = offer

    async def _listen(self, link: Link) -> None:
        while True:
            try:
                message = await link.receive()
                check_epoch(message, self.epoch)
                if isinstance(message, peer.Fetch):
                    await self._answer(link, message.digest)
                else:
                    await self._hear(message)
            except PeerError as why:
                self.give(On.CUT, why)
                return

    @abstractmethod
    async def _hear(self, message: peer.Message) -> None:
        """A message that only one kind of sender knows."""

    async def _answer(self, link: Link, digest: str) -> None:
        """Send the blob of that digest, or that there is none; only what was offered is looked for."""
        offered = self._offer is not None and digest in self._offer.blobs
        path = await asyncio.to_thread(self._blob, digest) if offered else None
        if path is None:
            await link.send(peer.NoBlob(epoch=self.epoch, digest=digest))
            return
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            await link.send_bytes(peer.Blob(epoch=self.epoch, digest=digest, size=size), fd)
        finally:
            os.close(fd)

    async def do_tell_abort(self) -> None:
        if self.link is None:
            return
        if self.link.busy:  # in the middle of an image: a cut is the only word that gets through
            self.link.cut()
            return
        try:
            await self.link.send(peer.Abort(epoch=self.epoch, why=str(self.error or "")[:500]))
        except TransferCut:
            pass  # it finds out from the registry


def refusal(name: str, target: str, wire: dict[str, Any]) -> SojournError:
    """What a target said, as the error that it is."""
    error = from_wire(wire)
    if isinstance(error, Refused | NotFound):
        return error
    error.message = f"{target} could not take {name}: {error.message}"
    return error

"""The target's side of a clone: carries out `model.clone.COPY` for one copy that is to run here.

The copy is built and held like a process that moves; what differs is who decides. This side commits, and
starts the copy as soon as its commit has won.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from sojourn.errors import SojournError, StaleEpoch, Unavailable
from sojourn.mobility.link import boot_id
from sojourn.mobility.move import PACE
from sojourn.mobility.receiver import Receiver
from sojourn.mobility.target import Landing
from sojourn.model import clone
from sojourn.model.clone import Copy
from sojourn.model.move import On
from sojourn.model.process import State
from sojourn.names.registry import Record, identity
from sojourn.wire import peer


class CopyHere(Receiver):
    """One copy that comes to be here.

    Args:
        proposal: the first message; `record` is what it carries, as reserved.
        landed: told at the first instruction.
    """

    def __init__(
        self,
        *,
        proposal: peer.Duplicate,
        record: Record,
        landed: Callable[[Landing], None],
        **common: Any,
    ) -> None:
        super().__init__(
            name=record.name,
            move=record.move,
            epoch=record.epoch,
            start=Copy.PREPARING,
            patience=proposal.patience,
            copy=True,
            keep_random=proposal.keep_random,
            step=clone.step,
            outcomes=clone.OUTCOMES,
            **common,
        )
        self._reserved = record
        self._revision = proposal.revision  # of the latest write that is known to have won
        self._landed = landed
        self._first_at = 0

    async def run(self) -> Copy:
        """From the offer to the outcome."""
        await self.receive()
        assert isinstance(self.state, Copy)
        return self.state

    async def _hear(self, message: peer.Message) -> None:
        self.give(On.GO)  # a stray, whatever it is

    # -- the registry ----------------------------------------------------------------------------

    async def do_commit(self) -> None:
        await self.reach("copy.before-commit")
        assert self._held is not None
        self.disarm(On.DEADLINE)
        record = msgspec.structs.replace(
            self._reserved, state=State.RUNNING, pid=self._held.pid, fallback="", move=""
        )
        written = await self.write(record, self._revision)
        if written is not None:
            self._revision = written
            self._reserved = record

    async def do_withdraw(self) -> None:
        await withdraw(self, self._revision)

    async def do_read(self) -> None:
        try:
            known = await self.registry.get(self.name)
        except SojournError as why:
            await asyncio.sleep(PACE)
            self.give(On.UNANSWERED, why)
            return
        if known is None or known.record.id != self._reserved.id or known.record.state is not State.RUNNING:
            self.give(On.OTHERS)
            return
        self._reserved, self._revision = known.record, known.revision
        self.give(On.OURS)

    # -- the start -------------------------------------------------------------------------------

    async def do_start(self) -> None:
        await self.reach("copy.committed")
        assert self._held is not None
        try:
            self._host, self._first_at = await self._held.go(identity(self._reserved))
        except SojournError as why:
            self.give(On.CANNOT_START, why)
            return
        self._held = None
        self._landed(
            Landing(record=self._reserved, revision=self._revision, host=self._host, log=self._log)
        )
        await self.reach("copy.before-running")
        self.give(On.STARTED)

    async def do_tell_running(self) -> None:
        await self._tell(peer.Running(epoch=self.epoch, first_at=self._first_at, boot=boot_id()))


async def withdraw(side: Any, revision: int) -> None:
    """Remove the record of a copy, for either side; gives WON, BEATEN or UNANSWERED."""
    try:
        removed = await side.registry.delete(side.name, revision)
    except StaleEpoch:
        side.give(On.BEATEN)
    except Unavailable as why:
        await asyncio.sleep(PACE)
        side.give(On.UNANSWERED, why)
    else:
        side.directory.deleted(side.name, removed)
        side.give(On.WON)

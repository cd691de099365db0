"""The target's side of a clone: carries out `model.clone.COPY` for one copy that is to run here.

The copy is built and held like a process that moves; what differs is who decides. This side commits, and
starts the copy as soon as its commit has won.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sojourn.mobility.link import boot_id
from sojourn.mobility.receiver import Receiver
from sojourn.mobility.target import Landing
from sojourn.model import clone
from sojourn.model.clone import Copy
from sojourn.model.move import On
from sojourn.model.process import State
from sojourn.names.registry import Known, Record
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
        await self.withdraw(self._revision)

    def classify(self, known: Known | None) -> On:
        if known is None or known.record.id != self._reserved.id or known.record.state is not State.RUNNING:
            return On.OTHERS
        self._reserved, self._revision = known.record, known.revision
        return On.OURS

    # -- the start -------------------------------------------------------------------------------

    async def do_start(self) -> None:
        await self.reach("copy.committed")
        if (host := await self._begin(self._reserved)) is None:
            return
        self._landed(Landing(record=self._reserved, revision=self._revision, host=host, log=self._log))
        await self.reach("copy.before-running")
        self.give(On.STARTED)

    async def do_tell_running(self) -> None:
        await self._tell(peer.Running(epoch=self.epoch, first_at=self._first_at, boot=boot_id()))

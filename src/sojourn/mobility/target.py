"""The target's side of a move: carries out `model.move.TARGET` for one process that wants to come here.

Nothing of the program runs before the start, and the start comes only after the commit is known to have
won. A copy that was complete and left alone settles the record before it is thrown away.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

import msgspec

from sojourn.machines.base import Host
from sojourn.mobility.link import boot_id
from sojourn.mobility.receiver import Receiver
from sojourn.model.move import On, Target
from sojourn.model.process import State
from sojourn.names.registry import Known, Record
from sojourn.resources.log import Log
from sojourn.wire import peer

LOOK = 0.25  # seconds between looks at our own lease


class Landing(msgspec.Struct, kw_only=True):
    """A process that has begun to run here."""

    record: Record
    revision: int
    host: Host
    log: Log


class TargetMove(Receiver):
    """One move to here.

    Args:
        proposal: the first message; `record` and `offer` are what it carries.
        me: this node's name and address.
        log: (of `Receiver`) may hold what an earlier stay left.
        landed: told at the first instruction.
        confirmed: told when the record says that it runs here.
    """

    def __init__(
        self,
        *,
        proposal: peer.Propose,
        record: Record,
        me: str,
        address: str,
        landed: Callable[[Landing], None],
        confirmed: Callable[[Known], None],
        **common: Any,
    ) -> None:
        super().__init__(
            name=record.name,
            move=record.move,
            epoch=record.epoch + 1,
            start=Target.PREPARING,
            patience=proposal.patience,
            **common,
        )
        self.publish = False  # the record has yet to say running
        self._proposal = proposal
        self._marked = record
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
        self._landed = landed
        self._confirmed = confirmed
        self._ready_at = 0.0
        self._committed = 0  # revision of the commit

    async def run(self) -> Target:
        """The whole move."""
        await self.receive()
        assert isinstance(self.state, Target)
        return self.state

    async def _hear(self, message: peer.Message) -> None:
        match message:
            case peer.Piece():
                self._log.adopt(message.segment, message.offset, message.data)
            case peer.Go():
                self._committed = message.revision
                await self.reach("target.before-start")
                late = self.tenure.lapsed() or self.tenure.sound_since() > self._ready_at
                self.give(On.LATE_GO if late else On.GO)
            case peer.Retired():
                self.give(On.RETIRED)
            case _:
                self.give(On.READY)  # a stray, whatever it is

    async def do_start(self) -> None:
        if (host := await self._begin(self._commit)) is None:
            return
        self._landed(
            Landing(
                record=msgspec.structs.replace(self._commit, pid=host.pid, limits=host.in_force),
                revision=self._committed,
                host=host,
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
        limits = self._host.in_force if self._host else {}
        record = msgspec.structs.replace(
            self._commit, state=State.RUNNING, pid=pid, limits=limits, fallback=""
        )
        written = await self.write(record, self._committed)
        if written is not None:
            self._confirmed(Known(record, written))

    async def do_return(self) -> None:
        await self.write(self._back(self.epoch + 1), self._committed)

    def classify(self, known: Known | None) -> On:
        ours = (
            known is not None
            and known.record.id == self._marked.id
            and known.record.node == self._me
            and known.record.move == self.move
            and known.record.epoch == self.epoch
        )
        if not ours or known is None:
            return On.OTHERS
        self._committed = known.revision
        if known.record.state is State.MOVING:
            return On.OURS
        self._confirmed(known)
        return On.CONFIRMED

    # -- telling ---------------------------------------------------------------------------------

    async def do_tell_refused(self) -> None:
        await self._tell(peer.Refused(epoch=self.epoch, error=self._wire()))

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

"""The source's side of a move: carries out `model.move.SOURCE` for one process that runs here.

The program runs until the freeze; what can travel ahead (blobs that the target asks for, the log so far)
does so before it. From the freeze to the outcome the whole host process is stopped. Afterwards exactly one
of three things holds, and `Result.outcome` says which: it goes on here, it is gone from here, or it had
ended.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec

from sojourn.errors import (
    HostDied,
    InternalError,
    SojournError,
    TransferCut,
)
from sojourn.machines.base import Frozen, Host
from sojourn.mobility.account import Account, Report
from sojourn.mobility.sender import PREPARE, SLOW, THAW, Sender, refusal
from sojourn.model.move import On, Source
from sojourn.model.process import State
from sojourn.names.registry import Known, Record
from sojourn.resources.log import Log
from sojourn.wire import peer

FREEZE = 10.0  # seconds to wait for a safe point, when nobody says
PATIENCE = 5.0  # seconds without a word from the registry until the user hears of it
HAND_OVER = 10.0  # seconds for the target to say that it runs
LOOK = 0.25  # seconds between looks at leases


class Result(msgspec.Struct, kw_only=True):
    """What came of it. `record` and `revision` are the latest that this side knows."""

    outcome: Source
    record: Record
    revision: int
    unmark: bool  # the record still says moving
    error: SojournError | None = None
    facts: dict[str, Any] = {}


class SourceMove(Sender):
    """One move away from here.

    Args:
        known: the record as marked (state moving, this move's id) and its revision.
        target: the node and the address of its data plane.
        report: told of each stage.
        freeze: seconds to wait for a safe point.
        wish: the number of the program's own request, if it is one.
    """

    def __init__(
        self,
        *,
        known: Known,
        target: str,
        address: str,
        host: Host,
        log: Log,
        report: Report,
        freeze: float = FREEZE,
        wish: int | None = None,
        **common: Any,
    ) -> None:
        record = known.record
        super().__init__(
            name=record.name, move=record.move, epoch=record.epoch + 1, start=Source.OFFERING, **common
        )
        self._record = record
        self._marked = known.revision
        self._committed = 0
        self._target = target
        self._address = address
        self._host = host
        self._log = log
        self._report = report
        self._freeze = freeze
        self._wish = wish
        self._frozen: Frozen | None = None
        self._has: dict[int, int] = {}  # of the log, at the target
        self._unmark = False
        self._latest = known  # what the registry holds, as far as this side knows
        self._account = Account(report)

    async def run(self) -> Result:
        """The whole move."""
        await self.reach("source.marked")
        self.spawn(self._begin())
        watch = asyncio.create_task(self._watch_host())
        try:
            await self.drive()
        finally:
            watch.cancel()
            if self._frozen is not None:
                os.close(self._frozen.fd)
        assert isinstance(self.state, Source)
        latest = self._latest
        if self.state is Source.MOVED and latest.record.node != self._target:
            latest = Known(self._next(State.RUNNING), self._committed)
        return Result(
            outcome=self.state,
            record=latest.record,
            revision=latest.revision,
            unmark=self._unmark,
            error=self._failure(),
            facts=self._account.facts(
                frozen=self._frozen,
                record=self._record,
                target=self._target,
                resources=self._offer.resources if self._offer else [],
            ),
        )

    # -- before the freeze -----------------------------------------------------------------------

    async def _begin(self) -> None:
        """Survey, call, propose; then listen."""
        self._account.stage("offer")
        try:
            offer = self._offer = await self._host.survey()
            self.link = await self._call()
            self._address = self.link.address
        except HostDied as why:
            self.give(On.HOST_ENDED, why)
            return
        except SojournError as why:
            self.give(On.CUT, why)
            return
        self.arm(On.DEADLINE, PREPARE)
        await self.link.send(
            peer.Propose(
                epoch=self.epoch,
                record=msgspec.Raw(msgspec.msgpack.encode(self._record)),
                revision=self._marked,
                log={segment.epoch: segment.size for segment in self._log.segments()},
                offer=msgspec.Raw(msgspec.msgpack.encode(offer)),
                patience=PREPARE + self._freeze + THAW,
            )
        )
        await self._listen(self.link)

    async def _hear(self, message: peer.Message) -> None:
        match message:
            case peer.Accepted():
                self._has = message.log
                self.give(On.ACCEPTED)
            case peer.Refused():
                self.give(On.REFUSED, refusal(self.name, self._target, message.error))
            case peer.Ready():
                self.give(On.READY)
            case peer.Failed():
                self.give(On.FAILED, refusal(self.name, self._target, message.error))
            case peer.Running():
                assert self._frozen is not None
                self._account.ran(self._frozen.stopped_at, message)
                await self.reach("source.running")
                self.give(On.RUNNING)
            case peer.Returned():
                self.give(On.RETURNED, refusal(self.name, self._target, message.error))
            case _:
                self.give(On.GO)  # a stray, whatever it is

    async def do_ship(self) -> None:
        self._account.stage("ship")
        await self._ship_log()
        self.give(On.SHIPPED)

    async def _ship_log(self) -> dict[int, int]:
        """Send what the target lacks of the log; what the log holds now."""
        assert self.link is not None
        sizes = {segment.epoch: segment.size for segment in self._log.segments()}
        for segment, size in sizes.items():
            offset = self._has.get(segment, 0)
            if offset > size:
                raise TransferCut(f"{self._target} has more of the log than there is")
            while offset < size:
                data = self._log.piece(segment, offset, peer.PIECE)
                await self.link.send(peer.Piece(epoch=self.epoch, segment=segment, offset=offset, data=data))
                offset += len(data)
            self._has[segment] = size
        return sizes

    # -- the freeze ------------------------------------------------------------------------------

    async def do_freeze(self) -> None:
        self.disarm(On.DEADLINE)
        await self.reach("source.before-freeze")
        self._account.stage("freeze")
        try:
            self._frozen = await self._host.freeze(deadline=self._freeze, wish=self._wish)
        except HostDied as why:
            self.give(On.HOST_ENDED, why)
            return
        except SojournError as why:
            self.give(On.CANNOT_FREEZE, why)
            return
        self._account.stage("send")
        await self.reach("source.frozen")
        self.arm(On.DEADLINE, THAW + self._frozen.size / SLOW)
        self.give(On.FROZEN)
        while not self.tenure.dead(self._target, self._address):  # it may stand still with its connections open
            await asyncio.sleep(LOOK)
        self.give(On.CUT, TransferCut(f"node {self._target} has let its lease run out"))

    async def do_send(self) -> None:
        assert self.link is not None and self._frozen is not None
        sizes = await self._ship_log()
        await self.link.send_bytes(
            peer.Image(epoch=self.epoch, size=self._frozen.size, log=sizes), self._frozen.fd
        )
        if self.state is Source.SENDING:  # else the target was ready before we knew that all was sent
            self._account.stage("thaw")

    # -- the registry ----------------------------------------------------------------------------

    def _next(self, state: State) -> Record:
        """The record with the target as the owner."""
        return msgspec.structs.replace(
            self._record,
            node=self._target,
            address=self._address,
            state=state,
            epoch=self.epoch,
            moves=self._record.moves + 1,
            pid=None,
            fallback=self._record.node if state is State.MOVING else "",
        )

    def _kept(self, epoch: int) -> Record:
        """The record with this node as the owner, settled."""
        return msgspec.structs.replace(self._record, state=State.RUNNING, epoch=epoch)

    async def do_commit(self) -> None:
        await self.reach("source.before-commit")
        self._account.stage("commit")
        self.disarm(On.DEADLINE)
        record = self._next(State.MOVING)
        written = await self.write(record, self._marked)
        if written is not None:
            self._committed = written
            self._latest = Known(record, written)

    async def do_abort_record(self) -> None:
        await self._keep(self.epoch, self._marked)

    async def do_take_back(self) -> None:
        self._account.stage("take back")
        await self._keep(self.epoch + 1, self._committed)

    async def _keep(self, epoch: int, revision: int) -> None:
        record = self._kept(epoch)
        written = await self.write(record, revision)
        if written is not None:
            self._latest = Known(record, written)

    def classify(self, known: Known | None) -> On:
        """Whose the process is, by a record that is past the mark."""
        if known is None or known.record.id != self._record.id:
            return On.OTHERS
        record = known.record
        if record.node == self._record.node:
            self._latest = known
            return On.OURS
        if record.node != self._target or record.move != self.move or record.epoch != self.epoch:
            return On.OTHERS
        if record.state is State.MOVING:
            self._latest, self._committed = known, known.revision
            return On.THEIRS
        self._latest = known
        return On.CONFIRMED

    async def do_watch(self) -> None:
        """Until something about the record or the target's lease decides; only while that is what we wait for."""
        self._account.stage("wait for the target")
        while self.state is Source.WAITING:
            known = self.directory.process(self.name)
            if known is None or known.revision >= self._committed:
                seen = self.classify(known)
                if seen is not On.THEIRS:
                    self.give(seen)
                    return
                if self.tenure.dead(self._target, self._address):
                    self.give(On.TARGET_DEAD)
                    return
            try:
                async with asyncio.timeout(LOOK):
                    await self.directory.changed()
            except TimeoutError:
                pass

    # -- the outcome -----------------------------------------------------------------------------

    async def do_tell_go(self) -> None:
        await self.reach("source.committed")
        self._account.stage("go")
        self.arm(On.DEADLINE, HAND_OVER)
        assert self.link is not None
        await self.link.send(peer.Go(epoch=self.epoch, revision=self._committed))

    async def do_tell_retired(self) -> None:
        assert self.link is not None
        try:
            await self.link.send(peer.Retired(epoch=self.epoch))
        except TransferCut:
            pass  # it has the confirmation for that

    def do_tell_held(self) -> None:
        self._report("held")

    def do_arm_patience(self) -> None:
        self._account.stage("settle")
        self.arm(On.PATIENCE, PATIENCE)

    def do_unmark(self) -> None:
        self._unmark = True

    async def do_unfreeze(self) -> None:
        await self._host.unfreeze()
        self._account.stage("resumed")

    async def do_retire(self) -> None:
        await self._host.kill()

    # -- the story -------------------------------------------------------------------------------

    async def _watch_host(self) -> None:
        """The host process may end at any time; before the commit that ends the move."""
        await self._host.wait()
        self.give(On.HOST_ENDED, HostDied(f"{self.name} ended during the move"))

    def _failure(self) -> SojournError | None:
        if self.state is Source.MOVED:
            return None
        error = self.error or InternalError(f"the move of {self.name} ended without a reason")
        error.history += self.history
        return error

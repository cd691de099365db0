"""A process while this node owns it: its host, its log, its record, and the order in which things may touch
them.

Concepts. A `Process` lives here from its start or arrival until it has moved away, or until it has ended
and is removed. While a move has it in its hands (`settled` is clear) nobody else writes its record, signals
its host or believes its exit; those who want to wait.

Guarantees. `publish` brings the record to what was asked for, however long the control plane is away,
unless somebody else has become the owner; then the copy here is *fenced*: its host is killed, for the
registry is the truth.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from sojourn._util import clock
from sojourn.errors import Busy, StaleEpoch, Unavailable, WrongState
from sojourn.machines.base import Exit, Host
from sojourn.model.process import Event, State, epoch_after
from sojourn.names.directory import Directory
from sojourn.names.registry import Known, Record, Registry, Stay, identity
from sojourn.resources.log import Log
from sojourn.wire import events
from sojourn.wire.events import AnyEvent

log = logging.getLogger(__name__)

STAYS = 20  # that a record remembers
PACE = 0.2  # seconds between attempts while the control plane is away
SOON = 0.5  # seconds that an answer waits for the registry
HELD = 30.0  # seconds that a request waits for a move to let go of the process


class Process:
    """One process of this node.

    Args:
        known: its record and revision.
        host: what runs it; None for one that could not be started.
        output: its log.
        fenced: told when somebody else turns out to own it.
        tell: of what happens to it.
    """

    def __init__(
        self,
        known: Known,
        host: Host | None,
        output: Log,
        *,
        registry: Registry,
        directory: Directory,
        fenced: Callable[[Process], None],
        tell: Callable[[AnyEvent], None],
    ) -> None:
        self.record = known.record
        self.revision = known.revision
        self.host = host
        self.output = output
        self.since = clock.wall()  # it has been here
        self.settled = asyncio.Event()  # no move has it in its hands
        self.settled.set()
        self.moving = False  # from the request to the outcome of a move
        self.cloning = asyncio.Lock()  # held for a clone until its image is complete, and for a renaming
        self.call_off: Callable[[], None] | None = None  # while it is moved or cloned: give that up, if it still can be
        self.can_kill: Callable[[], bool] | None = None  # during a move: whether it may be killed here now
        self.gone = asyncio.Event()  # it is not ours any more
        self.over = asyncio.Event()  # the program has ended here, and its output is complete
        self.exit: Exit | None = None
        self.readers = 0  # of the log; closed when it has departed and nobody reads
        self.registry = registry
        self._directory = directory
        self._fenced = fenced
        self._tell = tell
        self._wanted: dict[str, Any] = {}
        self._writer: asyncio.Task[None] | None = None

    @property
    def departed(self) -> bool:
        return self.gone.is_set()

    @property
    def resting(self) -> bool:
        """It is frozen: nothing of it runs, and this node keeps its log and its record."""
        return self.record.state is State.FROZEN

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def id(self) -> str:
        return self.record.id

    def check_free(self) -> None:
        """Raises Busy while a move or a clone is under way."""
        if self.moving:
            raise Busy(f"{self.name} is being moved already")
        if self.cloning.locked():
            raise Busy(f"{self.name} is being cloned or renamed", advice="try again in a moment")

    async def hands_off(self) -> None:
        """Wait until no move has it in its hands. Raises StaleEpoch when it has gone, Busy when it is held,
        WrongState when it is frozen.
        """
        try:
            async with asyncio.timeout(HELD):
                await self.settled.wait()
        except TimeoutError:
            raise Busy(f"{self.name} is held by a move that waits for the control plane") from None
        if self.departed:
            raise StaleEpoch(f"{self.name} has moved away")
        if self.record.rest is not None:
            raise WrongState(
                f"{self.name} is frozen in {self.record.rest.place}",
                advice="`sojourn thaw` that file there to go on, or `sojourn rm` it: the file stays",
            )

    def stays(self) -> list[Stay]:
        """Where it has been, this node included."""
        here = Stay(self.record.node, self.record.epoch, round(self.since, 3))
        return [*(each for each in self.record.stays if each.epoch < here.epoch), here][-STAYS:]

    # -- the record ------------------------------------------------------------------------------

    def publish(self, **changes: Any) -> asyncio.Task[None]:
        """Bring the record to these values; the task ends when the registry has them."""
        self._wanted |= changes
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return self._writer

    async def written(self) -> None:
        """Wait until nothing is left to be written."""
        while self._writer is not None and not self._writer.done():
            await asyncio.shield(self._writer)

    async def soon_written(self) -> None:
        """Wait until all nodes can know what is told to a user next; unless the control plane is away."""
        try:
            async with asyncio.timeout(SOON):
                await self.written()
        except TimeoutError:
            pass

    def adopt(self, known: Known) -> None:
        """The registry holds this now."""
        before = identity(self.record)
        self.record, self.revision = known.record, known.revision
        self._directory.wrote(known.record, known.revision)
        if self.host is not None and identity(known.record) != before:
            self.host.inform(identity(known.record))

    async def _write(self) -> None:
        while self._wanted and not self.departed:
            wanted = dict(self._wanted)
            record = msgspec.structs.replace(self.record, **wanted)
            try:
                revision = await self.registry.update(record, self.revision)
            except StaleEpoch:
                if not await self.reread():
                    return
            except Unavailable:
                await asyncio.sleep(PACE)
            else:
                self.adopt(Known(record, revision))
                self._wanted = {key: value for key, value in self._wanted.items() if wanted.get(key) != value}

    async def reread(self) -> bool:
        """The record has changed under us: take it in. False when it is not ours any more."""
        while True:
            try:
                known = await self.registry.get(self.name)
                break
            except Unavailable:
                await asyncio.sleep(PACE)
        if known is None or known.record.id != self.id or known.record.node != self.record.node:
            log.warning("somebody else owns it; the copy here ends", extra=about(self.record))
            self.gone.set()
            self._fenced(self)
            return False
        epoch = max(known.record.epoch, self.record.epoch)
        if known.record.state is State.LOST:
            epoch = epoch_after(epoch, Event.NODE_RETURNED)
        self.record = msgspec.structs.replace(self.record, epoch=epoch)
        self.revision = known.revision
        if known.record.state is State.LOST:
            self._tell(events.Returned(**told_of(self.record, self.record.node)))
        return True

    # -- its end ---------------------------------------------------------------------------------

    async def attend(self) -> None:
        """Wait for the end of the host process, and make it known when it is the process's end."""
        assert self.host is not None
        ended = await self.host.wait()
        await self.settled.wait()
        if self.departed or self.resting:
            return
        self.exit = ended
        self.output.end()
        self.over.set()
        told = told_of(self.record, self.record.node)
        self._tell(events.Ended(**told, exit_code=ended.code, signal=ended.signal, why=ended.why))
        self.publish(
            state=State.ENDED, exit_code=ended.code, signal=ended.signal, why=ended.why, pid=None, fallback=""
        )

    def depart(self) -> None:
        """It is not ours any more; those who read its log are sent on."""
        self.gone.set()
        self.output.end()
        self.close_log()

    def close_log(self) -> None:
        """Close the log's files when nobody needs them."""
        if self.departed and not self.readers:
            self.output.close()


def about(record: Record) -> dict[str, Any]:
    """What makes a log line one about this process (the argument `extra`)."""
    return {"told": {"process": record.name, "id": record.id, "epoch": record.epoch}}


def told_of(record: Record, node: str) -> dict[str, Any]:
    """What every event about a process says; `node` tells it."""
    return {"time": clock.wall(), "node": node, **about(record)["told"]}

"""What the sides of a move or a clone share: the loop that feeds a table of `model.move` or `model.clone` and
carries out what it says.

Instructions that have a reply (a freeze, a write, a transfer) run as tasks and give their reply as a
stimulus, so that the machine hears of a cut or a dead host meanwhile; those without one are done in order,
before the next stimulus. When an outcome is reached, tasks that still run are cancelled: their replies
would mean nothing any more.

The driver keeps the move's story (each stimulus with its time), which goes into errors and into the node's
log.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any, Protocol

from sojourn.errors import InternalError, SojournError, StaleEpoch, TransferCut, Unavailable
from sojourn.mobility.link import Link
from sojourn.mobility.points import Points
from sojourn.model.move import OUTCOMES, Cell, Do, On, step
from sojourn.names.directory import Directory
from sojourn.names.registry import Known, Record, Registry

log = logging.getLogger(__name__)

PACE = 0.1  # seconds between attempts at a write that gets no answer


class Tenure(Protocol):
    """What a move must know about leases."""

    def lapsed(self) -> bool:
        """Whether this node's own lease is too old to rely on."""
        ...

    def sound_since(self) -> float:
        """The monotonic time since which this node's lease has never lapsed."""
        ...

    def dead(self, node: str, address: str) -> bool:
        """Whether that node may be taken for dead, or the daemon that it had at that address: another has its name."""
        ...


class Driver:
    """One side of one move, or of one clone.

    Args:
        name: of the process.
        move: the id of this attempt.
        epoch: the process's epoch at the target, if the commit wins.
        start: the first state.
        step, outcomes: the rules.
    """

    def __init__(
        self,
        *,
        name: str,
        move: str,
        epoch: int,
        start: Enum,
        registry: Registry,
        directory: Directory,
        tenure: Tenure,
        points: Points,
        step: Callable[[Enum, On], Cell] = step,
        outcomes: frozenset[Enum] = OUTCOMES,
    ) -> None:
        self._step = step
        self._outcomes = outcomes
        self.name = name
        self.move = move
        self.epoch = epoch
        self.state = start
        self.registry = registry
        self.directory = directory
        self.tenure = tenure
        self.points = points
        self.link: Link | None = None
        self.error: SojournError | None = None  # the first cause
        self.history: list[str] = []
        self.began = time.monotonic()
        self._inbox: asyncio.Queue[On] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[On, asyncio.TimerHandle] = {}

    # -- the loop --------------------------------------------------------------------------------

    def give(self, on: On, error: SojournError | None = None) -> None:
        """Something happened."""
        if error is not None and self.error is None:
            self.error = error
        self._inbox.put_nowait(on)

    async def drive(self) -> None:
        """Run until an outcome. What it did then is final."""
        try:
            while self.state not in self._outcomes:
                on = await self._inbox.get()
                before = self.state
                self.state, todo = self._step(before, on)
                self._note(before, on)
                for do in todo:
                    await self._carry_out(do)
        finally:
            for timer in self._timers.values():
                timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self.link is not None:
                self.link.close()

    def arm(self, on: On, seconds: float) -> None:
        """Give `on` after that time; an earlier timer for it is forgotten."""
        self.disarm(on)
        self._timers[on] = asyncio.get_running_loop().call_later(seconds, self.give, on)

    def disarm(self, on: On) -> None:
        if timer := self._timers.pop(on, None):
            timer.cancel()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """What a task leaves uncaught is a bug of ours, which must not leave the move hanging."""
        try:
            await work
        except TransferCut as why:
            self.give(On.CUT, why)
        except Exception as why:
            log.exception("move %s of %s", self.move, self.name)
            self.give(On.CUT, InternalError(f"{type(why).__name__}: {why}", history=self.history))

    async def _carry_out(self, do: Do) -> None:
        handler: Callable[[], Awaitable[None] | None] = getattr(self, f"do_{do.name.lower()}")
        if do in ASKS:
            work = handler()
            assert inspect.iscoroutine(work)
            self.spawn(work)
            return
        try:
            waited = handler()
            if waited is not None:
                await waited
        except TransferCut as why:
            self.give(On.CUT, why)
        except Exception as why:
            log.exception("move %s of %s: %s", self.move, self.name, do.value)
            self.give(On.CUT, InternalError(f"{do.value}: {type(why).__name__}: {why}", history=self.history))

    def _note(self, before: Enum, on: On) -> None:
        at = (time.monotonic() - self.began) * 1e3
        self.history.append(f"{at:.1f} ms {before.name.lower()}: {on.value} -> {self.state.name.lower()}")
        log.debug("move %s of %s epoch %d: %s", self.move, self.name, self.epoch, self.history[-1])

    # -- the registry ----------------------------------------------------------------------------

    async def write(self, record: Record, revision: int) -> int | None:
        """One compare-and-set; gives WON, BEATEN or UNANSWERED, and returns the new revision when it won."""
        try:
            written = await self.registry.update(record, revision)
        except StaleEpoch:
            self.give(On.BEATEN)
        except Unavailable as why:
            await asyncio.sleep(PACE)
            self.give(On.UNANSWERED, why)
        else:
            self.directory.wrote(record, written)
            self.give(On.WON)
            return written
        return None

    async def withdraw(self, revision: int) -> None:
        """Remove the record; gives WON, BEATEN or UNANSWERED."""
        try:
            removed = await self.registry.delete(self.name, revision)
        except StaleEpoch:
            self.give(On.BEATEN)
        except Unavailable as why:
            await asyncio.sleep(PACE)
            self.give(On.UNANSWERED, why)
        else:
            self.directory.deleted(self.name, removed)
            self.give(On.WON)

    async def do_read(self) -> None:
        try:
            known = await self.registry.get(self.name)
        except SojournError as why:
            await asyncio.sleep(PACE)
            self.give(On.UNANSWERED, why)
            return
        self.give(self.classify(known))

    @abstractmethod
    def classify(self, known: Known | None) -> On:
        """Whose the process is, by what the registry holds."""

    async def reach(self, point: str) -> None:
        """A fault point."""
        if self.points.enabled and await self.points.reach(point) and self.link is not None:
            self.link.cut()


ASKS = frozenset(
    {
        Do.SHIP,
        Do.FREEZE,
        Do.SEND,
        Do.COMMIT,
        Do.ABORT_RECORD,
        Do.TAKE_BACK,
        Do.READ,
        Do.WATCH,
        Do.THAW,
        Do.START,
        Do.CONFIRM,
        Do.RETURN,
        Do.WITHDRAW,
    }
)
"""Instructions that have a reply."""

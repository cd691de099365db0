"""Leases at work: this node renews its own, and does what follows when another's has run out.

Guarantees. A node that cannot renew keeps everything running (`model.lease`; only copies that a move has
not confirmed yet are stopped, by the move itself). The processes of a dead node are declared lost by
whoever is left, once, by compare-and-set; those whose source copy still waits on a living node are left to
that node.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

import msgspec

from sojourn.errors import StaleEpoch, Unavailable
from sojourn.model.lease import Observer, Tenancy, Terms
from sojourn.model.process import OVER, Event, State, after
from sojourn.names.directory import Directory, Value
from sojourn.names.registry import Known, NodeEntry, Record, Registry

log = logging.getLogger(__name__)

RETRY = 0.5  # seconds after a renewal that got no answer


class Keeper:
    """This node's lease, and its view of the others'. Implements `mobility.move.Tenure`.

    Args:
        entry: makes what the lease says, anew for each renewal.
        ours: whether this node holds that process of its own, or is about to.
        answers: whether it has a copy of that process, or makes one, although another node owns it.
        at_work: whether it is copying or renaming that process.
        usurped: told when another daemon has this node's name.
        lost: told of the processes that this node declared lost.
        returned: told when this node has its lease again, after it had run out.
        expelled: whether a node was; that one is as good as dead, whatever its lease says.
    """

    def __init__(
        self,
        *,
        terms: Terms,
        registry: Registry,
        directory: Directory,
        entry: Callable[[], NodeEntry],
        ours: Callable[[Record], bool],
        answers: Callable[[Record], bool],
        at_work: Callable[[Record], bool],
        usurped: Callable[[], None],
        lost: Callable[[Record], None],
        returned: Callable[[], None],
        expelled: Callable[[str], bool],
    ) -> None:
        self.terms = terms
        self._registry = registry
        self._directory = directory
        self._entry = entry
        self._ours = ours
        self._answers = answers
        self._at_work = at_work
        self._usurped = usurped
        self._lost = lost
        self._returned = returned
        self._expelled = expelled
        self._name = entry().name
        self._revision = 0
        now = time.monotonic()
        self._tenancy = Tenancy(terms, now)
        self._observer = Observer.at(terms, now)
        self._sound_since = now
        self._given_back = False
        self._vanished = asyncio.Event()  # the registry has let our lease run out, by a clock that is not ours
        directory.listen(self._heard)

    # -- what moves ask --------------------------------------------------------------------------

    def lapsed(self) -> bool:
        return self._tenancy.lapsed(time.monotonic())

    def sound_since(self) -> float:
        return self._sound_since

    def dead(self, node: str, address: str = "") -> bool:
        """Whether it may be taken for dead; with `address`, the daemon that listened there.

        A daemon that is started again gets the lease when its predecessor's has run out, and listens elsewhere: nobody
        may have seen the node dead in between.
        """
        self._look(node)
        now = self._directory.node(node)
        return (
            self._expelled(node)
            or self._observer.dead(node, time.monotonic())
            or (now is not None and address not in ("", now.address))
        )

    # -- our own ---------------------------------------------------------------------------------

    async def enter(self) -> None:
        """Take the lease for the first time; what a predecessor has left runs out meanwhile. Raises as `take`."""
        until = time.monotonic() + self.terms.ttl + RETRY
        while True:
            try:
                return await self.take()
            except StaleEpoch:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(RETRY)

    async def take(self) -> None:
        """Take the lease. Raises Unavailable, StaleEpoch (another daemon has the name)."""
        sent = time.monotonic()
        self._revision = await self._registry.lease(self._entry(), self._revision, int(self.terms.ttl))
        if self._tenancy.lapsed(sent):
            self._sound_since = sent  # others may have taken us for dead in between
            self._returned()
        self._tenancy.renewed(sent)
        self._observer.contact(time.monotonic())

    async def keep(self) -> None:
        """Renew for ever; at once where it has run out too early: the control plane's wall clock may have stepped."""
        while not self._given_back:
            self._vanished.clear()
            pause = self.terms.renew_every
            try:
                await self.take()
            except Unavailable as why:
                pause = min(RETRY, pause)
                log.warning("the lease could not be renewed: %s", why)
            except StaleEpoch:
                log.critical("another daemon has the name %s; this one ends", self._name)
                self._usurped()
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._vanished.wait()

    async def release(self) -> None:
        """Give the lease back, so that nobody waits for it to run out."""
        self._given_back = True
        await self._registry.release(self._name, self._revision)

    # -- the others' -----------------------------------------------------------------------------

    def _heard(self, kind: str, name: str, old: Value, new: Value) -> None:
        if kind == "node":
            self._look(name)
        if (kind, name) == ("node", self._name) and new is None and not self._given_back:
            self._vanished.set()

    def _look(self, node: str) -> None:
        if self._directory.node(node) is None:
            self._observer.expired(node, time.monotonic())
        else:
            self._observer.alive(node)

    async def settle(self) -> None:
        """Declare the processes of dead nodes lost, for ever."""
        while True:
            await asyncio.sleep(self.terms.margin / 2)
            for known in self._directory.processes():
                if self._is_lost(known.record):
                    await self._declare(known)
            for claim, process in self._directory.claims():
                if self._is_idle(process):
                    await self._take_away(claim)

    def _is_lost(self, record: Record) -> bool:
        if record.state in OVER or record.state is State.FROZEN:
            return False
        # At our own name: a daemon that had it before us had the process.
        mine = record.node == self._name
        gone = not self._ours(record) if mine else self.dead(record.node, record.address)
        return gone and not self._answered_for(record)

    def _answered_for(self, record: Record) -> bool:
        """Whether a node still has a copy that it may let go on, or remove; which of the two, it decides."""
        if record.fallback == self._name:
            return self._answers(record)
        return bool(record.fallback) and not self.dead(record.fallback)

    def _is_idle(self, process: Record) -> bool:
        """Whether nobody is about to rename it."""
        if process.node == self._name:
            return not self._at_work(process)
        return self.dead(process.node)

    async def _take_away(self, claim: Known) -> None:
        """Free a name that was claimed by a renaming that came to nothing."""
        name = claim.record.name
        try:
            self._directory.deleted(name, await self._registry.delete(name, claim.revision))
        except (StaleEpoch, Unavailable):
            return  # somebody was faster, or we look again soon
        log.warning("the name %s is free: a renaming to it came to nothing", name)

    async def _declare(self, known: Known) -> None:
        record = msgspec.structs.replace(
            known.record, state=after(known.record.state, Event.NODE_DIED), pid=None, fallback=""
        )
        try:
            revision = await self._registry.update(record, known.revision)
        except (StaleEpoch, Unavailable):
            return  # somebody was faster, or we look again soon
        self._lost(record)
        self._directory.wrote(record, revision)

"""Telling what happens: into the node's log at once, and into the cluster's journal as soon as it takes it.

Guarantees. Nobody waits for the journal: an event is put into a queue, and one task writes them down in their order.
While the control plane is away they wait, `KEPT` at most; the oldest give way, and how many did is said in the log.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from typing import Any

import msgspec

from sojourn.errors import ProtocolError, Unavailable
from sojourn.names.journal import Journal
from sojourn.wire import events
from sojourn.wire.events import AnyEvent

log = logging.getLogger(__name__)

KEPT = 5_000
PACE = 0.2  # seconds between attempts while the control plane is away
BAD = frozenset({"aborted", "lost", "node-gone", "trouble"})
"""Events that are warnings in the log."""


class Announcer:
    """The events of one node."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._waiting: deque[tuple[str, AnyEvent]] = deque()
        self._more = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()
        self._dropped = 0
        self._closed = False

    def tell(self, event: AnyEvent, *, name: str = "") -> None:
        """Something happened. Events told by several nodes have a `name` by which they are one."""
        kind = events.kind(event)
        told: dict[str, Any] = {
            key: value
            for key, value in msgspec.to_builtins(event).items()
            if key not in ("time", "node", "event", "history")
        }
        log.log(logging.WARNING if kind in BAD else logging.INFO, kind, extra={"told": told, "event": kind})
        if self._closed:
            return
        if len(self._waiting) >= KEPT:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append((name or secrets.token_hex(12), event))
        self._none.clear()
        self._more.set()

    async def run(self) -> None:
        """Write down what is told, until `close`."""
        while not self._closed:
            await self._more.wait()
            self._more.clear()
            while self._waiting and not self._closed:
                item = self._waiting[0]
                try:
                    await self.journal.publish(*item)
                except Unavailable:
                    await asyncio.sleep(PACE)
                    continue
                except ProtocolError as why:
                    log.warning("an event is not written down: %s", why)
                if self._waiting and self._waiting[0] is item:  # it may have given way meanwhile
                    self._waiting.popleft()
                if self._dropped:
                    log.warning("%d events were dropped while the control plane was away", self._dropped)
                    self._dropped = 0
            self._none.set()

    def close(self) -> None:
        """Write nothing more down. (Cancelling `run` is not enough: below the client library there is a `wait_for`,
        which in 3.11 may swallow it.)
        """
        self._closed = True
        self._more.set()

    async def written(self) -> None:
        """Wait until everything told is written down."""
        await self._none.wait()

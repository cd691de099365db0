"""The operation `events`: the journal, filtered, to whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn.errors import UsageError
from sojourn.node.talk import Emit

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

WRITTEN = 1.0  # seconds that a reader waits for what this node itself has just told


class Events(msgspec.Struct, kw_only=True):
    """Which events: behind a sequence, or since a Unix time, or from now on."""

    follow: bool = False
    process: str = ""  # a name or an id
    since: float | None = None
    after: int | None = None


class Watching:
    """What can be asked about what happened."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.table: dict[str, tuple[type, Callable[[Any, Emit], Awaitable[Any]]]] = {
            "events": (Events, self._events)
        }

    async def _events(self, asked: Events, emit: Emit) -> Any:
        if asked.since is not None and not 0 <= asked.since < 1e11:
            raise UsageError(f"{asked.since} is not a Unix time")
        try:
            async with asyncio.timeout(WRITTEN):
                await self._node.events.written()
        except TimeoutError:
            pass  # the control plane is slow or away: what there is will do
        journal = self._node.events.journal
        reading = journal.read(after=asked.after, since=asked.since, follow=asked.follow)
        async with aclosing(reading) as entries:
            async for entry in entries:
                told = msgspec.to_builtins(entry.event)
                if not asked.process or asked.process in (told.get("process"), told.get("id")):
                    await emit({"seq": entry.seq, "event": told})

"""A process's output from wherever it is, and what goes to it from whoever is attached.

`logs` and `attach` read the log at the owner and go on at the next one when the process moves. `attach` says with each
batch where it ends, so that a client whose node goes away goes on there with another. What is typed carries its place
in its session (`resources.unread`), for the same reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn.errors import NodeLost, WrongState
from sojourn.model.process import State
from sojourn.names.registry import Known
from sojourn.node.processes import Process
from sojourn.node.requests import Logs, Named
from sojourn.node.routing import Router
from sojourn.node.talk import Emit
from sojourn.resources.unread import Size

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

LONGEST_TAIL = 16 << 20


class Attach(Named, kw_only=True):
    """Arguments of `attach`: from `at` on, or from about `tail` bytes before the end."""

    at: tuple[int, int] | None = None
    tail: int | None = None


class Tail(Named, kw_only=True):
    """Arguments of `tail`: where do the last `size` bytes begin?"""

    size: int


class Type(Named, kw_only=True):
    """Arguments of `type`: bytes of a session from byte `at` of it on, and its end."""

    session: str
    at: int
    data: bytes = b""
    eof: bool = False


class Resize(Named, kw_only=True):
    """Arguments of `resize`."""

    size: Size
    redraw: bool = False


class Output:
    """Operations of one node."""

    def __init__(self, node: Node, router: Router) -> None:
        self._directory = node.directory
        self._router = router
        self.table: dict[str, tuple[type, Callable[[Any, Emit], Awaitable[Any]]]] = {
            "logs": (Logs, self._logs),
            "attach": (Attach, self._attach),
        }
        self.owner_table: dict[str, tuple[type[Named], Callable[[Process, Any, Emit], Awaitable[Any]]]] = {
            "tail": (Tail, self._tail),
            "type": (Type, self._type),
            "resize": (Resize, self._resize),
        }

    # -- for clients -----------------------------------------------------------------------------

    async def _logs(self, asked: Logs, emit: Emit) -> Any:
        async def each(batch: Any) -> None:
            for stream, data in batch["chunks"]:
                await emit({"stream": stream, "data": data})

        return await self._follow(asked, each)

    async def _attach(self, asked: Attach, emit: Emit) -> Any:
        at = asked.at
        if at is None and asked.tail is not None:
            size = max(0, min(asked.tail, LONGEST_TAIL))
            epoch, offset = await self._router.at_owner(
                "tail", lambda: Tail(name=asked.name, size=size), emit
            )
            at = (epoch, offset)
        return await self._follow(Logs(name=asked.name, follow=True, at=at or (0, 0)), emit)

    async def _follow(self, asked: Logs, emit: Emit) -> Any:
        """The log in batches from wherever it is; goes on at the next owner when the process moves."""
        at = asked.at

        async def relay(batch: Any) -> None:
            nonlocal at
            await emit(batch)
            at = (batch["at"][0], batch["at"][1])

        known = await self._router.find(asked.name)
        while True:
            try:
                return await self._router.at_owner(
                    "logs", lambda: msgspec.structs.replace(asked, at=at), relay
                )
            except NodeLost:
                # Its owner is gone. Somebody takes the process back, or it is declared lost.
                if not asked.follow or known.record.state is State.LOST:
                    raise
                known = await self._moved_on(known)

    async def _moved_on(self, stale: Known) -> Known:
        """The record after its next change. Raises NotFound."""
        process_id = stale.record.id

        def changed() -> bool:
            now = self._directory.process(process_id)
            return now is None or now.revision > stale.revision

        await self._directory.until(changed)
        return await self._router.find(process_id)

    # -- at the owner ----------------------------------------------------------------------------

    async def _tail(self, process: Process, asked: Tail, emit: Emit) -> Any:
        position = process.output.tail(asked.size)
        return position.epoch, position.offset

    async def _type(self, process: Process, asked: Type, emit: Emit) -> Any:
        await process.hands_off()
        if process.over.is_set() or process.host is None:
            raise WrongState(f"{process.name} has ended")
        process.host.type(asked.session, asked.at, asked.data, eof=asked.eof)

    async def _resize(self, process: Process, asked: Resize, emit: Emit) -> Any:
        await process.hands_off()
        if process.over.is_set() or process.host is None:
            raise WrongState(f"{process.name} has ended")
        process.host.resize(asked.size.checked(), redraw=asked.redraw)

"""Giving a process another name: carries out `model.rename` at the process's owner.

Nobody else writes the record meanwhile: the process is in nobody's hands, and its end is not told before the name is
settled. Without the control plane nothing is begun; what it leaves unanswered in the middle is settled when it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn.errors import (
    Busy,
    NameTaken,
    NotFound,
    SojournError,
    StaleEpoch,
    Unavailable,
    UsageError,
    WrongState,
)
from sojourn.model.process import OVER, State
from sojourn.model.rename import OUTCOMES, On, Rename, step
from sojourn.names.registry import Known
from sojourn.node import naming
from sojourn.node.processes import PACE, Process, told_of
from sojourn.node.requests import Named
from sojourn.node.talk import Emit
from sojourn.wire import events

if TYPE_CHECKING:
    from sojourn.node.daemon import Node


class NewName(Named, kw_only=True):
    to: str


class Renaming:
    """Renamings of the processes of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.owner_table: dict[str, tuple[type[Named], Callable[[Process, Any, Emit], Awaitable[Any]]]] = {
            "rename": (NewName, self._rename)
        }

    async def _rename(self, process: Process, asked: NewName, emit: Emit) -> Any:
        """The process's row of identity. It is settled even if the one who asked goes away."""
        naming.checked(asked.to)
        if asked.to == process.name:
            raise UsageError(f"{asked.to} is its name already")
        process.check_free()
        return await asyncio.shield(self._node.spawn(self._settled(process, asked.to)))

    async def _settled(self, process: Process, to: str) -> dict[str, Any]:
        node, before = self._node, process.name
        async with process.cloning:
            await process.hands_off()
            await process.written()
            if process.record.state is State.FROZEN:
                raise WrongState(f"{before} is frozen", advice=f"`sojourn thaw --name {to}` gives it that name")
            if process.moving or process.record.state not in (State.RUNNING, *OVER):
                raise Busy(f"{before} is {process.record.state.value}", advice="try again in a moment")
            process.settled.clear()
            try:
                known = await _Attempt(node, process, to).run()
            finally:
                process.settled.set()
        process.publish(was="")
        node.events.tell(events.Renamed(**told_of(known.record, node.name), before=before))
        return {"name": to, "id": process.id, "before": before}


class _Attempt:
    """One renaming, from the claim to the outcome."""

    def __init__(self, node: Node, process: Process, to: str) -> None:
        self._node = node
        self._process = process
        self._old = Known(process.record, process.revision)
        self._new = Known(msgspec.structs.replace(process.record, name=to, was=process.name), 0)
        self._error: SojournError | None = None

    async def run(self) -> Known:
        """The record under the new name. Raises why the process keeps its name."""
        state = Rename.CLAIMING
        while state not in OUTCOMES:
            await self._node.points.reach(f"rename.{state.name.lower()}")
            try:
                on = await self._do(state)
            except Unavailable as why:
                self._error = self._error or why
                on = On.UNANSWERED
                if state is not Rename.CLAIMING:
                    await asyncio.sleep(PACE)
            state = step(state, on)
        if state is Rename.RENAMED:
            return self._new
        raise self._error or NotFound(f"{self._old.record.name} was changed or removed meanwhile")

    async def _do(self, state: Rename) -> On:
        registry, directory = self._node.registry, self._node.directory
        old, new = self._old.record, self._new.record
        match state:
            case Rename.CLAIMING:
                try:
                    self._new = Known(new, await registry.create(new))
                except NameTaken as why:
                    self._error = why
                    return On.BEATEN
                directory.wrote(new, self._new.revision)
                return On.WON
            case Rename.LOOKING | Rename.LOOKING_AGAIN:
                found = await registry.get(old.name)
                there = found is not None and found.record.id == old.id
                if not there and state is Rename.LOOKING_AGAIN:
                    self._renamed(None)
                return On.THERE if there else On.GONE
            case _:
                withdrawing = state is Rename.WITHDRAWING
                which = self._new if withdrawing else self._old
                try:
                    removed = await registry.delete(which.record.name, which.revision)
                except StaleEpoch:
                    return On.BEATEN
                if withdrawing:
                    directory.deleted(new.name, removed)
                else:
                    self._renamed(removed)
                return On.WON

    def _renamed(self, removed: int | None) -> None:
        """From here on it has its new name."""
        if removed is not None:
            self._node.directory.deleted(self._old.record.name, removed)
        self._process.adopt(self._new)

"""Emptying a node: everything that runs here moves away, some at a time, and nothing new comes.

`model.drain` decides; this carries it out with the same moves that `sojourn move` makes. A drain that is interrupted
begins no more moves; those under way end as moves do. The node stays marked until somebody says `--undo`, or it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn.errors import (
    Busy,
    NotFound,
    Pinned,
    SojournError,
    StaleEpoch,
    Unavailable,
    Unmovable,
    UsageError,
    WrongState,
)
from sojourn.model.drain import AT_ONCE, On, Passenger, Plan, Start
from sojourn.model.placement import Candidate
from sojourn.model.process import OVER
from sojourn.node.departure import depart
from sojourn.node.talk import Emit

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

LOOK = 0.25  # seconds between looks at what no record tells


class Drain(msgspec.Struct, kw_only=True):
    """Arguments of `drain`."""

    node: str
    undo: bool = False
    at_once: int = AT_ONCE
    deadline: float | None = None


class Draining:
    """The drains of one node. `warnings` is asked first: what ending this node would cost."""

    def __init__(self, node: Node, warnings: Callable[[], list[str]]) -> None:
        self._node = node
        self._busy = False
        self._warnings = warnings
        self.table = {"drain": (Drain, self._asked)}
        self.peer_table = {"drain": (Drain, self._here)}

    async def _asked(self, asked: Drain, emit: Emit) -> Any:
        if asked.at_once < 1:
            raise UsageError(f"{asked.at_once} moves at a time are none")
        if asked.node == self._node.name:
            return await self._here(asked, emit)
        if self._node.address_of(asked.node) is None:
            names = ", ".join(entry.name for entry in self._node.directory.nodes())
            raise NotFound(f"there is no node {asked.node!r}", advice=f"the nodes are: {names}")
        channel = await self._node.peers.channel(asked.node)
        return await channel.ask("drain", msgspec.to_builtins(asked), emit)

    async def _here(self, asked: Drain, emit: Emit) -> Any:
        node = self._node
        if asked.undo:
            await self._mark(False)
            return {"node": node.name, "state": "up", "processes": [], "warnings": []}
        if self._busy:
            raise Busy(f"node {node.name} is being drained already")
        self._busy = True
        try:
            warnings = self._warnings()
            if warnings:
                await emit({"name": node.name, "step": "warning", "reasons": warnings})
            await self._mark(True)
            plan = Plan((), asked.at_once)
            await self._carry_out(plan, asked.deadline, emit)
        finally:
            self._busy = False
        return {
            "node": node.name,
            "state": "draining",
            "processes": [_row(each) for each in plan.passengers.values()],
            "warnings": warnings,
        }

    async def _mark(self, draining: bool) -> None:
        """Say it in our lease, so that nobody sends anything here."""
        self._node.draining = draining
        with contextlib.suppress(Unavailable):  # the next renewal says it; what comes before is refused here
            await self._node.keeper.take()

    async def _carry_out(self, plan: Plan, deadline: float | None, emit: Emit) -> None:
        attempts: dict[asyncio.Task[tuple[On, list[str]]], Start] = {}
        while True:
            for process in list(self._node.processes.values()):
                if process.host is not None and not process.over.is_set() and not process.departed:
                    plan.add(process.id, process.name)
            for start in plan.starts(self._candidates()):
                attempts[self._node.spawn(self._attempt(start, deadline))] = start
                await emit({"name": start.name, "step": "moving", "target": start.target})
            if plan.done:
                if not self._node.expected:
                    return
                await self._changed()  # some were on their way here before the mark
                continue
            done, _ = await asyncio.wait(attempts, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                on, reasons = task.result()
                passenger = plan.heard(attempts.pop(task).id, on, reasons)
                if on is not On.DELAYED:
                    await emit(_row(passenger))

    async def _attempt(self, start: Start, deadline: float | None) -> tuple[On, list[str]]:
        """One move; what became of it, and why."""
        process = self._node.processes.get(start.id)
        if process is None or process.departed or process.over.is_set():
            return On.LEFT, []
        try:
            await depart(self._node, process, start.target, deadline, _nobody)
        except Busy:  # somebody moves it by hand: wait for the end of that
            await self._settled(start.id)
            return On.DELAYED, []
        except (StaleEpoch, WrongState):
            gone = process.departed or process.over.is_set()
            return (On.LEFT, []) if gone else (On.HELD, [f"it is {process.record.state.value}"])
        except (Pinned, Unmovable) as why:
            return On.HELD, _reasons(why)
        except SojournError as why:  # of the target, or of the way there
            return On.TARGET_REFUSED, _reasons(why)
        return On.MOVED, []

    async def _settled(self, process_id: str) -> None:
        """Until the process is in nobody's hands."""
        while (process := self._node.processes.get(process_id)) is not None and process.moving:
            await self._changed()

    async def _changed(self) -> None:
        """Until something has, or long enough to look again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await self._node.directory.changed()

    def _candidates(self) -> list[Candidate]:
        counts: dict[str, int] = {}
        for known in self._node.directory.processes():
            if known.record.state not in OVER:
                counts[known.record.node] = counts.get(known.record.node, 0) + 1
        return [
            Candidate(entry.name, counts.get(entry.name, 0), entry.load)
            for entry in self._node.directory.nodes()
            if entry.name != self._node.name and not entry.draining and not self._node.keeper.dead(entry.name)
        ]


def _row(each: Passenger) -> dict[str, Any]:
    return {
        "name": each.name,
        "id": each.id,
        "step": each.step.value,
        "target": each.target,
        "reasons": each.reasons,
    }


def _reasons(why: SojournError) -> list[str]:
    return [str(reason) for reason in why.details.get("reasons") or ()] or [str(why)]


async def _nobody(item: Any) -> None:
    """Nobody listens to the stages of these moves."""

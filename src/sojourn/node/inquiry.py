"""Looking at a process without changing it: `show`, all there is to know; `check`, whether it could move.

A check does what a move does until the point where something would happen: the survey that makes the offer, a capture
at a safe point of everything that would travel, and the question to each target whether it would accept. The program
stands still for the capture, as long as it would at a move, and goes on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn._util import clock
from sojourn.errors import Busy, HostDied, NotFound, SojournError, UsageError, WrongState
from sojourn.machines.base import Offer
from sojourn.mobility.source import FREEZE
from sojourn.model.process import State
from sojourn.names.registry import Record, Stay
from sojourn.node.processes import Process
from sojourn.node.requests import Named
from sojourn.node.talk import Emit

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

Handler = Callable[[Process, Any, Emit], Awaitable[Any]]


class Check(Named, kw_only=True):
    """Arguments of `check`."""

    node: str | None = None
    deadline: float | None = None


class Would(msgspec.Struct, kw_only=True):
    """Arguments of `would`: would this node take the process?"""

    offer: Offer


class Read(msgspec.Struct, kw_only=True):
    """Arguments of `check.program`."""

    program: str
    cwd: str
    env: dict[str, str] = {}
    python: str | None = None
    node: str | None = None


class Inquiry:
    """The inquiries of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.owner_table: dict[str, tuple[type[Named], Handler]] = {
            "show": (Named, self._show),
            "check": (Check, self._check),
        }
        self.table = {"check.program": (Read, self._read)}
        self.peer_table = {"would": (Would, self._would)}

    # -- show ------------------------------------------------------------------------------------

    async def _show(self, process: Process, asked: Named, emit: Emit) -> Any:
        found = shown(process.record, process.since)
        found["log"] = {segment.epoch: segment.size for segment in process.output.segments()}
        if process.host is not None and not process.over.is_set() and process.settled.is_set():
            try:
                found["holds"] = await process.host.look()
            except SojournError as why:
                found["holds"] = {"reasons": [str(why)]}
        return found

    # -- check -----------------------------------------------------------------------------------

    async def _check(self, process: Process, asked: Check, emit: Emit) -> Any:
        if process.moving:
            raise Busy(f"{process.name} is being moved")
        if process.host is None or process.over.is_set():
            state = "ended" if process.over.is_set() else process.record.state.value
            raise WrongState(f"{process.name} cannot be checked: it is {state}")
        if asked.deadline is not None and asked.deadline <= 0:
            raise UsageError(f"the deadline is {asked.deadline} seconds; it must be positive")
        targets = self._targets(asked.node)
        process.moving = True
        # Not cut short when the one who asked goes away: the program must not stay frozen.
        return await self._node.spawn(self._checked(process, targets, asked.deadline or FREEZE))

    def _targets(self, wanted: str | None) -> list[str]:
        others = [entry.name for entry in self._node.directory.nodes() if entry.name != self._node.name]
        if wanted is None:
            return sorted(others)
        if wanted == self._node.name:
            raise UsageError(f"it is at {wanted} already")
        if wanted not in others:
            names = ", ".join(entry.name for entry in self._node.directory.nodes())
            raise NotFound(f"there is no node {wanted!r}", advice=f"the nodes are: {names}")
        return [wanted]

    async def _checked(self, process: Process, targets: list[str], deadline: float) -> dict[str, Any]:
        assert process.host is not None
        reasons: list[str] = []
        offer: Offer | None = None
        capture: dict[str, Any] = {}
        try:
            try:
                offer = await process.host.survey()
            except HostDied:
                raise
            except SojournError as why:
                reasons += _reasons(why)
            capture = await self._captured(process, deadline)
            reasons += [reason for reason in capture.pop("reasons") if reason not in reasons]
        except HostDied as why:
            raise WrongState(f"{process.name} ended while it was looked at") from why
        finally:
            process.moving = False
            process.settled.set()
        places: list[dict[str, Any]] = []
        if offer is not None:
            places = await asyncio.gather(*(self._asks(target, offer) for target in targets))
        elif targets:
            places = [{"node": target, "reasons": ["it was not asked"]} for target in targets]
        can = not reasons and (not targets or any(not place["reasons"] for place in places))
        return {
            "name": process.name,
            "id": process.id,
            "node": process.record.node,
            "can_move": can,
            "reasons": reasons,
            "targets": places,
            **capture,
        }

    async def _captured(self, process: Process, deadline: float) -> dict[str, Any]:
        """Capture everything, and let it go on."""
        assert process.host is not None
        if process.record.state is not State.RUNNING:
            return {"reasons": [f"it is {process.record.state.value}"]}
        process.settled.clear()  # no signal and no input meets a frozen program
        try:
            frozen = await process.host.freeze(deadline=deadline)
        except HostDied:
            raise
        except SojournError as why:
            return {"reasons": _reasons(why)}
        os.close(frozen.fd)
        await process.host.unfreeze()
        stood = (clock.monotonic_ns() - frozen.stopped_at) / 1e6
        return {
            "reasons": [],
            "stopped_ms": round(stood, 3),
            "image_bytes": frozen.size,
            "frames": frozen.frames,
        }

    # -- a program that does not run -------------------------------------------------------------

    async def _read(self, asked: Read, emit: Emit) -> Any:
        machine = self._node.machine("python")
        found = await machine.examine(asked.program, python=asked.python, cwd=asked.cwd, env=asked.env)
        offer = Offer(
            id="",
            name=asked.program,
            epoch=0,
            machine=machine.kind,
            interpreter=found.interpreter,
            packages=found.packages,
            detail={"cwd": asked.cwd, "environment": asked.env},
        )
        here = self._node.name
        targets = [here] if asked.node == here else self._targets(asked.node)
        places = await asyncio.gather(*(self._asks(target, offer) for target in targets))
        stuck = any(finding.certain for finding in found.findings)
        return {
            "program": asked.program,
            "interpreter": msgspec.to_builtins(found.interpreter),
            "packages": found.packages,
            "can_move": not stuck and (not places or any(not place["reasons"] for place in places)),
            "findings": [
                {"file": f.file, "line": f.line, "what": f.what, "certain": f.certain} for f in found.findings
            ],
            "targets": places,
        }

    async def _asks(self, target: str, offer: Offer) -> dict[str, Any]:
        try:
            if target == self._node.name:
                return {"node": target, "reasons": await self._would(Would(offer=offer), _nobody)}
            channel = await self._node.peers.channel(target)
            return {
                "node": target,
                "reasons": await channel.ask("would", {"offer": msgspec.to_builtins(offer)}),
            }
        except SojournError as why:
            return {"node": target, "reasons": _reasons(why)}

    async def _would(self, asked: Would, emit: Emit) -> Any:
        reasons: list[str] = []
        try:
            self._node.refuse_when_draining()
        except SojournError as why:
            reasons += _reasons(why)
        return reasons + await self._node.machine(asked.offer.machine).objections(asked.offer)


def shown(record: Record, since: float | None = None) -> dict[str, Any]:
    """What a record tells, with every stay; `since`: of the latest, where that is known."""
    stays = [stay for stay in record.stays if stay.epoch < record.epoch]
    stays.append(Stay(record.node, record.epoch, since or 0.0))
    fields = (
        "name",
        "id",
        "node",
        "machine",
        "epoch",
        "moves",
        "started",
        "exit_code",
        "signal",
        "pid",
        "program",
        "terminal",
        "limits",
        "why",
    )
    return {
        **{field: getattr(record, field) for field in fields},
        "state": record.state.value,
        "stays": [{"node": s.node, "epoch": s.epoch, "since": s.since or None} for s in stays],
        "log": {},
        **({"file": record.rest.file, "file_at": record.rest.at} if record.rest is not None else {}),
    }


async def _nobody(item: Any) -> None:
    """Nobody listens."""


def _reasons(why: SojournError) -> list[str]:
    return [str(reason) for reason in why.details.get("reasons") or ()] or [str(why)]

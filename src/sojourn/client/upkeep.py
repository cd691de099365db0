"""The verbs about looking at processes and emptying nodes, for both clients: what they ask, what comes back, and the
methods that `Cluster` and `Process`, blocking and asyncio, have of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from sojourn.client.calls import Call

if TYPE_CHECKING:
    from sojourn.client import aio, sync

T = TypeVar("T")


class Passenger(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a drained node: `step` is "moving", and last "moved", "stays" or "gone". Or a "warning" about the
    node itself.
    """

    name: str
    id: str = ""
    step: str
    target: str = ""
    reasons: list[str] = []  # why each node refused it, or what holds it


class DrainReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a drain ended. `warnings` say what the cluster would lose with this node."""

    node: str
    state: str
    processes: list[Passenger]
    warnings: list[str] = []

    @property
    def empty(self) -> bool:
        """Whether nothing has stayed."""
        return all(each.step != "stays" for each in self.processes)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What one node says to a process that might come; no reasons: it would take it."""

    node: str
    reasons: list[str] = []


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a process can move. `reasons` hold wherever it was to go; each target has its own."""

    name: str
    id: str
    node: str
    can_move: bool
    reasons: list[str]
    targets: list[Place]
    stopped_ms: float | None = None  # that the program stood still for the capture
    image_bytes: int | None = None
    frames: int | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something in a program's text; `certain`: it keeps the program from moving."""

    file: str
    line: int
    what: str
    certain: bool


class ProgramReport(msgspec.Struct, frozen=True, kw_only=True):
    """What can be told of a program that does not run."""

    program: str
    interpreter: dict[str, Any]
    packages: dict[str, str]
    can_move: bool
    findings: list[Finding]
    targets: list[Place]


class PrepareReport(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that a node has now. `tool` made it; "none": it was there."""

    node: str
    like: str
    path: str
    python: str
    packages: dict[str, str]
    tool: str
    seconds: float


def drain(node: str, *, at_once: int, deadline: float | None) -> Call[DrainReport]:
    args: dict[str, Any] = {"node": node, "at_once": at_once}
    if deadline is not None:
        args["deadline"] = deadline
    return Call("drain", args, DrainReport)


def undrain(node: str) -> Call[DrainReport]:
    return Call("drain", {"node": node, "undo": True}, DrainReport, repeatable=True)


def check(name: str, node: str | None, *, deadline: float | None) -> Call[CheckReport]:
    args: dict[str, Any] = {"name": name}
    if node is not None:
        args["node"] = node
    if deadline is not None:
        args["deadline"] = deadline
    return Call("check", args, CheckReport, repeatable=True)


def check_program(
    program: str | os.PathLike[str], node: str | None, *, python: str | None, cwd: str | None
) -> Call[ProgramReport]:
    args: dict[str, Any] = {
        "program": os.path.abspath(program),
        "cwd": os.path.abspath(cwd or os.getcwd()),
        "env": dict(os.environ),
    }
    if node is not None:
        args["node"] = node
    if python is not None:
        args["python"] = os.path.abspath(os.path.expanduser(python)) if os.sep in python else python
    return Call("check.program", args, ProgramReport, repeatable=True)


def prepare(node: str, like: str) -> Call[PrepareReport]:
    return Call("equip", {"name": like, "node": node}, PrepareReport, repeatable=True)


def show(name: str) -> Call[dict[str, Any]]:
    return Call("show", {"name": name}, dict, repeatable=True)


def step(item: Any) -> Passenger:
    """One line of a drain that is under way."""
    return msgspec.convert(item, Passenger)


def _listen(link: sync.Link, call: Call[T], heard: Callable[[Any], None]) -> T:
    stream = link.stream(call)
    while True:
        try:
            heard(next(stream))
        except StopIteration as end:
            return call.result(end.value)


async def _listen_async(link: aio.Link, call: Call[T], heard: Callable[[Any], None]) -> T:
    async with aclosing(link.stream(call)) as stream:
        async for answer in stream:
            if answer.item is msgspec.UNSET:
                return call.result(answer.ok)
            heard(answer.item)
    raise AssertionError("an exchange ends with an answer or an error")


OnStep = Callable[[Passenger], None]


class ClusterUpkeep:
    """Verbs of the blocking `Cluster`."""

    link: sync.Link

    def drain(
        self,
        node: str,
        *,
        at_once: int = 4,
        deadline: float | None = None,
        on_step: OnStep = lambda passenger: None,
    ) -> DrainReport:
        """Move everything away from a node, which takes nothing new until `undrain`.

        Args:
            at_once: moves under way at a time.
            deadline: seconds for each process to come to a place where it can be frozen.
            on_step: told when a move begins, and what became of it.
        """
        call = drain(node, at_once=at_once, deadline=deadline)
        return _listen(self.link, call, lambda item: on_step(step(item)))

    def undrain(self, node: str) -> None:
        """The node takes processes again."""
        self.link.ask(undrain(node))

    def check_program(
        self,
        program: str | os.PathLike[str],
        node: str | None = None,
        *,
        python: str | None = None,
        cwd: str | None = None,
    ) -> ProgramReport:
        """What can be told of a program by reading it: whether it could move, and to which nodes."""
        return self.link.ask(check_program(program, node, python=python, cwd=cwd))

    def prepare(
        self, node: str, *, like: str, on_step: Callable[[str], None] = lambda text: None
    ) -> PrepareReport:
        """Make the environment at a node that the process `like` needs there. Raises Refused with the tool's words."""
        return _listen(self.link, prepare(node, like), lambda item: on_step(str(item["text"])))


class ProcessUpkeep:
    """Verbs of the blocking `Process`."""

    id: str
    _link: sync.Link

    def check(self, node: str | None = None, *, deadline: float | None = None) -> CheckReport:
        """Whether it could move (to `node`, or to any other), with every reason why not. Everything is captured as
        for a move, so the program stands still for a moment.
        """
        return self._link.ask(check(self.id, node, deadline=deadline))

    def show(self) -> dict[str, Any]:
        """All there is to know about it."""
        return self._link.ask(show(self.id))


class AsyncClusterUpkeep:
    """Verbs of the asyncio `AsyncCluster`; see `ClusterUpkeep`."""

    link: aio.Link

    async def drain(
        self,
        node: str,
        *,
        at_once: int = 4,
        deadline: float | None = None,
        on_step: OnStep = lambda passenger: None,
    ) -> DrainReport:
        """Move everything away from a node, which takes nothing new until `undrain`."""
        call = drain(node, at_once=at_once, deadline=deadline)
        return await _listen_async(self.link, call, lambda item: on_step(step(item)))

    async def prepare(
        self, node: str, *, like: str, on_step: Callable[[str], None] = lambda text: None
    ) -> PrepareReport:
        """Make the environment at a node that the process `like` needs there."""
        return await _listen_async(self.link, prepare(node, like), lambda item: on_step(str(item["text"])))

    async def undrain(self, node: str) -> None:
        """The node takes processes again."""
        await self.link.ask(undrain(node))

    async def check_program(
        self,
        program: str | os.PathLike[str],
        node: str | None = None,
        *,
        python: str | None = None,
        cwd: str | None = None,
    ) -> ProgramReport:
        """What can be told of a program by reading it."""
        return await self.link.ask(check_program(program, node, python=python, cwd=cwd))


class AsyncProcessUpkeep:
    """Verbs of the asyncio `AsyncProcess`; see `ProcessUpkeep`."""

    id: str
    _link: aio.Link

    async def check(self, node: str | None = None, *, deadline: float | None = None) -> CheckReport:
        """Whether it could move, with every reason why not."""
        return await self._link.ask(check(self.id, node, deadline=deadline))

    async def show(self) -> dict[str, Any]:
        """All there is to know about it."""
        return await self._link.ask(show(self.id))

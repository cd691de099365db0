"""The verbs about images, for both clients: freeze a process into a file, thaw a file, look into either."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from sojourn.client.calls import Call

if TYPE_CHECKING:
    from sojourn.client import aio, sync

FilePath = str | os.PathLike[str]
OnStage = Callable[[str], None]


class FreezeReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a freeze went. `bytes` are those of the image on the disk."""

    name: str
    id: str
    node: str
    file: str
    image: str  # the id of this freeze
    bytes: int
    image_bytes: int  # of the program's memory
    frames: int
    total_ms: float
    stages_ms: dict[str, float]
    resources: list[dict[str, Any]] = []


class ThawReport(msgspec.Struct, frozen=True, kw_only=True, rename={"who": "as"}):
    """How a thaw went; `first_instruction_ms` is from the request to the first instruction of the program.

    `who` goes on: the process "itself"; its "heir", with a new identity, where nobody knows the process any more; or a
    "copy" with a name of its own.
    """

    name: str
    id: str
    node: str
    epoch: int
    who: Literal["itself", "heir", "copy"]
    image: str
    image_bytes: int
    first_instruction_ms: float
    total_ms: float
    resources: list[dict[str, Any]] = []


class Thawed(NamedTuple):
    """What came of a thaw."""

    process: sync.Process
    report: ThawReport


class AsyncThawed(NamedTuple):
    """What came of a thaw."""

    process: aio.AsyncProcess
    report: ThawReport


def _absolute(path: FilePath) -> str:
    """As the node has to know it; a folder keeps its `/`."""
    given: str = os.fspath(path)
    text = os.path.expanduser(given)
    return os.path.abspath(text) + ("/" if text.endswith("/") else "")


def freeze(name: str, path: FilePath, *, deadline: float | None) -> Call[FreezeReport]:
    args: dict[str, Any] = {"name": name, "file": _absolute(path)}
    if deadline is not None:
        args["deadline"] = deadline
    return Call("freeze", args, FreezeReport)


def thaw(path: FilePath, *, node: str | None, name: str | None, trust: Sequence[str]) -> Call[ThawReport]:
    wanted = {"file": _absolute(path), "node": node, "name": name, "trust": list(trust)}
    return Call("thaw", {key: value for key, value in wanted.items() if value is not None}, ThawReport)


def inspect(name: str) -> Call[dict[str, Any]]:
    return Call("inspect", {"name": name}, dict, repeatable=True)


def inspect_file(path: FilePath) -> Call[dict[str, Any]]:
    return Call("inspect.file", {"file": _absolute(path)}, dict, repeatable=True)


class ClusterImages:
    """Verbs of the blocking `Cluster`."""

    link: sync.Link

    def thaw(
        self, path: FilePath, *, node: str | None = None, name: str | None = None, trust: Sequence[str] = ()
    ) -> Thawed:
        """Go on from an image. The frozen process itself goes on, with its identity and the next epoch, where the
        cluster still has it as frozen in this image; an heir with a new identity, where nobody knows it any more.

        Args:
            node: where; the node decides when left out.
            name: makes a copy of this name, with fresh randomness.
            trust: fingerprints of keys of other clusters that are believed this once.

        Raises:
            Refused: what it needs is not there; everything missing is in `.reasons`. NameTaken: it has been thawed
            already, or its name has. Untrusted: signed by nobody we know. BadImage: damaged, unsigned, or no image.
        """
        from sojourn.client.sync import Process

        report = self.link.ask(thaw(path, node=node, name=name, trust=trust))
        return Thawed(Process(self.link, report.name, report.id), report)

    def inspect(self, path: FilePath) -> dict[str, Any]:
        """What is in an image: code, resources, execution, memory. Nothing of it is run or unpickled."""
        return self.link.ask(inspect_file(path))


class ProcessImages:
    """Verbs of the blocking `Process`."""

    id: str
    _link: sync.Link

    def freeze(
        self, path: FilePath, *, deadline: float | None = None, on_stage: OnStage = lambda stage: None
    ) -> FreezeReport:
        """Write it to a file (a folder, if `path` ends in `/`) and end it; `Cluster.thaw` goes on from there.

        Args:
            path: must not exist.
            deadline: seconds to wait for a place where it can be frozen; the node's default when left out.
            on_stage: called with the name of each stage as it begins.

        Raises:
            Refused: cannot be done. StorageError: the disk would not take it. UsageError: there is such a file. In
            every case the process goes on, and no file is left.
        """
        call = freeze(self.id, path, deadline=deadline)
        stream = self._link.stream(call)
        while True:
            try:
                on_stage(str(next(stream)["stage"]))
            except StopIteration as end:
                return call.result(end.value)

    def inspect(self) -> dict[str, Any]:
        """Its code, resources, execution (frames with lines and locals) and memory, now."""
        return self._link.ask(inspect(self.id))


class AsyncClusterImages:
    """Verbs of the asyncio `AsyncCluster`; see `ClusterImages`."""

    link: aio.Link

    async def thaw(
        self, path: FilePath, *, node: str | None = None, name: str | None = None, trust: Sequence[str] = ()
    ) -> AsyncThawed:
        """Go on from an image."""
        from sojourn.client.aio import AsyncProcess

        report = await self.link.ask(thaw(path, node=node, name=name, trust=trust))
        return AsyncThawed(AsyncProcess(self.link, report.name, report.id), report)

    async def inspect(self, path: FilePath) -> dict[str, Any]:
        """What is in an image."""
        return await self.link.ask(inspect_file(path))


class AsyncProcessImages:
    """Verbs of the asyncio `AsyncProcess`; see `ProcessImages`."""

    id: str
    _link: aio.Link

    async def freeze(
        self, path: FilePath, *, deadline: float | None = None, on_stage: OnStage = lambda stage: None
    ) -> FreezeReport:
        """Write it to a file and end it."""
        call = freeze(self.id, path, deadline=deadline)
        async with aclosing(self._link.stream(call)) as stream:
            async for answer in stream:
                if answer.item is msgspec.UNSET:
                    return call.result(answer.ok)
                on_stage(str(answer.item["stage"]))
        raise AssertionError("an exchange ends with an answer or an error")

    async def inspect(self) -> dict[str, Any]:
        """Its code, resources, execution and memory, now."""
        return await self._link.ask(inspect(self.id))

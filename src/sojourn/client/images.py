"""The verbs about images, for both clients: freeze a process into a file, thaw a file, look into either.

Files are on the machine of the one who calls. A node that sees them there writes and reads them itself; for another
they are carried (`carrying`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import msgspec

from sojourn.client import calls, carrying
from sojourn.client.calls import Call
from sojourn.client.carrying import OnBytes, Steps
from sojourn.errors import NotFound, SojournError
from sojourn.folders import sight
from sojourn.folders.sight import Look

if TYPE_CHECKING:
    from sojourn.client import aio, sync

FilePath = str | os.PathLike[str]
OnStage = Callable[[str], None]
T = TypeVar("T")


def _silent(what: object) -> None:
    """Tells nobody."""



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


def freeze(receipt: carrying.Receipt) -> Call[FreezeReport]:
    return Call("freeze", receipt.args, FreezeReport)


def thaw(
    file: str, look: Look, *, node: str | None, name: str | None, trust: Sequence[str]
) -> Call[ThawReport]:
    wanted = {"file": file, "look": carrying.shown(look), "node": node, "name": name, "trust": list(trust)}
    return Call("thaw", {key: value for key, value in wanted.items() if value is not None}, ThawReport)


def inspect(name: str) -> Call[dict[str, Any]]:
    return Call("inspect", {"name": name}, dict, repeatable=True)


def inspect_file(file: str, look: Look) -> Call[dict[str, Any]]:
    return Call("inspect.file", {"file": file, "look": carrying.shown(look)}, dict, repeatable=True)


class ClusterImages:
    """Verbs of the blocking `Cluster`."""

    link: sync.Link

    def thaw(
        self,
        path: FilePath,
        *,
        node: str | None = None,
        name: str | None = None,
        trust: Sequence[str] = (),
        on_bytes: OnBytes = _silent,
    ) -> Thawed:
        """Go on from an image. The frozen process itself goes on, with its identity and the next epoch, where the
        cluster still has it as frozen in this image; an heir with a new identity, where nobody knows it any more.

        Args:
            node: where; the node decides when left out.
            name: makes a copy of this name, with fresh randomness.
            trust: fingerprints of keys of other clusters that are believed this once.
            on_bytes: called, where the node does not see the file, with how many bytes of it were brought so far.

        Raises:
            NotFound: there is no such file here.
            Refused: what it needs is not there; everything missing is in `.reasons`. NameTaken: it has been thawed
            already, or its name has. Untrusted: signed by nobody we know. BadImage: damaged, unsigned, or no image.
        """
        from sojourn.client.sync import Process

        file, look = self._looked_at(path)
        report = self._lending(thaw(file, look, node=node, name=name, trust=trust), file, on_bytes)
        return Thawed(Process(self.link, report.name, report.id), report)

    def inspect(self, path: FilePath) -> dict[str, Any]:
        """What is in an image: code, resources, execution, memory. Nothing of it is run or unpickled."""
        file, look = self._looked_at(path)
        return self._lending(inspect_file(file, look), file, _silent)

    def _looked_at(self, path: FilePath) -> tuple[str, Look]:
        file = _absolute(path)
        try:
            return file, sight.look(file)
        except NotFound as why:
            why.advice = carrying.elsewhere(file, self.link.ask(calls.ps(all=False)))
            raise

    def _lending(self, call: Call[T], file: str, on_bytes: OnBytes) -> T:
        lender, stream = carrying.Lender(file, on_bytes), self.link.stream(call)
        try:
            while True:
                _carry(self.link, lender.heed(next(stream)))
        except StopIteration as end:
            return call.result(end.value)
        finally:
            stream.close()
            lender.close()


def _carry(link: sync.Link, steps: Steps) -> None:
    call = carrying.step(steps, None)
    while call is not None:
        call = carrying.step(steps, link.ask(call))


class ProcessImages:
    """Verbs of the blocking `Process`."""

    id: str
    _link: sync.Link

    def freeze(
        self,
        path: FilePath,
        *,
        deadline: float | None = None,
        on_stage: OnStage = _silent,
        on_bytes: OnBytes = _silent,
    ) -> FreezeReport:
        """Write it to a file (a folder, if `path` ends in `/`) and end it; `Cluster.thaw` goes on from there.

        Args:
            path: must not exist.
            deadline: seconds to wait for a place where it can be frozen; the node's default when left out.
            on_stage: called with the name of each stage as it begins.
            on_bytes: called, where its node does not see the file, with how many bytes of it have come so far.

        Raises:
            Refused: cannot be done. StorageError: the disk would not take it. UsageError: there is such a file. In
            every case the process goes on, and no file is left. NodeLost: where the connection is lost when the file
            is complete, it stays unless it is known that the process goes on.
        """
        receipt = carrying.Receipt(self.id, _absolute(path), deadline, on_bytes)
        call = freeze(receipt)
        stream = self._link.stream(call)
        try:
            while True:
                item: dict[str, Any] = next(stream)
                if "stage" in item:
                    on_stage(str(item["stage"]))
                else:
                    _carry(self._link, receipt.heed(item))
        except StopIteration as end:
            return call.result(end.value)
        except BaseException as why:
            stream.close()
            self._settle(receipt, why)
            raise
        finally:
            receipt.close()

    def _settle(self, receipt: carrying.Receipt, why: BaseException) -> None:
        """Wait until the process goes on, or is known to be frozen all the same."""
        asking, frozen = receipt.failed(), None
        try:
            if asking is not None:
                frozen = self._link.ask(asking).get("frozen")
        except SojournError:
            pass  # nobody knows
        receipt.settled(why, frozen)

    def inspect(self) -> dict[str, Any]:
        """Its code, resources, execution (frames with lines and locals) and memory, now."""
        return self._link.ask(inspect(self.id))


class AsyncClusterImages:
    """Verbs of the asyncio `AsyncCluster`; see `ClusterImages`."""

    link: aio.Link

    async def thaw(
        self,
        path: FilePath,
        *,
        node: str | None = None,
        name: str | None = None,
        trust: Sequence[str] = (),
        on_bytes: OnBytes = _silent,
    ) -> AsyncThawed:
        """Go on from an image."""
        from sojourn.client.aio import AsyncProcess

        file, look = await self._looked_at(path)
        report = await self._lending(thaw(file, look, node=node, name=name, trust=trust), file, on_bytes)
        return AsyncThawed(AsyncProcess(self.link, report.name, report.id), report)

    async def inspect(self, path: FilePath) -> dict[str, Any]:
        """What is in an image."""
        file, look = await self._looked_at(path)
        return await self._lending(inspect_file(file, look), file, _silent)

    async def _looked_at(self, path: FilePath) -> tuple[str, Look]:
        file = _absolute(path)
        try:
            return file, sight.look(file)
        except NotFound as why:
            why.advice = carrying.elsewhere(file, await self.link.ask(calls.ps(all=False)))
            raise

    async def _lending(self, call: Call[T], file: str, on_bytes: OnBytes) -> T:
        lender = carrying.Lender(file, on_bytes)
        try:
            async with aclosing(self.link.stream(call)) as stream:
                async for answer in stream:
                    if answer.item is msgspec.UNSET:
                        return call.result(answer.ok)
                    await _acarry(self.link, lender.heed(answer.item))
        finally:
            lender.close()
        raise AssertionError("an exchange ends with an answer or an error")


async def _acarry(link: aio.Link, steps: Steps) -> None:
    call = await _in_thread(steps, None)
    while call is not None:
        call = await _in_thread(steps, await link.ask(call))


async def _in_thread(steps: Steps, answer: Any) -> Call[Any] | None:
    """A step takes as long as a disk does. One that was begun is waited for: it may be about to name the file."""
    work = asyncio.ensure_future(asyncio.to_thread(carrying.step, steps, answer))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait((work,))
        if not work.cancelled():
            work.exception()
        raise


class AsyncProcessImages:
    """Verbs of the asyncio `AsyncProcess`; see `ProcessImages`."""

    id: str
    _link: aio.Link

    async def freeze(
        self,
        path: FilePath,
        *,
        deadline: float | None = None,
        on_stage: OnStage = _silent,
        on_bytes: OnBytes = _silent,
    ) -> FreezeReport:
        """Write it to a file and end it."""
        receipt = carrying.Receipt(self.id, _absolute(path), deadline, on_bytes)
        call = freeze(receipt)
        try:
            async with aclosing(self._link.stream(call)) as stream:
                async for answer in stream:
                    if answer.item is msgspec.UNSET:
                        return call.result(answer.ok)
                    if "stage" in answer.item:
                        on_stage(str(answer.item["stage"]))
                    else:
                        await _acarry(self._link, receipt.heed(answer.item))
        except BaseException as why:
            await self._settle(receipt, why)
            raise
        finally:
            receipt.close()
        raise AssertionError("an exchange ends with an answer or an error")

    async def _settle(self, receipt: carrying.Receipt, why: BaseException) -> None:
        asking, frozen = receipt.failed(), None
        try:
            if asking is not None:
                frozen = (await self._link.ask(asking)).get("frozen")
        except SojournError:
            pass  # nobody knows
        receipt.settled(why, frozen)

    async def inspect(self) -> dict[str, Any]:
        """Its code, resources, execution and memory, now."""
        return await self._link.ask(inspect(self.id))

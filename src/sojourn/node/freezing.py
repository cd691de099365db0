"""Freezing a process to a file: the program stops, its image is on the disk, the registry says so, its host ends; in
that order, and with a way back until the registry has answered.

Concepts. The whole host is stopped (SIGSTOP) from the capture to the outcome, as in a move. The image is written
under another name and gets its own when it is complete and on the disk; only then the record changes, by one compare-
and-set. Where the file is to be on another machine, the one who asked writes it, in just this way, and says when it has
its name (`node.carrying`). A change of the record that gets no answer is settled as a move's commit is: by a second
write on the same revision, which says that nothing has happened. Whoever wins is the truth; until it is known the
program stands still.

Guarantees. A freeze that fails, is refused or cancelled (Ctrl-C, the client gone, its disk full) leaves the program
running and no file. One that succeeds leaves a complete file and nothing running. A node that dies in between leaves
at most a complete file beside a lost process, or the record frozen and the file complete.

Rejected: marking the record first, as moves do. No other node takes part in a freeze, so none has to be told of an
attempt; requests for the process wait here until it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn._util import clock
from sojourn._util.ids import new_id
from sojourn.errors import HostDied, InternalError, Outdated, StaleEpoch, Unavailable, WrongState
from sojourn.frames.file import Image
from sojourn.image import report
from sojourn.image.draft import Draft, Place
from sojourn.image.manifest import Frozen as FrozenProcess
from sojourn.image.manifest import Interpreter, Kind, Maker, Manifest, Piece
from sojourn.image.writing import finish
from sojourn.machines.base import Frozen, Offer
from sojourn.model.process import Event, State, after
from sojourn.names.registry import Known, Record, Rest
from sojourn.node.apart import apart
from sojourn.node.launch import patiently
from sojourn.node.processes import PACE, Process, told_of
from sojourn.wire import events

if TYPE_CHECKING:
    from sojourn.image.signing import Signer
    from sojourn.node.daemon import Node

SYNC = 3.0  # seconds for earlier writes of the record to be answered
OFFERS = 6  # for a program that goes on importing modules meanwhile
PATIENCE = 5.0  # seconds without a word from the registry until the user hears of it


class Freezing:
    """One freeze.

    Args:
        file: where to; absolute, and ending in `/` for a folder.
        at: on whose machine that is.
        to: where it is put; `file`, where this node sees it.
        deadline: seconds to wait for a safe point.
        report: told of each stage.
    """

    def __init__(
        self,
        node: Node,
        process: Process,
        *,
        file: str,
        at: str,
        to: str | Place,
        deadline: float,
        signer: Signer,
        report: Callable[[str], None],
    ) -> None:
        self._node = node
        self._process = process
        self._file = file
        self._at = at
        self._to = to
        self._deadline = deadline
        self._signer = signer
        self._report = report
        self.image = new_id()
        self._began = time.monotonic()
        self._stages: dict[str, float] = {}
        self.committing = False

    async def run(self) -> dict[str, Any]:
        """The whole freeze; the facts."""
        process = self._process
        await self._check()
        process.moving = True
        process.can_kill = lambda: not self.committing
        try:
            draft = await asyncio.to_thread(Draft, self._to)
            try:
                frozen = await self._stop()
            except BaseException:
                await asyncio.to_thread(draft.drop)
                raise
            try:
                said = await self._written(draft, *frozen)
                self.committing = True
                await self._node.points.reach("freeze.written")
                self._stage("commit")
                await self._commit()
            except BaseException:
                await asyncio.to_thread(draft.drop)
                await self._go_on()
                raise
            finally:
                os.close(frozen[1].fd)
            await self._node.points.reach("freeze.committed")
            assert process.host is not None
            await process.host.kill()
            process.host = None
            self._node.forget_places(process.id)  # its workspace is in the file
            return self._facts(draft, said, frozen[1])
        finally:
            process.moving = False
            process.can_kill = None
            process.settled.set()

    def _stage(self, stage: str) -> None:
        self._stages[stage] = time.monotonic()
        self._report(stage)

    async def _check(self) -> None:
        process = self._process
        try:
            async with asyncio.timeout(SYNC):
                await process.written()
        except TimeoutError:
            raise Unavailable(
                f"{process.name} cannot be frozen now: the control plane does not answer",
                advice="it goes on running; try again when the control plane is back",
            ) from None
        if process.departed:
            raise StaleEpoch(f"{process.name} has moved away")
        process.check_free()
        if process.over.is_set() or process.record.state is not State.RUNNING:
            state = "ended" if process.over.is_set() else process.record.state.value
            raise WrongState(f"{process.name} cannot be frozen: it is {state}")

    # -- stopping ------------------------------------------------------------------------------------------

    async def _stop(self) -> tuple[Offer, Frozen]:
        """The stopped program's image in memory, and what it needs elsewhere."""
        host = self._process.host
        assert host is not None
        for attempt in range(OFFERS):
            try:
                self._stage("survey")
                offer = await host.survey()
                self._process.settled.clear()
                self._stage("freeze")
                return offer, await host.freeze(deadline=self._deadline, seen=True)
            except BaseException as why:
                self._process.settled.set()
                if isinstance(why, HostDied):
                    raise WrongState(f"{self._process.name} ended before it was frozen") from why
                if not isinstance(why, Outdated) or attempt == OFFERS - 1:
                    raise
        raise InternalError("unreachable")

    async def _go_on(self) -> None:
        """After a failure: the program goes on, unless it has ended or is somebody else's."""
        process = self._process
        if process.host is not None and not process.departed:
            with contextlib.suppress(HostDied):
                await process.host.unfreeze()

    # -- writing -------------------------------------------------------------------------------------------

    async def _written(self, draft: Draft, offer: Offer, frozen: Frozen) -> Manifest:
        """The complete image, on the disk, under its name."""
        self._stage("write")
        ended = asyncio.ensure_future(self._process.host.wait())  # pyright: ignore[reportOptionalMemberAccess]
        work = asyncio.ensure_future(apart(lambda: self._write(draft, offer, frozen)))
        try:
            await asyncio.wait((work, ended), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise WrongState(f"{self._process.name} ended before it was frozen")
            return await work
        finally:
            ended.cancel()
            draft.cancel()  # where it is complete this means nothing any more
            await asyncio.wait((work,))
            if not work.cancelled():
                work.exception()

    def _write(self, draft: Draft, offer: Offer, frozen: Frozen) -> Manifest:
        """Runs in a thread. Raises StorageError, TransferCut, Refused, and Cancelled when nobody wants it."""
        container = Image.open(frozen.fd)
        looked = msgspec.json.decode(bytes(container.segment("inspect")))
        interpreter = msgspec.convert(msgspec.to_builtins(offer.interpreter), Interpreter)
        seen = report.write(
            seen_of(
                looked,
                offer,
                self._process.record.program,
                memory={
                    "resident": offer.size,
                    "image": frozen.size,
                    "heap": container.segments["heap"].size,
                    "buffers": sum(view.nbytes for view in container.buffers()),
                },
            )
        )
        record, pieces = self._process.record, self._pieces(draft, "inspect", seen)
        blobs: list[str] = []
        for name in offer.blobs:  # what the program has overwritten since is in the memory
            if (path := self._node.machine(record.machine).blob(name)) is not None:
                pieces += self._file_pieces(draft, "blob", path, name=name)
                blobs.append(name)
        for segment in self._process.output.segments():
            path = self._process.output.folder / f"{segment.epoch}.log"
            pieces += self._file_pieces(draft, "log", path, size=segment.size, epoch=segment.epoch)
        pieces += draft.segment("memory", frozen.fd, frozen.size)
        detail = dict(offer.detail)
        said = Manifest(
            image=self.image,
            frozen_at=clock.wall(),
            by=Maker(cluster=self._node.cluster.cluster, node=self._node.name),
            process=FrozenProcess(
                id=record.id,
                name=record.name,
                epoch=record.epoch,
                moves=record.moves,
                started=record.started,
                program=record.program,
                machine=record.machine,
            ),
            interpreter=interpreter,
            packages=offer.packages,
            seed=detail.pop("seed", 0),
            resources=offer.resources,
            blobs=blobs,
            workspace=None if offer.workspace is None else msgspec.to_builtins(offer.workspace),
            detail=detail,
            pieces=pieces,
        )
        finish(draft, said, self._signer)
        draft.keep()
        return said

    def _pieces(self, draft: Draft, kind: Kind, data: bytes) -> list[Piece]:
        fd = os.memfd_create(kind, os.MFD_CLOEXEC)
        try:
            os.write(fd, data)
            return draft.segment(kind, fd, len(data))
        finally:
            os.close(fd)

    def _file_pieces(
        self,
        draft: Draft,
        kind: Kind,
        path: Path,
        *,
        size: int | None = None,
        epoch: int = 0,
        name: str = "",
    ) -> list[Piece]:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size if size is None else size
            return draft.segment(kind, fd, size, epoch=epoch, name=name)
        finally:
            os.close(fd)

    # -- the registry --------------------------------------------------------------------------------------

    async def _commit(self) -> None:
        """The record says frozen; raises when it says something else, or that nothing has happened."""
        process = self._process
        before = process.record
        frozen = msgspec.structs.replace(
            before,
            state=after(before.state, Event.FROZE),
            pid=None,
            rest=Rest(image=self.image, file=self._file, at=self._at),
            stays=process.stays(),
        )
        won = await settle(self._node, process.revision, frozen, before, self._held)
        if won is None:
            if not await process.reread():
                raise StaleEpoch(f"{process.name} belongs to somebody else")
            raise Unavailable(f"{process.name} was not frozen: its record has changed meanwhile")
        process.adopt(won)
        if won.record.state is not State.FROZEN:
            raise Unavailable(
                f"{process.name} was not frozen: the control plane did not answer", advice="it goes on running"
            )

    def _held(self) -> None:
        self._stage("held")

    # -- the story -----------------------------------------------------------------------------------------

    def _facts(self, draft: Draft, said: Manifest, frozen: Frozen) -> dict[str, Any]:
        now = time.monotonic()
        ends = [*list(self._stages.values())[1:], now]
        record = self._process.record
        self._node.events.tell(
            events.Frozen(**told_of(record, self._node.name), file=self._file, bytes=draft.size)
        )
        return {
            "name": said.process.name,
            "id": said.process.id,
            "node": self._node.name,
            "file": self._file,
            "image": said.image,
            "bytes": draft.size,
            "image_bytes": frozen.size,
            "frames": frozen.frames,
            "total_ms": round((now - self._began) * 1e3, 3),
            "stages_ms": {
                stage: round((end - began) * 1e3, 3)
                for (stage, began), end in zip(self._stages.items(), ends, strict=True)
            },
            "resources": said.resources,
        }


def seen_of(looked: Any, offer: Offer, program: str, *, memory: dict[str, int]) -> report.Report:
    """What people see, of what the host told and its offer says."""
    return report.Report(
        code=report.Code(
            program=program,
            interpreter=msgspec.convert(msgspec.to_builtins(offer.interpreter), Interpreter),
            packages=offer.packages,
            modules=msgspec.convert(looked["modules"], list[report.Module]),
            library=looked["library"],
        ),
        resources=offer.resources,
        execution=msgspec.convert(looked["frames"], list[report.Frame]),
        memory=memory,
    )


async def settle(
    node: Node, revision: int, wanted: Record, kept: Record, held: Callable[[], None]
) -> Known | None:
    """Write `wanted` on `revision`; where that gets no answer, `kept`, which says that nothing has happened.

    Returns what the registry holds then, one of the two; None when somebody else has written. `held` is told when it
    takes longer than anybody should wait in silence.
    """
    write, patience = wanted, time.monotonic() + PATIENCE
    while True:
        try:
            return Known(write, await node.registry.update(write, revision))
        except Unavailable:
            write = kept
            if time.monotonic() > patience:
                held()
                patience = float("inf")
            await asyncio.sleep(PACE)
        except StaleEpoch:
            known = await patiently(lambda: node.registry.get(wanted.name))
            return known if known is not None and known.record in (wanted, kept) else None

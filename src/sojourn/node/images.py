"""What a node does with images: `freeze` a process of its own, `thaw` one here or have it thawed elsewhere, `inspect`.

A file is named as the user's machine knows it. Nodes that run under the same kernel are taken to see the same files;
the node that is to thaw opens the file itself, so what is checked is what is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn.errors import HostDied, NotFound, UsageError, WrongState
from sojourn.image import report
from sojourn.image.opened import opened
from sojourn.image.signing import FINGERPRINT, Believed, KeyFile, Signer, Verifier
from sojourn.mobility.source import FREEZE
from sojourn.model.placement import Candidate, place
from sojourn.model.process import OVER, State
from sojourn.node import config
from sojourn.node.freezing import Freezing, seen_of
from sojourn.node.processes import Process
from sojourn.node.requests import Named
from sojourn.node.talk import Emit
from sojourn.node.thawing import Thawing

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

Handler = Callable[[Process, Any, Emit], Awaitable[Any]]


class Freeze(Named, kw_only=True):
    """Arguments of `freeze`."""

    file: str
    deadline: float | None = None


class Thaw(msgspec.Struct, kw_only=True):
    """Arguments of `thaw`."""

    file: str
    node: str | None = None
    name: str | None = None
    trust: list[str] = []  # fingerprints of keys that are believed this once


class InspectFile(msgspec.Struct, kw_only=True):
    """Arguments of `inspect.file`."""

    file: str


class Images:
    """The images of one node. It believes its own key, and those of the nodes that hold a lease now."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.owner_table: dict[str, tuple[type[Named], Handler]] = {
            "freeze": (Freeze, self._freeze),
            "inspect": (Named, self._inspect),
        }
        self.table = {"thaw": (Thaw, self._thaw), "inspect.file": (InspectFile, self._inspect_file)}
        self.peer_table = {"thaw": (Thaw, self._thaw_here)}

    @cached_property
    def signer(self) -> Signer:
        return KeyFile(config.image_key(self._node.home))

    def verifier(self, trust: list[str]) -> Verifier:
        for name in trust:
            if len(name) != FINGERPRINT or set(name.lower()) - set("0123456789abcdef"):
                raise UsageError(
                    f"{name!r} is not the fingerprint of a key",
                    advice=f"{FINGERPRINT} hexadecimal digits, as `sojourn inspect FILE` shows them",
                )
        keys = (entry.image_key for entry in self._node.directory.nodes())
        announced = [bytes.fromhex(key) for key in keys if key]
        return Believed([self.signer.public, *announced], trust)

    # -- freeze ------------------------------------------------------------------------------------------------

    async def _freeze(self, process: Process, asked: Freeze, emit: Emit) -> Any:
        """Goes on when it is complete but for the registry's word; is undone when the one who asked goes away before.
        """
        if asked.deadline is not None and asked.deadline <= 0:
            raise UsageError(f"the deadline is {asked.deadline} seconds; it must be positive")
        if not asked.file.startswith("/"):
            raise UsageError(f"{asked.file!r} is not an absolute path")
        stages: asyncio.Queue[str | None] = asyncio.Queue()
        freezing = Freezing(
            self._node,
            process,
            file=asked.file,
            deadline=FREEZE if asked.deadline is None else asked.deadline,
            signer=self.signer,
            report=stages.put_nowait,
        )
        work = self._node.spawn(freezing.run())
        work.add_done_callback(lambda _: stages.put_nowait(None))
        try:
            while (stage := await stages.get()) is not None:
                await emit({"stage": stage})
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if not freezing.committing:
                work.cancel()
            raise

    # -- thaw --------------------------------------------------------------------------------------------------

    async def _thaw(self, asked: Thaw, emit: Emit) -> Any:
        if not asked.file.startswith("/"):
            raise UsageError(f"{asked.file!r} is not an absolute path")
        chosen = asked.node or self._place()
        if chosen == self._node.name:
            return await self._thaw_here(asked, emit)
        if self._node.address_of(chosen) is None:
            names = ", ".join(entry.name for entry in self._node.directory.nodes())
            raise NotFound(f"there is no node {chosen!r}", advice=f"the nodes are: {names}")
        channel = await self._node.peers.channel(chosen)
        return await channel.ask("thaw", msgspec.to_builtins(asked))

    def _place(self) -> str:
        """Of the nodes that see the file, the one with the fewest processes."""
        directory, here = self._node.directory, self._node.directory.node(self._node.name)
        counts: dict[str, int] = {}
        for known in directory.processes():
            if known.record.state not in (*OVER, State.FROZEN):
                counts[known.record.node] = counts.get(known.record.node, 0) + 1
        nodes = [
            Candidate(entry.name, counts.get(entry.name, 0), entry.load)
            for entry in directory.nodes()
            if here is not None
            and (entry.boot, entry.files) == (here.boot, here.files)
            and not entry.draining
        ]
        return place(nodes, self._node.name) or self._node.name

    async def _thaw_here(self, asked: Thaw, emit: Emit) -> Any:
        """Goes on when the one who asked goes away, as a move does."""
        self._node.refuse_when_draining()
        thawing = Thawing(self._node, asked.file, name=asked.name, verifier=self.verifier(asked.trust))
        return await asyncio.shield(self._node.spawn(thawing.run()))

    # -- inspect -----------------------------------------------------------------------------------------------

    async def _inspect(self, process: Process, asked: Named, emit: Emit) -> Any:
        """Of what runs, the program is asked, between two of its instructions; of what is frozen, nobody but the
        file.
        """
        record = process.record
        if record.rest is not None:
            raise WrongState(
                f"{record.name} is frozen", advice=f"`sojourn inspect {record.rest.file}` looks into its image"
            )
        if process.host is None or process.over.is_set():
            raise WrongState(f"{record.name} has ended")
        try:
            found, looked = await process.host.inspect()
        except HostDied:
            raise WrongState(f"{record.name} has ended") from None
        seen = seen_of(looked, found, record.program, memory=memory_of(process.host.pid))
        return {
            "process": {"name": record.name, "id": record.id, "epoch": record.epoch, "node": record.node},
            **msgspec.to_builtins(seen),
        }

    async def _inspect_file(self, asked: InspectFile, emit: Emit) -> Any:
        return await asyncio.to_thread(self._look_into, asked.file)

    def _look_into(self, file: str) -> dict[str, Any]:
        with opened(file, self.verifier([])) as image:
            said, seen = image.manifest, report.read(image.segment("inspect"))
            return {
                "process": msgspec.to_builtins(said.process),
                "image": {
                    "file": file,
                    "id": said.image,
                    "version": said.version,
                    "frozen_at": said.frozen_at,
                    "cluster": said.by.cluster,
                    "node": said.by.node,
                    "key": image.key,
                    "believed": image.distrust is None,
                    "seed": said.seed,
                    "segments": {
                        kind: {"bytes": said.size(kind), "pieces": len(said.of(kind))}
                        for kind in ("memory", "blob", "log", "inspect")
                    },
                },
                **msgspec.to_builtins(seen),
            }


def memory_of(pid: int) -> dict[str, int]:
    """Bytes of memory of a host process, as the kernel counts them; it is not stopped for this."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            rows = dict(line.split(":", 1) for line in file if line.endswith("kB\n"))
    except OSError as why:
        raise HostDied(f"process {pid} cannot be looked at: {why}") from None
    named = {"resident": "Rss", "own": "Private_Dirty", "shared": "Shared_Clean", "swapped": "Swap"}
    return {name: int(rows[row].split()[0]) << 10 for name, row in named.items() if row in rows}

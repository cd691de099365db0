"""The asyncio client: the verbs of `sync` to await. It shares every decision with it through `calls`.

One request at a time on a connection, as in `sync`, and for the same reasons; cancelling a task closes the
connection of its request, and the node stops working on it where that is still possible.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sojourn.client import calls, copies
from sojourn.client.calls import Call, Chunk, Ended, MoveReport, NodeInfo, PlaneInfo, ProcessInfo
from sojourn.client.copies import CloneReport
from sojourn.client.home import NodeEntry, home_path, in_order, nobody_answers
from sojourn.client.images import AsyncClusterImages, AsyncProcessImages
from sojourn.client.membership import AsyncClusterMembership
from sojourn.client.terminals import AsyncProcessTerminals
from sojourn.client.upkeep import AsyncClusterUpkeep, AsyncProcessUpkeep
from sojourn.client.watching import Reading
from sojourn.errors import from_wire
from sojourn.wire import control, framing
from sojourn.wire.events import AnyEvent

T = TypeVar("T")
CONNECT_TIMEOUT = 5.0  # seconds
ATTEMPTS = 8  # how many nodes may go away under one repeatable call before it is given up


class _Connection:
    """A connection to one node, with at most one request under way; `idle` between requests."""

    def __init__(self, node: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.node = node
        self.idle = True
        self._reader, self._writer = reader, writer
        self._next = 0

    @classmethod
    async def open(cls, entry: NodeEntry) -> _Connection:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            if entry.home is not None:
                from sojourn.client import afar  # TLS, which a node on this machine has no need of

                return cls(entry.name, *await afar.open_connection(entry))
            return cls(entry.name, *await asyncio.open_unix_connection(entry.socket))

    async def exchange(self, call: Call[Any]) -> AsyncGenerator[control.Answer, None]:
        """Yields the items of the answer and, last, its end; raises as the blocking one does."""
        self._next += 1
        self.idle = False
        self._writer.write(control.encode(control.Request(self._next, call.op, call.args)))
        await self._writer.drain()
        while True:
            size = framing.length(await self._reader.readexactly(framing.HEADER.size), cap=control.CAP)
            answer = control.answer(await self._reader.readexactly(size), call.rows)
            self.idle = answer.item is msgspec.UNSET
            if answer.error is not msgspec.UNSET:
                raise from_wire(answer.error)
            yield answer
            if self.idle:
                return

    def alive(self) -> bool:
        return not self._reader.at_eof() and not self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()


class Link:
    """Carries calls to whichever node answers: the preferred one first, then the others of `cluster.json`."""

    def __init__(self, home: Path, node: str | None) -> None:
        self.home = home
        self._preferred = node
        self._idle: list[_Connection] = []

    async def ask(self, call: Call[T]) -> T:
        async with aclosing(self.stream(call)) as stream:
            async for answer in stream:
                if answer.item is msgspec.UNSET:
                    return call.result(answer.ok)
        raise AssertionError("an exchange ends with an answer or an error")

    async def stream(
        self, call: Call[Any], again: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[control.Answer, None]:
        """Items and end of an answer, from the next node when one goes away; `again` is told of a new
        beginning.
        """
        for attempt in range(1, ATTEMPTS + 1):
            connection = await self._take()
            try:
                async with aclosing(connection.exchange(call)) as answers:
                    async for answer in answers:
                        yield answer
                return
            except (OSError, EOFError) as why:
                if not call.repeatable or attempt == ATTEMPTS:
                    raise call.lost(connection.node) from why
                again()
            finally:
                if connection.idle:
                    self._idle.append(connection)
                else:
                    connection.close()

    async def _take(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.alive():
                return connection
            connection.close()
        for entry in in_order(self.home, self._preferred):
            try:
                return await _Connection.open(entry)
            except OSError:
                continue
        raise nobody_answers(self.home)

    def close(self) -> None:
        """Close the connections that wait. The link may be used again."""
        while self._idle:
            self._idle.pop().close()


class AsyncCluster(AsyncClusterUpkeep, AsyncClusterImages, AsyncClusterMembership):
    """A cluster on this machine, spoken to through one of its nodes; made by `connect_async`."""

    def __init__(self, home: Path, node: str | None = None) -> None:
        self.home = home
        self.link = Link(home, node)

    async def __aenter__(self) -> AsyncCluster:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Processes go on; the handle may be used again."""
        self.link.close()

    async def run(
        self,
        program: str | os.PathLike[str] | None = None,
        *args: str,
        module: str | None = None,
        name: str | None = None,
        node: str | None = None,
        python: str | os.PathLike[str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        set_env: Mapping[str, str] | None = None,
        with_: Sequence[str | os.PathLike[str]] = (),
        terminal: tuple[int, int] | bool = False,
        memory: int | str | None = None,
        cpus: float | None = None,
    ) -> AsyncProcess:
        """Start a program; see `Cluster.run`."""
        workspace = None
        if with_:
            from sojourn.client.workspaces import Packed  # with blake3, which other commands need not load

            cwd = os.path.abspath(cwd if cwd is not None else os.getcwd())
            packed = Packed(with_, cwd, None if program is None else os.fspath(program))
            for put in packed.puts(await self.link.ask(packed.lacks())):
                await self.link.ask(put)
            workspace, program = packed.spec(), packed.program
        call = calls.run(
            *(program, args), module=module, name=name, node=node, python=python, cwd=cwd, env=env,
            set_env=set_env, workspace=workspace, terminal=terminal, memory=memory, cpus=cpus,
        )  # fmt: skip
        started = await self.link.ask(call)
        return AsyncProcess(self.link, started.name, started.id)

    async def ps(self, *, all: bool = False) -> list[ProcessInfo]:
        """The processes that live, and with `all` also those that ended and were not removed."""
        return await self.link.ask(calls.ps(all=all))

    async def nodes(self) -> list[NodeInfo]:
        """The nodes of the cluster."""
        return await self.link.ask(calls.nodes())

    async def plane(self) -> PlaneInfo:
        """How the control plane stands."""
        return await self.link.ask(calls.plane())

    async def events(
        self, *, follow: bool = False, process: str | None = None, since: float | None = None
    ) -> AsyncIterator[AnyEvent]:
        """What happened in the cluster, in order; see `Cluster.events`."""
        reading = Reading(follow=follow, process=process, since=since)
        async with aclosing(self.link.stream(reading.call)) as stream:
            async for answer in stream:
                if answer.item is not msgspec.UNSET:
                    yield reading.take(answer.item).event

    async def process(self, name: str) -> AsyncProcess:
        """The handle of the process with this name or id. Raises NotFound."""
        row = await self.link.ask(calls.find(name))
        return AsyncProcess(self.link, row.name, row.id)


class AsyncProcess(AsyncProcessTerminals, AsyncProcessUpkeep, AsyncProcessImages):
    """A process of the cluster, wherever it runs; every verb as in `Process`, to await."""

    def __init__(self, link: Link, name: str, id: str) -> None:
        self._link = link
        self.name = name
        self.id = id

    def __repr__(self) -> str:
        return f"<sojourn process {self.name} {self.id}>"

    async def info(self) -> ProcessInfo:
        """What `ps` shows of it. Raises NotFound after `rm`."""
        return await self._link.ask(calls.find(self.id))

    async def logs(self, *, follow: bool = False, out: bool = True, err: bool = True) -> AsyncIterator[Chunk]:
        """Its output from the very beginning, in order of arrival, over all its moves."""
        unseen = calls.Unseen()
        call = calls.logs(self.id, follow=follow, out=out, err=err)
        async with aclosing(self._link.stream(call, unseen.again)) as stream:
            async for answer in stream:
                chunk = None if answer.item is msgspec.UNSET else unseen.take(answer.item)
                if chunk is not None:
                    yield chunk

    async def output(self) -> tuple[bytes, bytes]:
        """All of stdout and all of stderr so far; of a process with a terminal, what it wrote there, and nothing."""
        parts: dict[str, list[bytes]] = {"out": [], "err": [], "terminal": []}
        async for chunk in self.logs():
            parts[chunk.stream].append(chunk.data)
        return b"".join(parts["out"] or parts["terminal"]), b"".join(parts["err"])

    async def wait(self, timeout: float | None = None) -> Ended:
        """Wait for its end. Raises TimeoutError after `timeout` seconds."""
        return calls.waited(self.name, await self._link.ask(calls.wait(self.id, timeout=timeout)))

    async def stop(self, grace: float = 10.0) -> None:
        """Ask it to end (SIGTERM), and kill it after `grace` seconds; returns when it has ended."""
        await self._link.ask(calls.stop(self.id, grace=grace))

    async def kill(self) -> None:
        """End it at once (SIGKILL)."""
        await self._link.ask(calls.kill(self.id))

    async def rm(self) -> None:
        """Forget an ended process, its log included, and free its name."""
        await self._link.ask(calls.rm(self.id))

    async def signal(self, signal: int | str) -> None:
        """Send it a signal, by number or name."""
        await self._link.ask(calls.signal(self.id, signal))

    async def write_stdin(self, data: bytes, *, eof: bool = False) -> None:
        """Give it input; with `eof` nothing comes after."""
        await self._link.ask(calls.stdin(self.id, data, eof=eof))

    async def move(
        self,
        node: str,
        *,
        deadline: float | None = None,
        on_stage: Callable[[str], None] = lambda stage: None,
    ) -> MoveReport:
        """Move it to another node; see `Process.move`."""
        async with aclosing(self._link.stream(calls.move(self.id, node, deadline=deadline))) as stream:
            async for answer in stream:
                if answer.item is msgspec.UNSET:
                    return calls.moved(answer.ok)
                on_stage(str(answer.item["stage"]))
        raise AssertionError("an exchange ends with an answer or an error")

    async def rename(self, name: str) -> None:
        """Give it another name; its id, its log and its handles stay."""
        self.name = str((await self._link.ask(copies.rename(self.id, name)))["name"])

    async def clone(
        self,
        *nodes: str,
        name: str | None = None,
        deadline: float | None = None,
        keep_random: bool = False,
        on_stage: Callable[[str], None] = lambda stage: None,
    ) -> CloneReport:
        """Make copies of it that go on from where it is; see `Process.clone`."""
        call = copies.clone(self.id, nodes, name=name, deadline=deadline, keep_random=keep_random)
        async with aclosing(self._link.stream(call)) as stream:
            async for answer in stream:
                if answer.item is msgspec.UNSET:
                    return copies.cloned(answer.ok)
                on_stage(str(answer.item["stage"]))
        raise AssertionError("an exchange ends with an answer or an error")


async def connect_async(home: str | os.PathLike[str] | None = None, node: str | None = None) -> AsyncCluster:
    """Open a cluster that runs on this machine; see `connect`."""
    cluster = AsyncCluster(home_path(home), node)
    await cluster.link.ask(calls.hello())
    return cluster

"""What can be asked of a node, and how a request finds the node that has the process.

Concepts. Clients ask any node. What concerns one process is carried out by its owner: here, or at the node
that the directory names, with the process's id and epoch. An owner that is asked with an old epoch refuses
(`StaleEpoch`); the asking node looks in the registry and asks again. So requests follow a process that
moves, and nothing is done twice: an owner refuses before it does anything.
"""

from __future__ import annotations

import asyncio
import os
import signal as signals
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn import __version__
from sojourn._util.ids import new_id
from sojourn.errors import (
    Busy,
    NameTaken,
    NodeLost,
    NotFound,
    StaleEpoch,
    Unavailable,
    UsageError,
    WrongState,
)
from sojourn.machines.base import StartSpec
from sojourn.mobility.points import Points
from sojourn.model.placement import Candidate, place
from sojourn.model.process import OVER, State
from sojourn.names.registry import Known, Record
from sojourn.node import naming
from sojourn.node.departure import depart
from sojourn.node.processes import PACE, Process
from sojourn.node.talk import Emit
from sojourn.resources.log import STREAM_NAMES, Log, Position

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

CATCH_UP = 0.5  # seconds that a listing waits for the latest writes of others
BATCH = 256 << 10  # bytes of log sent at a time
FOLLOW = 30.0  # seconds to look for the owner of a process that keeps moving
HELD = 30.0  # seconds that a request waits for a move to let go of the process


class Named(msgspec.Struct, kw_only=True):
    """Arguments that name a process; `id` and `epoch` when a node asks another."""

    name: str
    id: str = ""
    epoch: int = 0


class Run(msgspec.Struct, kw_only=True):
    program: str | None = None
    module: str | None = None
    args: list[str] = []
    name: str | None = None
    node: str | None = None
    python: str | None = None
    cwd: str
    env: dict[str, str] = {}


class List(msgspec.Struct, kw_only=True):
    all: bool = False


class Logs(Named, kw_only=True):
    follow: bool = False
    out: bool = True
    err: bool = True
    at: tuple[int, int] = (0, 0)  # the position in the log to begin at


class Wait(Named, kw_only=True):
    timeout: float | None = None


class Stop(Named, kw_only=True):
    grace: float = 10.0


class Signal(Named, kw_only=True):
    signal: int


class Stdin(Named, kw_only=True):
    data: bytes = b""
    eof: bool = False


class Move(Named, kw_only=True):
    node: str
    deadline: float | None = None


class Point(msgspec.Struct, kw_only=True):
    point: str
    then: str = "go"


class Nothing(msgspec.Struct):
    pass


Handler = Callable[[Any, Emit], Awaitable[Any]]
AtOwner = Callable[[Process, Any, Emit], Awaitable[Any]]


class Operations:
    """The operations of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._directory = node.directory
        self._ops: dict[str, tuple[type, Handler]] = {
            "hello": (Nothing, self._hello),
            "run": (Run, self._run),
            "ps": (List, self._ps),
            "nodes": (Nothing, self._nodes),
            "logs": (Logs, self._logs),
            "wait": (Wait, self._wait),
            "stop": (Stop, self._routed("stop")),
            "kill": (Named, self._routed("kill")),
            "signal": (Signal, self._routed("signal")),
            "stdin": (Stdin, self._routed("stdin")),
            "move": (Move, self._routed("move")),
            "rm": (Named, self._rm),
            "down": (Nothing, self._down),
            "testing.hold": (Point, self._hold),
            "testing.reached": (Point, self._reached),
            "testing.release": (Point, self._release),
        }
        self._owner: dict[str, tuple[type, AtOwner]] = {
            "logs": (Logs, self._own_logs),
            "stop": (Stop, self._own_stop),
            "kill": (Named, self._own_kill),
            "signal": (Signal, self._own_signal),
            "stdin": (Stdin, self._own_stdin),
            "move": (Move, self._own_move),
        }

    # -- ways in ---------------------------------------------------------------------------------

    async def serve_client(self, op: str, args: dict[str, Any], emit: Emit) -> Any:
        """A request from the control socket. Raises UsageError and whatever the operation raises."""
        found = self._ops.get(op)
        if found is None:
            raise UsageError(f"there is no operation {op!r}", advice=f"there are: {', '.join(self._ops)}")
        kind, handler = found
        return await handler(msgspec.convert(args, kind), emit)

    async def serve_peer(self, op: str, args: dict[str, Any], emit: Emit) -> Any:
        """A request of another node, for what is here."""
        if op == "run":
            return await self._start(msgspec.convert(args, Run))
        found = self._owner.get(op)
        if found is None:
            raise UsageError(f"there is no operation {op!r} between nodes")
        kind, handler = found
        asked = msgspec.convert(args, kind)
        process = self._node.processes.get(asked.id)
        if process is None or process.departed or asked.epoch < process.record.epoch:
            raise StaleEpoch(f"{asked.name} is not at node {self._node.name} with epoch {asked.epoch}")
        return await handler(process, asked, emit)

    # -- finding the owner -----------------------------------------------------------------------

    def _routed(self, op: str) -> Handler:
        async def handler(asked: Named, emit: Emit) -> Any:
            return await self._at_owner(op, lambda: asked, emit)

        return handler

    async def _at_owner(self, op: str, ask: Callable[[], Named], emit: Emit) -> Any:
        """Have an operation done where the process is, wherever it goes meanwhile. `ask` gives the
        arguments, anew for each owner.
        """
        known = await self._find(ask().name)
        until = time.monotonic() + FOLLOW
        while True:
            record, asked, began = known.record, ask(), time.monotonic()
            process = self._node.processes.get(record.id)
            try:
                if process is not None and not process.departed:
                    return await self._owner[op][1](process, asked, emit)
                if record.node == self._node.name:
                    if record.state is State.LOST:
                        raise NodeLost(f"{record.name} was lost with node {record.node}")
                    raise StaleEpoch(f"{record.name} is not here yet, or not any more")
                channel = await self._node.peers.channel(record.node)
                args = {
                    **msgspec.to_builtins(asked),
                    "name": record.name,
                    "id": record.id,
                    "epoch": record.epoch,
                }
                return await channel.ask(op, args, emit)
            except StaleEpoch:
                now = time.monotonic()
                if now > until:
                    raise
                if now - began > 1.0:  # it was served for a while, and the process has moved since
                    until = now + FOLLOW
            known = await self._newer(known)

    async def _find(self, name: str) -> Known:
        """The record of that name or id. Raises NotFound."""
        known = self._directory.process(name)
        if known is None:
            try:
                known = await self._node.registry.get(naming.checked(name))
            except Unavailable:
                known = None
            if known is None:
                raise NotFound(f"there is no process {name!r}", advice="`sojourn ps -a` lists them all")
            self._directory.wrote(known.record, known.revision)
        return known

    async def _newer(self, stale: Known) -> Known:
        """What the registry says now; waits a little while it says the same."""
        name = stale.record.name
        try:
            known = await self._node.registry.get(name)
        except Unavailable:
            known = self._directory.process(name)
        if known is None or known.record.id != stale.record.id:
            raise NotFound(f"{name} is gone")
        self._directory.wrote(known.record, known.revision)
        if known.revision == stale.revision:
            try:
                async with asyncio.timeout(0.05):
                    await self._directory.changed()
            except TimeoutError:
                pass
        return self._directory.process(name) or known

    # -- about the cluster -----------------------------------------------------------------------

    async def _hello(self, asked: Nothing, emit: Emit) -> Any:
        return {
            "node": self._node.name,
            "version": __version__,
            "pid": os.getpid(),
            "address": self._node.address,
        }

    async def _catch_up(self) -> None:
        """Know what others have written before now; while the control plane is away, go by what is known."""
        try:
            async with asyncio.timeout(CATCH_UP):
                latest = await self._node.registry.barrier()
                await self._directory.until(lambda: self._directory.revision >= latest)
        except (Unavailable, TimeoutError):
            pass

    async def _ps(self, asked: List, emit: Emit) -> Any:
        await self._catch_up()
        return [
            self._row(known.record)
            for known in self._directory.processes()
            if asked.all or known.record.state is not State.ENDED
        ]

    def _row(self, record: Record) -> dict[str, Any]:
        shown = ("name", "id", "node", "machine", "state", "epoch", "moves", "started", "exit_code", "signal")
        row = {field: getattr(record, field) for field in (*shown, "pid", "program")}
        return row | {"state": record.state.value}

    async def _nodes(self, asked: Nothing, emit: Emit) -> Any:
        await self._catch_up()
        counts = self._counts()
        rows = [
            {
                "name": entry.name,
                "address": entry.address,
                "interpreters": entry.interpreters,
                "load": entry.load,
                "processes": counts.get(entry.name, 0),
                "state": "up",
                "pid": entry.pid,
            }
            for entry in self._directory.nodes()
        ]
        gone = {known.record.node for known in self._directory.processes()} - {row["name"] for row in rows}
        rows += [
            {"name": name, "address": "", "interpreters": [], "load": 0.0, "processes": counts.get(name, 0),
             "state": "gone", "pid": None}
            for name in sorted(gone)
        ]  # fmt: skip
        return rows

    def _counts(self) -> dict[str, int]:
        """Living processes by node."""
        counts: dict[str, int] = {}
        for known in self._directory.processes():
            if known.record.state not in OVER:
                counts[known.record.node] = counts.get(known.record.node, 0) + 1
        return counts

    async def _down(self, asked: Nothing, emit: Emit) -> Any:
        self._node.ending.set()

    # -- starting --------------------------------------------------------------------------------

    async def _run(self, asked: Run, emit: Emit) -> Any:
        if (asked.program is None) == (asked.module is None):
            raise UsageError("name either a program or a module")
        if asked.name is not None:
            naming.checked(asked.name)
        chosen = asked.node or self._place()
        if chosen == self._node.name:
            return await self._start(asked)
        if self._node.address_of(chosen) is None:
            names = ", ".join(entry.name for entry in self._directory.nodes())
            raise NotFound(f"there is no node {chosen!r}", advice=f"the nodes are: {names}")
        channel = await self._node.peers.channel(chosen)
        return await channel.ask("run", msgspec.to_builtins(asked))

    def _place(self) -> str:
        counts = self._counts()
        nodes = [Candidate(e.name, counts.get(e.name, 0), e.load) for e in self._directory.nodes()]
        return place(nodes, self._node.name) or self._node.name

    async def _start(self, asked: Run) -> Any:
        node = self._node
        machine = node.machine("python")
        program = asked.program or asked.module or ""
        record = Record(
            name=asked.name or naming.made_for(program),
            id=new_id(),
            node=node.name,
            address=node.address,
            machine=machine.kind,
            started=time.time(),
            program=" ".join([program if asked.program else f"-m {program}", *asked.args])[:500],
        )
        node.expected.add(record.id)
        try:
            known = await self._create(record, given=asked.name is not None)
            record = known.record
            output = Log(node.log_folder(record.id), record.epoch)
            spec = StartSpec(
                id=record.id,
                name=record.name,
                epoch=record.epoch,
                python=asked.python,
                program=asked.program,
                module=asked.module,
                args=asked.args,
                cwd=asked.cwd,
                env=asked.env,
            )
            try:
                host = await machine.start(spec, output)
            except BaseException:
                output.remove()
                await node.registry.delete(record.name, known.revision)
                node.directory.deleted(record.name, known.revision + 1)
                raise
            process = node.keep(known, host, output)
        finally:
            node.expected.discard(record.id)
        process.publish(state=State.RUNNING, pid=host.pid)
        return self._row(msgspec.structs.replace(process.record, state=State.RUNNING, pid=host.pid))

    async def _create(self, record: Record, *, given: bool) -> Known:
        while True:
            try:
                revision = await self._node.registry.create(record)
            except Unavailable:
                self._node.spawn(self._never_was(record))
                raise
            except NameTaken:
                if given:
                    raise
                stem = record.name.rpartition("-")[0]
                record = msgspec.structs.replace(record, name=naming.made_for(stem))
                continue
            self._directory.wrote(record, revision)
            return Known(record, revision)

    async def _never_was(self, record: Record) -> None:
        """A record was refused for want of an answer, but may still land: take its place, and free the name."""
        registry = self._node.registry
        self._node.expected.add(record.id)  # it is nobody's business to declare it lost
        try:
            while True:
                try:
                    revision = await registry.create(record)  # beats the one that is under way
                except Unavailable:
                    await asyncio.sleep(PACE)
                    continue
                except NameTaken:
                    known = await self._patiently(lambda: registry.get(record.name))
                    if known is None or known.record.id != record.id:
                        return
                    revision = known.revision
                await self._patiently(lambda at=revision: registry.delete(record.name, at))
                return
        except StaleEpoch:
            pass  # removed by somebody else
        finally:
            self._node.expected.discard(record.id)

    async def _patiently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """The answer, however long the control plane is away."""
        while True:
            try:
                return await call()
            except Unavailable:
                await asyncio.sleep(PACE)

    # -- the end of a process --------------------------------------------------------------------

    async def _wait(self, asked: Wait, emit: Emit) -> Any:
        known = await self._find(asked.name)
        name, process_id = known.record.name, known.record.id

        def latest() -> Record | None:
            now = self._directory.process(name)
            return now.record if now is not None and now.record.id == process_id else None

        def over() -> bool:
            process = self._node.processes.get(process_id)
            record = latest()
            return record is None or record.state in OVER or (process is not None and process.over.is_set())

        try:
            async with asyncio.timeout(asked.timeout):
                process = self._node.processes.get(process_id)
                if process is None:
                    await self._directory.until(over)
                else:
                    await _first(self._directory.until(over), process.over.wait())
                    if not over():
                        await self._directory.until(over)
        except TimeoutError:
            pass
        record = latest()
        if record is None:
            raise NotFound(f"{name} was removed")
        process = self._node.processes.get(process_id)
        if process is not None and process.exit is not None:
            return {"state": "ended", "exit_code": process.exit.code, "signal": process.exit.signal}
        return {"state": record.state.value, "exit_code": record.exit_code, "signal": record.signal}

    async def _rm(self, asked: Named, emit: Emit) -> Any:
        known = await self._find(asked.name)
        while True:
            process = self._node.processes.get(known.record.id)
            if process is not None and process.over.is_set():
                await process.written()  # its end is on the way into the registry
                known = Known(process.record, process.revision)
            if known.record.state not in OVER:
                raise WrongState(
                    f"{known.record.name} is {known.record.state.value}", advice="`sojourn stop` it first"
                )
            try:
                revision = await self._node.registry.delete(known.record.name, known.revision)
                break
            except StaleEpoch:
                known = await self._newer(known)
        self._directory.deleted(known.record.name, revision)

    async def _own_stop(self, process: Process, asked: Stop, emit: Emit) -> Any:
        await self._hands_off(process)
        if process.over.is_set():
            return
        self._host_signal(process, signals.SIGTERM)
        try:
            async with asyncio.timeout(asked.grace):
                await _first(process.over.wait(), process.gone.wait())
        except TimeoutError:
            await self._own_kill(process, asked, emit)
        if process.departed:
            raise StaleEpoch(f"{process.name} has moved away")
        await process.written()

    async def _own_kill(self, process: Process, asked: Named, emit: Emit) -> Any:
        if process.can_kill is None or not process.can_kill():
            await self._hands_off(process)
        if process.host is not None and not process.over.is_set():
            await process.host.kill()
            await self._hands_off(process)
            await process.over.wait()
        await process.written()

    async def _own_signal(self, process: Process, asked: Signal, emit: Emit) -> Any:
        await self._hands_off(process)
        if process.over.is_set():
            raise WrongState(f"{process.name} has ended")
        self._host_signal(process, asked.signal)

    def _host_signal(self, process: Process, number: int) -> None:
        assert process.host is not None
        try:
            process.host.signal(number)
        except ProcessLookupError:
            pass  # it has just ended, and is being attended
        except (ValueError, OSError) as why:
            raise UsageError(f"signal {number} cannot be sent to {process.name}: {why}") from why

    async def _own_stdin(self, process: Process, asked: Stdin, emit: Emit) -> Any:
        await self._hands_off(process)
        if process.over.is_set() or process.host is None:
            raise WrongState(f"{process.name} has ended")
        await process.host.write_stdin(asked.data, eof=asked.eof)

    async def _hands_off(self, process: Process) -> None:
        """Wait until no move has the process in its hands. Raises StaleEpoch when it has gone, Busy when it is held."""
        try:
            async with asyncio.timeout(HELD):
                await process.settled.wait()
        except TimeoutError:
            raise Busy(f"{process.name} is held by a move that waits for the control plane") from None
        if process.departed:
            raise StaleEpoch(f"{process.name} has moved away")

    # -- output ----------------------------------------------------------------------------------

    async def _logs(self, asked: Logs, emit: Emit) -> Any:
        """The log from wherever it is; goes on at the next owner when the process moves."""
        at = asked.at

        async def relay(batch: Any) -> None:
            nonlocal at
            for stream, data in batch["chunks"]:
                await emit({"stream": stream, "data": data})
            at = (batch["at"][0], batch["at"][1])

        known = await self._find(asked.name)
        name, process_id = known.record.name, known.record.id
        while True:
            try:
                return await self._at_owner("logs", lambda: msgspec.structs.replace(asked, at=at), relay)
            except NodeLost:
                # Its owner is gone. Somebody takes the process back, or it is declared lost.
                if not asked.follow or known.record.state is State.LOST:
                    raise
                await self._directory.until(lambda: self._moved_on(name, process_id, known))
                known = await self._find(name)

    def _moved_on(self, name: str, process_id: str, known: Known) -> bool:
        now = self._directory.process(name)
        return now is None or now.record.id != process_id or now.revision > known.revision

    async def _own_logs(self, process: Process, asked: Logs, emit: Emit) -> Any:
        """Batches with the position behind each, so that whoever relays them can go on elsewhere."""
        position = Position(*asked.at)
        wanted = {number: name for number, name in STREAM_NAMES.items() if getattr(asked, name)}
        process.readers += 1
        try:
            while True:
                records, position = process.output.read(position, limit=BATCH)
                chunks = [(wanted[r.stream], r.data) for r in records if r.stream in wanted]
                if records:
                    await emit({"chunks": chunks, "at": (position.epoch, position.offset)})
                elif process.departed:
                    raise StaleEpoch(f"{process.name} has moved away")
                elif not asked.follow or not await process.output.grown(position):
                    if not process.departed:
                        break
        finally:
            process.readers -= 1
            process.close_log()
        if process.exit is None:
            return {}
        return {"exit_code": process.exit.code, "signal": process.exit.signal}

    # -- moving and testing ----------------------------------------------------------------------

    async def _own_move(self, process: Process, asked: Move, emit: Emit) -> Any:
        if process.moving:
            raise Busy(f"{process.name} is being moved already")
        await self._hands_off(process)  # it may have arrived this moment, with its confirmation on the way
        return await depart(self._node, process, asked.node, asked.deadline, emit)

    @property
    def _points(self) -> Points:
        return self._node.points

    async def _hold(self, asked: Point, emit: Emit) -> Any:
        self._points.hold(asked.point)

    async def _reached(self, asked: Point, emit: Emit) -> Any:
        await self._points.reached(asked.point)

    async def _release(self, asked: Point, emit: Emit) -> Any:
        self._points.release(asked.point, asked.then)


async def _first(*works: Any) -> None:
    """Until one of them is done."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()

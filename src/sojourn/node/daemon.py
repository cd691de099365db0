"""One node: what it holds, and how its rooms are wired together.

A node stands on four tasks for as long as it lives: the watch that feeds its directory, the keeper of its
lease, the settler of dead nodes' processes, and one attendant per process. Everything else happens on
request: over the control socket, over control connections of other nodes, or over the connection of a move
that comes in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from sojourn._util import clock
from sojourn.errors import (
    Refused,
    SojournError,
    Unavailable,
)
from sojourn.folders.store import Store
from sojourn.machines.base import Machine
from sojourn.mobility.link import boot_id, mounts
from sojourn.mobility.points import Points
from sojourn.model.lease import Terms
from sojourn.model.process import State
from sojourn.names.directory import Directory, Value
from sojourn.names.journal import Journal
from sojourn.names.registry import Known, Member, NodeEntry, Record, Registry
from sojourn.node import config
from sojourn.node.announcer import Announcer
from sojourn.node.arrivals import receive
from sojourn.node.hosting import Host
from sojourn.node.membership import Membership, identity_of
from sojourn.node.operations import Operations
from sojourn.node.peers import Peers
from sojourn.node.processes import Process, told_of
from sojourn.node.replica import Replica
from sojourn.node.talk import Session
from sojourn.node.tenure import Keeper
from sojourn.node.wishes import Wishes
from sojourn.resources.log import Log
from sojourn.trust.identity import NODE
from sojourn.wire import events

log = logging.getLogger(__name__)

ENDING = 2.0  # seconds between SIGTERM and SIGKILL when the node ends


class Node:
    """One node.

    Args:
        name: in the cluster.
        home: the cluster's folder on this machine.
        cluster: what is written down there.
        registry: connected.
        journal: of the cluster.
        machines: by kind.
    """

    def __init__(
        self,
        name: str,
        home: Path,
        *,
        cluster: config.Cluster,
        registry: Registry,
        journal: Journal,
        machines: dict[str, Machine],
    ) -> None:
        self.name = name
        self.home = home
        self.cluster = cluster
        self.folder = config.node_folder(home, name)
        self.socket = config.socket_path(home, name)
        self.registry = registry
        self.machines = machines
        self.directory = Directory()
        self.events = Announcer(journal)
        self.points = Points(enabled=cluster.options.faults)
        self.address = ""
        self.store = Store(self.folder / "blobs")
        self.processes: dict[str, Process] = {}  # by id: those that are here
        self.expected: set[str] = set()  # ids of those that are about to be here
        self.landings: dict[str, asyncio.Event] = {}  # set when a move to here is over, however it ended
        self.reserved: set[str] = set()  # ids of the copies that processes here are being cloned into
        self.draining = False  # nothing new comes here
        self.ending = asyncio.Event()  # somebody asked the node to end
        self._addresses: dict[str, str] = {}  # where each node was last, for while the control plane is away
        self._interpreters: list[dict[str, Any]] = []
        self._incarnation = secrets.token_hex(8)
        self._boot = boot_id()
        self._files = mounts()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sessions: set[Session] = set()
        self._server: asyncio.Server | None = None
        self.replica = Replica(self, home, cluster) if cluster.joined and cluster.nats.expect else None
        self.operations = Operations(self)
        self.wishes = Wishes(self)
        self.membership = Membership(
            config.member(cluster, name), config.trusted(home), config.credentials(home, name), self.directory
        )
        self.peers = Peers(
            self.membership, self.operations.serve_member, partial(receive, self), self.address_of
        )
        self.keeper = Keeper(
            terms=Terms(cluster.options.lease),
            registry=registry,
            directory=self.directory,
            entry=self._entry,
            ours=lambda record: record.id in self.processes or record.id in self.expected,
            answers=lambda record: record.id in self.processes or record.id in self.reserved,
            at_work=lambda record: (
                (here := self.processes.get(record.id)) is not None and here.cloning.locked()
            ),
            usurped=self.ending.set,
            lost=self._tell_lost,
            returned=lambda: self._tell_up("its lease had run out"),
            expelled=lambda other: self.membership.expelled(NODE, other),
        )
        self.directory.listen(self._heard)
        for machine in machines.values():
            machine.trouble = self._tell_trouble

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Be ready for requests. Raises what the control plane raises."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.address = await self.peers.open(self.cluster.listen)
        self.spawn(self._follow())
        await self.keeper.enter()
        async with asyncio.timeout(10):
            await self.directory.until(
                lambda: self.directory.synced.is_set() and self.directory.node(self.name) is not None
            )
        self.spawn(self.keeper.keep())
        self.spawn(self.keeper.settle())
        await self._listen()
        self.spawn(self._know_interpreters())
        self.spawn(self.events.run())
        self._tell_up("started")
        if not self.cluster.joined:
            self.spawn(Host(self, self.home, self.cluster).run())
        elif self.replica is not None:
            self.spawn(self.replica.run())

    async def close(self) -> None:
        """End every process here, then the node."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*(self._end(process) for process in list(self.processes.values())))
        for machine in self.machines.values():
            await machine.close()
        self._tell_gone(self.name, self._incarnation, "it was asked to end")
        with contextlib.suppress(SojournError, TimeoutError):
            async with asyncio.timeout(ENDING):
                await asyncio.gather(*(process.written() for process in self.processes.values()))
                await self.events.written()
                await self.keeper.release()
        await self.peers.close()
        for session in list(self._sessions):
            session.close()
        self.events.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.replica is not None:
            await self.replica.close()
        await self.registry.close()
        for process in self.processes.values():
            process.output.close()
        self.socket.unlink(missing_ok=True)
        log.info("the node has ended")

    async def _end(self, process: Process) -> None:
        if process.host is None or process.over.is_set() or process.departed:
            return
        with contextlib.suppress(SojournError, TimeoutError):
            async with asyncio.timeout(ENDING):
                process.host.signal(15)
                await process.over.wait()
        if not process.over.is_set():
            await process.host.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ENDING):
                    await process.over.wait()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something for as long as the node lives; what it raises is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (why := task.exception()) is None:
            return
        if not isinstance(why, SojournError):  # those are answers to somebody
            log.error("a task failed", exc_info=why)

    async def _listen(self) -> None:
        self.socket.unlink(missing_ok=True)
        before = os.umask(0o177)  # from its first moment the socket is its owner's alone
        try:
            self._server = await asyncio.get_running_loop().create_unix_server(
                lambda: Session(self.operations.serve_client, self._sessions), str(self.socket)
            )
        finally:
            os.umask(before)

    async def _know_interpreters(self) -> None:
        for machine in self.machines.values():
            found = await machine.interpreters()
            self._interpreters += [msgspec.to_builtins(interpreter) for interpreter in found]
        with contextlib.suppress(Unavailable):  # the next renewal says it
            await self.keeper.enter()

    # -- the registry ----------------------------------------------------------------------------

    async def _follow(self) -> None:
        async for step in self.registry.watch():
            self.directory.apply(step)

    def _heard(self, kind: str, name: str, old: Value, new: Value) -> None:
        """Addresses are remembered. When a record is gone, what this node kept of the process goes too; when a process
        that rests here was thawed elsewhere, those who read its log are sent on.
        """
        if isinstance(new, NodeEntry):
            self._addresses[name] = new.address
        if isinstance(old, NodeEntry) and new is None and name != self.name:
            self._tell_gone(name, old.incarnation, "its lease is over")
        if isinstance(new, Member) and new.expelled:
            self.peers.expelled(identity_of(new, self.cluster.cluster))
            if (new.role, new.name) == (NODE, self.name):
                log.critical("this node was expelled from the cluster; it ends")
                self.ending.set()
        if isinstance(old, Record) and new is None and self.directory.process(old.id) is not None:
            return  # it has another name by now, or a claim on one has been taken away
        if kind == "process" and isinstance(old, Record):
            self._given_up(old, new)
        if isinstance(old, Record) and new is None:
            process = self.processes.get(old.id)
            if process is not None and (process.over.is_set() or process.resting):
                del self.processes[old.id]
                process.depart()
            if process is None or process.over.is_set() or process.resting:
                self._forget_log(old.id)
                self.forget_places(old.id)
        if kind == "process" and isinstance(new, Record) and new.node != self.name:
            process = self.processes.get(new.id)
            if process is not None and process.resting:
                self.let_go(process)

    def _given_up(self, old: Record, new: Value) -> None:
        """The others took this node for dead, with a process that runs here: it says that it does, with the next epoch,
        or learns that the name is somebody else's by now, and ends (`Process.reread`).
        """
        process = self.processes.get(old.id)
        if process is None or process.name != old.name:
            return
        if process.over.is_set() or process.moving or process.resting:
            return
        ours = isinstance(new, Record) and new.id == old.id
        if not ours or (isinstance(new, Record) and new.state is State.LOST and new.node == self.name):
            process.publish(state=State.RUNNING, pid=process.record.pid)

    def forget_places(self, process_id: str) -> None:
        for machine in self.machines.values():
            machine.forget(process_id)

    def _forget_log(self, process_id: str) -> None:
        folder = self.log_folder(process_id)
        if folder.exists():
            Log(folder).remove()

    def _entry(self) -> NodeEntry:
        return NodeEntry(
            name=self.name,
            address=self.address,
            pid=os.getpid(),
            incarnation=self._incarnation,
            boot=self._boot,
            files=self._files,
            socket=str(self.socket),
            interpreters=self._interpreters,
            load=round(os.getloadavg()[0], 2),
            draining=self.draining,
            image_key=self.operations.images.signer.public.hex(),
            site=self.cluster.joined,
        )

    def address_of(self, node: str) -> str | None:
        """Where that node listens, as far as is known; None when there is none, or it is dead or expelled."""
        return None if self.keeper.dead(node) else self._addresses.get(node)

    # -- telling ---------------------------------------------------------------------------------

    def _tell_up(self, why: str) -> None:
        self.events.tell(events.NodeUp(time=clock.wall(), node=self.name, address=self.address, why=why))

    def _tell_gone(self, name: str, incarnation: str, why: str) -> None:
        """Everybody sees it; the journal keeps the first that says so."""
        gone = events.NodeGone(time=clock.wall(), node=self.name, gone=name, why=why)
        self.events.tell(gone, name=f"gone-{incarnation}")

    def _tell_lost(self, record: Record) -> None:
        self.events.tell(events.Lost(**told_of(record, self.name), at=record.node))

    def _tell_trouble(self, process_id: str, what: str, mended: bool) -> None:
        """A machine says what is in a bad way with one of its processes, or is not any more."""
        process = self.processes.get(process_id)
        name, epoch = (process.name, process.record.epoch) if process else ("", 0)
        kind = events.Mended if mended else events.Trouble
        self.events.tell(
            kind(time=clock.wall(), node=self.name, what=what, process=name, id=process_id, epoch=epoch)
        )

    # -- processes -------------------------------------------------------------------------------

    def log_folder(self, process_id: str) -> Path:
        return self.folder / "logs" / process_id

    def keep(self, known: Known, host: Any, output: Log) -> Process:
        """Own a process from now on."""
        process = Process(
            known,
            host,
            output,
            registry=self.registry,
            directory=self.directory,
            fenced=self._fenced,
            tell=self.events.tell,
        )
        self.processes[process.id] = process
        if host is not None:
            self.spawn(process.attend())
            self.wishes.attend(process, host)
        return process

    def let_go(self, process: Process) -> None:
        """It has moved away."""
        if self.processes.get(process.id) is process:
            del self.processes[process.id]
            self.forget_places(process.id)
        process.depart()

    def _fenced(self, process: Process) -> None:
        async def end() -> None:
            if process.host is not None:
                await process.host.kill()
            self.let_go(process)
            if self.directory.process(process.id) is None:  # removed meanwhile, and with it its log
                self._forget_log(process.id)
                self.forget_places(process.id)

        self.spawn(end())

    def refuse_when_draining(self) -> None:
        if self.draining:
            why = f"node {self.name} is being drained and takes nothing new"
            raise Refused(why, reasons=[why], advice=f"choose another, or `sojourn drain --undo {self.name}`")

    def machine(self, kind: str) -> Machine:
        try:
            return self.machines[kind]
        except KeyError:
            raise Refused(f"node {self.name} has no machine of kind {kind!r}") from None

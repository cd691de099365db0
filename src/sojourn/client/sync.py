"""The blocking client: plain sockets, no event loop, no threads of its own.

Concepts. A connection carries one request at a time. Finished connections wait in a list to be used again, so
that any number of threads (and a signal handler) may call at once: each takes a connection of its own or
opens one. A stream that is not read to its end closes its connection, which is how a node learns that nobody
listens any more.

Rejected: one connection shared by all requests, told apart by id. It needs a reader thread and queues, and
makes every caller wait when one stops reading.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sojourn.client import calls, copies
from sojourn.client.calls import Call, Chunk, Ended, MoveReport, NodeInfo, PlaneInfo, ProcessInfo
from sojourn.client.copies import CloneReport
from sojourn.client.home import NodeEntry, home_path, in_order, nobody_answers
from sojourn.client.images import ClusterImages, ProcessImages
from sojourn.client.membership import ClusterMembership
from sojourn.client.terminals import ProcessTerminals
from sojourn.client.upkeep import ClusterUpkeep, ProcessUpkeep
from sojourn.client.watching import Reading
from sojourn.errors import from_wire
from sojourn.wire import control, framing
from sojourn.wire.events import AnyEvent

T = TypeVar("T")
CONNECT_TIMEOUT = 5.0  # seconds
ATTEMPTS = 8  # how many nodes may go away under one repeatable call before it is given up


class _Connection:
    """A connection to one node, with at most one request under way; `idle` between requests."""

    def __init__(self, entry: NodeEntry) -> None:
        self.node = entry.name
        self.idle = True
        self._next = 0
        self._socket = _connected(entry)
        self._socket.settimeout(None)  # answers take as long as they take: a process may run for days

    def exchange(self, call: Call[Any]) -> Generator[Any, None, Any]:
        """Yields the items of the answer and returns its end; raises the node's error, or OSError when it
        went away.
        """
        self._next += 1
        self.idle = False
        self._socket.sendall(control.encode(control.Request(self._next, call.op, call.args)))
        while True:
            size = framing.length(self._read(framing.HEADER.size), cap=control.CAP)
            answer = control.answer(self._read(size), call.rows)
            self.idle = answer.item is msgspec.UNSET
            if answer.error is not msgspec.UNSET:
                raise from_wire(answer.error)
            if self.idle:
                return answer.ok
            yield answer.item

    def _read(self, size: int) -> bytes:
        buffer = bytearray(size)
        view, got = memoryview(buffer), 0
        while got < size:
            count = self._socket.recv_into(view[got:])
            if not count:
                raise ConnectionError("the node closed the connection")
            got += count
        return bytes(buffer)

    def alive(self) -> bool:
        """Whether the node still holds its end of an idle connection."""
        # Readable: at its end, or something came that nobody asked for.
        return not select.select([self._socket], [], [], 0)[0]

    def close(self) -> None:
        self._socket.close()


def _connected(entry: NodeEntry) -> socket.socket:
    """A new connection. Raises OSError, and from afar Unauthorized."""
    if entry.home is not None:
        from sojourn.client import afar  # TLS, which a node on this machine has no need of

        return afar.connect(entry, CONNECT_TIMEOUT)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(CONNECT_TIMEOUT)
        sock.connect(entry.socket)
    except BaseException:
        sock.close()
        raise
    return sock


class Link:
    """Carries calls to whichever node answers: the preferred one first, then the others of `cluster.json`."""

    def __init__(self, home: Path, node: str | None) -> None:
        self.home = home
        self._preferred = node
        self._idle: list[_Connection] = []

    def ask(self, call: Call[T]) -> T:
        stream = self.stream(call)
        while True:
            try:
                next(stream)
            except StopIteration as end:
                return call.result(end.value)

    def stream(self, call: Call[Any], again: Callable[[], None] = lambda: None) -> Generator[Any, None, Any]:
        """Items and end of an answer, from the next node when one goes away; `again` is told of a new
        beginning.
        """
        for attempt in range(1, ATTEMPTS + 1):
            connection = self._take()
            try:
                return (yield from connection.exchange(call))
            except OSError as why:
                if not call.repeatable or attempt == ATTEMPTS:
                    raise call.lost(connection.node) from why
                again()
            finally:
                if connection.idle:
                    self._idle.append(connection)
                else:
                    connection.close()

    def _take(self) -> _Connection:
        """A connection to the preferred node, or to the first of the others that answers."""
        while self._idle:
            connection = self._idle.pop()
            if connection.alive():
                return connection
            connection.close()
        for entry in in_order(self.home, self._preferred):
            try:
                return _Connection(entry)
            except OSError:
                continue
        raise nobody_answers(self.home)

    def close(self) -> None:
        """Close the connections that wait. The link may be used again."""
        while self._idle:
            self._idle.pop().close()


class Cluster(ClusterUpkeep, ClusterImages, ClusterMembership):
    """A cluster on this machine, spoken to through one of its nodes; made by `connect`. Safe to share by
    threads.
    """

    def __init__(self, home: Path, node: str | None = None) -> None:
        self.home = home
        self.link = Link(home, node)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Processes go on; the handle may be used again."""
        self.link.close()

    def run(
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
    ) -> Process:
        """Start a program; returns as soon as it runs.

        Args:
            program: path of the program, relative to `cwd`; or give `module`, as in `python -m`.
            args: what follows in the program's `sys.argv`.
            name: unique in the cluster until `rm`; made from the program's name when left out.
            node: where to start it; the node decides when left out.
            python: a version ("3.13"), an interpreter or a virtual environment; by default that of
                `$VIRTUAL_ENV`, then `python3` on PATH.
            cwd: its working directory, by default this process's.
            env: its environment, by default this process's.
            terminal: give it one, of that many rows and columns; True for the usual 24 and 80. Its output is one
                stream then, "terminal".
            memory: how much it may use, in bytes or as "512M". `info().limits` says how that is held.
            cpus: how many processors' time it may use.
            set_env: variables on top of that.
            with_: files and folders that travel with it. The program runs in a private copy, its working directory
                at the same place in it.

        Raises:
            UsageError: no such program, interpreter or node. NameTaken: the name is in use.
            NodeLost: the node went away meanwhile; the program may or may not have started.
        """
        workspace = None
        if with_:
            from sojourn.client.workspaces import Packed  # with blake3, which other commands need not load

            cwd = os.path.abspath(cwd if cwd is not None else os.getcwd())
            packed = Packed(with_, cwd, None if program is None else os.fspath(program))
            for put in packed.puts(self.link.ask(packed.lacks())):
                self.link.ask(put)
            workspace, program = packed.spec(), packed.program
        call = calls.run(
            *(program, args), module=module, name=name, node=node, python=python, cwd=cwd, env=env,
            set_env=set_env, workspace=workspace, terminal=terminal, memory=memory, cpus=cpus,
        )  # fmt: skip
        started = self.link.ask(call)
        return Process(self.link, started.name, started.id)

    def ps(self, *, all: bool = False) -> list[ProcessInfo]:
        """The processes that live, and with `all` also those that ended and were not removed."""
        return self.link.ask(calls.ps(all=all))

    def nodes(self) -> list[NodeInfo]:
        """The nodes of the cluster."""
        return self.link.ask(calls.nodes())

    def plane(self) -> PlaneInfo:
        """How the control plane stands."""
        return self.link.ask(calls.plane())

    def events(
        self, *, follow: bool = False, process: str | None = None, since: float | None = None
    ) -> Iterator[AnyEvent]:
        """What happened in the cluster, in order (`sojourn.wire.events` has the types).

        Args:
            follow: go on for ever, from now on or from `since`; else what the journal has kept.
            process: about this one only, by name or id.
            since: Unix time of the first.
        """
        reading = Reading(follow=follow, process=process, since=since)
        for item in self.link.stream(reading.call):
            yield reading.take(item).event

    def process(self, name: str) -> Process:
        """The handle of the process with this name or id. Raises NotFound."""
        row = self.link.ask(calls.find(name))
        return Process(self.link, row.name, row.id)


class Process(ProcessTerminals, ProcessUpkeep, ProcessImages):
    """A process of the cluster, wherever it runs: the same handle before and after a move."""

    def __init__(self, link: Link, name: str, id: str) -> None:
        self._link = link
        self.name = name
        self.id = id

    def __repr__(self) -> str:
        return f"<sojourn process {self.name} {self.id}>"

    def info(self) -> ProcessInfo:
        """What `ps` shows of it. Raises NotFound after `rm`."""
        return self._link.ask(calls.find(self.id))

    def logs(self, *, follow: bool = False, out: bool = True, err: bool = True) -> Iterator[Chunk]:
        """Its output from the very beginning, in order of arrival, over all its moves.

        Args:
            follow: go on until the process ends; else stop at what there is now.
            out, err: which of the two streams.
        """
        unseen = calls.Unseen()
        for item in self._link.stream(calls.logs(self.id, follow=follow, out=out, err=err), unseen.again):
            chunk = unseen.take(item)
            if chunk is not None:
                yield chunk

    def output(self) -> tuple[bytes, bytes]:
        """All of stdout and all of stderr so far; of a process with a terminal, what it wrote there, and nothing."""
        parts: dict[str, list[bytes]] = {"out": [], "err": [], "terminal": []}
        for chunk in self.logs():
            parts[chunk.stream].append(chunk.data)
        return b"".join(parts["out"] or parts["terminal"]), b"".join(parts["err"])

    def wait(self, timeout: float | None = None) -> Ended:
        """Wait for its end. Raises TimeoutError after `timeout` seconds."""
        return calls.waited(self.name, self._link.ask(calls.wait(self.id, timeout=timeout)))

    def stop(self, grace: float = 10.0) -> None:
        """Ask it to end (SIGTERM), and kill it after `grace` seconds; returns when it has ended."""
        self._link.ask(calls.stop(self.id, grace=grace))

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._link.ask(calls.kill(self.id))

    def rm(self) -> None:
        """Forget an ended process, its log included, and free its name. Raises WrongState while it lives."""
        self._link.ask(calls.rm(self.id))

    def signal(self, signal: int | str) -> None:
        """Send it a signal, by number or name ("SIGUSR1", "usr1")."""
        self._link.ask(calls.signal(self.id, signal))

    def write_stdin(self, data: bytes, *, eof: bool = False) -> None:
        """Give it input; with `eof` nothing comes after. Raises WrongState when it has ended."""
        self._link.ask(calls.stdin(self.id, data, eof=eof))

    def move(
        self,
        node: str,
        *,
        deadline: float | None = None,
        on_stage: Callable[[str], None] = lambda stage: None,
    ) -> MoveReport:
        """Move it to another node, in the middle of whatever it does; returns when it runs there.

        Args:
            node: the target's name.
            deadline: seconds to wait for a place where it can be frozen; the node's default when left out.
            on_stage: called with the name of each stage as it begins.

        Raises:
            Refused: cannot be done, with all the reasons in `.reasons`; the process goes on where it is.
                Pinned: a C call held it past the deadline. Unmovable: one of its objects cannot travel.
            Busy: it is moving already. WrongState: it has ended. NodeLost: the node went away meanwhile; the
            process runs at one of the two nodes, `ps` tells where.
        """
        stream = self._link.stream(calls.move(self.id, node, deadline=deadline))
        while True:
            try:
                on_stage(str(next(stream)["stage"]))
            except StopIteration as end:
                return calls.moved(end.value)

    def rename(self, name: str) -> None:
        """Give it another name; its id, its log and its handles stay. Raises NameTaken, Busy while it moves."""
        self.name = str(self._link.ask(copies.rename(self.id, name))["name"])

    def clone(
        self,
        *nodes: str,
        name: str | None = None,
        deadline: float | None = None,
        keep_random: bool = False,
        on_stage: Callable[[str], None] = lambda stage: None,
    ) -> CloneReport:
        """Make copies of it that go on from where it is; it goes on itself. Returns when they run.

        Args:
            nodes: where, one copy for each; no node: one copy where it is.
            name: of a single copy; made from its own when left out (`sim-2`).
            deadline: seconds to wait for a place where it can be frozen; the node's default when left out.
            keep_random: the copies draw the same numbers from `random` and `numpy.random` as it would.
            on_stage: called with the name of each stage as it begins.

        Raises:
            Refused: there is no copy at all, with all the reasons; it goes on unharmed.
            Busy: it is moving. NameTaken. NodeLost: its node went away; some of the copies may run.
        """
        call = copies.clone(self.id, nodes, name=name, deadline=deadline, keep_random=keep_random)
        stream = self._link.stream(call)
        while True:
            try:
                on_stage(str(next(stream)["stage"]))
            except StopIteration as end:
                return copies.cloned(end.value)


def connect(home: str | os.PathLike[str] | None = None, node: str | None = None) -> Cluster:
    """Open a cluster that runs on this machine.

    Args:
        home: its folder; by default `SOJOURN_HOME`, then `~/.sojourn`.
        node: the node to talk to first; any will do, since each reaches all the others.

    Raises:
        Unavailable: no cluster is there, or no node of it answers. NotFound: no such node.
    """
    cluster = Cluster(home_path(home), node)
    cluster.link.ask(calls.hello())
    return cluster

"""What each verb asks of a node and what comes back. Decisions only; `sync` and `aio` do the talking.

A `Call` is one request: operation, arguments, the type of its answer, and whether it may be sent again when
the node that had it went away. `repeatable` is True only where doing it twice is the same as doing it once.
"""

from __future__ import annotations

import os
import re
import signal as signals
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import msgspec

from sojourn.errors import NodeLost, ProtocolError, SojournError, UsageError

T = TypeVar("T")
State = Literal["starting", "running", "moving", "frozen", "ended", "lost"]
Stream = Literal["out", "err", "terminal"]


class ProcessInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A process as the registry knows it; the row of `sojourn ps`."""

    name: str
    id: str
    node: str
    machine: str = "python"
    state: State = "starting"
    epoch: int = 1  # raised by every change of owner
    moves: int = 0
    started: float = 0.0  # Unix time, seconds
    exit_code: int | None = None
    signal: int | None = None  # the signal that ended it
    pid: int | None = None  # of the host process, on its node
    program: str = ""
    terminal: bool = False  # whether it has one
    file: str = ""  # the image of a frozen process
    file_at: str = ""  # on whose machine that is: a node's, or that of a command line from afar
    limits: dict[str, str] = {}  # what limits it where it is: "memory", "cpus", each with how that is held
    why: str = ""  # it was killed, where that can be said: "over its memory limit of 512M"

    @property
    def resting(self) -> str:
        """Where its image is, for people: "n1:/home/me/sim.image"; "" unless it is frozen."""
        return f"{self.file_at}:{self.file}" if self.file_at else self.file


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A node; the row of `sojourn nodes`."""

    name: str
    address: str = ""  # of its data plane
    interpreters: list[dict[str, Any] | str] = []
    load: Any = 0.0
    processes: int = 0
    state: str = ""
    pid: int | None = None


class PlaneInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How the control plane stands, and what it costs the other machines when this one ends."""

    told: str  # in words
    servers: list[str] = []  # the machines that carry it
    costs: list[str] = []
    fatal: bool = False  # they would be left without it


class MoveReport(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}):
    """How a move went. `downtime_ms` is from the last opcode at the source to the first at the target."""

    name: str
    id: str
    source: str
    target: str
    epoch: int
    strategy: str
    downtime_ms: float
    total_ms: float
    bytes: int
    rounds: int
    more: dict[str, Any] = {}  # whatever else the node told


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a process ended: with an exit code, or by a signal; `state` is "lost" where its node went down with
    it.
    """

    state: State
    exit_code: int | None = None
    signal: int | None = None
    why: str = ""  # it was killed, where that can be said

    @property
    def status(self) -> int:
        """The exit status a shell would show: the exit code, or 128 + signal."""
        if self.signal:
            return 128 + self.signal
        return self.exit_code if self.exit_code is not None else 1


class Chunk(msgspec.Struct, frozen=True):
    """A piece of a process's output, in order of arrival."""

    stream: Stream
    data: bytes


class Call(msgspec.Struct, Generic[T], frozen=True):
    """One request to a node."""

    op: str
    args: dict[str, Any]
    answer: type[T]
    repeatable: bool = False

    @property
    def rows(self) -> type | None:
        """What the answer is a list of, if it is one."""
        return get_args(self.answer)[0] if get_origin(self.answer) is list else None

    def result(self, value: Any) -> T:
        """The node's answer as its type. Raises ProtocolError."""
        try:
            return msgspec.convert(value, self.answer)
        except msgspec.ValidationError as why:
            raise ProtocolError(f"the node answered {self.op!r} with what is not one: {why}") from why

    def lost(self, node: str) -> SojournError:
        """The error when `node` went away with this request."""
        return NodeLost(
            f"node {node} went away while it had the request {self.op!r}: it may have been done or not",
            advice="look with `sojourn ps -a` before asking again",
            details={"node": node, "op": self.op},
        )


def hello() -> Call[dict[str, Any]]:
    return Call("hello", {}, dict, repeatable=True)


def run(
    program: str | os.PathLike[str] | None,
    args: Sequence[str],
    *,
    module: str | None,
    name: str | None,
    node: str | None,
    python: str | os.PathLike[str] | None,
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
    set_env: Mapping[str, str] | None = None,
    workspace: dict[str, Any] | None = None,
    terminal: tuple[int, int] | bool = False,
    memory: int | str | None = None,
    cpus: float | None = None,
) -> Call[ProcessInfo]:
    if (program is None) == (module is None):
        raise UsageError(
            "name either a program or a module",
            advice="run('program.py') or run(module='package.tool')",
        )
    if python is not None and os.sep in os.fspath(python):
        python = os.path.abspath(os.path.expanduser(python))  # the node has another working directory
    spec: dict[str, Any] = {
        "program": None if program is None else os.fspath(program),
        "module": module,
        "args": [str(arg) for arg in args],
        "name": name,
        "node": node,
        "python": None if python is None else os.fspath(python),
        "cwd": os.path.abspath(cwd if cwd is not None else os.getcwd()),
        "workspace": workspace,
        "limits": None if memory is None and cpus is None else {"memory": size(memory), "cpus": cpus},
        "env": {**(os.environ if env is None else env), **(set_env or {})},
    }
    if terminal is not False:
        spec["env"].setdefault("TERM", "xterm")
        spec["terminal"] = window(*((24, 80) if terminal is True else terminal))
    return Call("run", {key: value for key, value in spec.items() if value is not None}, ProcessInfo)


def size(text: int | str | None) -> int | None:
    """Bytes: a number, or one with K, M, G or T (of 1024) behind it. Raises UsageError."""
    if text is None or isinstance(text, int):
        return text
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:I?B)?", text.strip().upper())
    if found is None:
        raise UsageError(f"{text!r} is no size", advice="write it as 512M or 1.5G")
    return round(float(found[1]) * 1024 ** " KMGT".index(found[2] or " "))


def window(rows: int, columns: int) -> dict[str, int]:
    """A window's size as it is sent."""
    return {"rows": rows, "columns": columns}


def ps(*, all: bool) -> Call[list[ProcessInfo]]:
    return Call("ps", {"all": all}, list[ProcessInfo], repeatable=True)


def nodes() -> Call[list[NodeInfo]]:
    return Call("nodes", {}, list[NodeInfo], repeatable=True)


def plane() -> Call[PlaneInfo]:
    return Call("plane", {}, PlaneInfo, repeatable=True)


def logs(name: str, *, follow: bool, out: bool, err: bool) -> Call[dict[str, Any]]:
    args = {"name": name, "follow": follow, "out": out, "err": err, "terminal": out}
    return Call("logs", args, dict, repeatable=True)


def wait(name: str, *, timeout: float | None) -> Call[Ended]:
    args: dict[str, Any] = {"name": name}
    if timeout is not None:
        args["timeout"] = timeout
    return Call("wait", args, Ended, repeatable=True)


def waited(name: str, ended: Ended) -> Ended:
    """What `wait` returns. Raises TimeoutError when the process had not ended in time."""
    if ended.state not in ("ended", "lost"):
        raise TimeoutError(f"{name} is still {ended.state}")
    return ended


def stop(name: str, *, grace: float) -> Call[Any]:
    if grace < 0:
        raise UsageError(f"the grace period is {grace} seconds; it cannot be negative")
    return Call("stop", {"name": name, "grace": grace}, object, repeatable=True)


def kill(name: str) -> Call[Any]:
    return Call("kill", {"name": name}, object, repeatable=True)


def rm(name: str) -> Call[Any]:
    return Call("rm", {"name": name}, object)


def signal(name: str, signal: int | str) -> Call[Any]:
    if isinstance(signal, str):
        full = signal.upper() if signal.upper().startswith("SIG") else f"SIG{signal.upper()}"
        try:
            signal = signals.Signals[full]
        except KeyError:
            raise UsageError(f"there is no signal {signal!r}", advice="`kill -l` lists them") from None
    return Call("signal", {"name": name, "signal": int(signal)}, object)


def stdin(name: str, data: bytes, *, eof: bool) -> Call[Any]:
    return Call("stdin", {"name": name, "data": data, "eof": eof}, object)


def move(name: str, node: str, *, deadline: float | None) -> Call[dict[str, Any]]:
    args: dict[str, Any] = {"name": name, "node": node}
    if deadline is not None:
        args["deadline"] = deadline
    return Call("move", args, dict)


def moved(answer: dict[str, Any]) -> MoveReport:
    """The node's answer to `move`; what it tells beyond the report is kept in `more`."""
    more = {key: value for key, value in answer.items() if key not in MoveReport.__struct_encode_fields__}
    return Call("move", {}, MoveReport).result({**answer, "more": more})


def find(name: str) -> Call[ProcessInfo]:
    """The row of that name or id."""
    return Call("find", {"name": name}, ProcessInfo, repeatable=True)


class Unseen:
    """Drops from a repeated log what was already received, so that a log stream survives the loss of its
    node.
    """

    def __init__(self) -> None:
        self._seen: dict[Stream, int] = dict.fromkeys(get_args(Stream), 0)
        self._skip = dict(self._seen)

    def again(self) -> None:
        """The log starts again from its beginning."""
        self._skip = dict(self._seen)

    def take(self, item: Any) -> Chunk | None:
        """The chunk without what is known already, or None when nothing of it is new."""
        chunk = msgspec.convert(item, Chunk)
        known = min(self._skip[chunk.stream], len(chunk.data))
        self._skip[chunk.stream] -= known
        if known == len(chunk.data):
            return None
        self._seen[chunk.stream] += len(chunk.data) - known
        return Chunk(chunk.stream, chunk.data[known:]) if known else chunk

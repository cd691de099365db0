"""What a node asks of a machine: start a process, survey it, freeze it, prepare a place for it, thaw it there.

Concepts. A `Machine` is one kind of machine on one node (kind "python": CPython host processes). A `Host` is a process
that runs here. A `Held` is a process that is being built here and does not run yet. An `Offer` is everything a target
must know to say yes or no; it is plain data and crosses the wire.

Guarantees. `Host.freeze` either returns with the whole host process stopped (SIGSTOP) and a complete image, or raises
and the program goes on unharmed. `Held.go` is the only call that lets a thawed program run, and it runs at most once.
`Machine.prepare` refuses with all its reasons at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from sojourn.errors import SojournError
from sojourn.resources.limits import Limits
from sojourn.resources.unread import Size


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """One interpreter that a node can use. `digest` names the binary and its start-relevant flags."""

    path: str
    version: str  # "3.11.7"
    implementation: str  # "cpython"
    arch: str  # "x86_64"
    digest: str


class Workspace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Folders and files that travel with a process, at the same path on every node."""

    id: str = ""  # names its place; the process's first id
    top: str  # the name of its root
    manifest: str  # digest of the blob that says what is in it
    cwd: str = ""  # at a start: the working directory, below the root
    origin: str = ""  # at a start: the folder that the root is a copy of
    path: str = ""  # in an offer: the root's path, which must be the same at the target
    copy: str = ""  # in an offer: names the copy on disk; a target that finds this very one shares it
    note: str = ""  # in an offer: what such a target leaves there, so that the source knows


class StartSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What `sojourn run` asks for. Exactly one of `program` (a path) and `module` (as in -m) is set."""

    id: str
    name: str
    epoch: int
    node: str = ""  # as the program is told
    python: str | None = None  # version, interpreter path or virtual environment; None: the default
    program: str | None = None
    module: str | None = None
    args: list[str] = []
    cwd: str
    env: dict[str, str] = {}
    terminal: Size | None = None  # of the terminal it is to have; None: two pipes
    limits: Limits | None = None
    workspace: Workspace | None = None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What the process needs at a target. `detail` belongs to the machine kind and is opaque to everybody else."""

    id: str
    name: str
    epoch: int
    machine: str  # "python"
    interpreter: Interpreter
    packages: dict[str, str] = {}  # distribution name -> version
    size: int = 0  # bytes, an estimate
    resources: list[dict[str, Any]] = []  # one per open resource: kind, name, binding, fd
    blobs: dict[str, int] = {}  # content digest -> size of what the target may fetch before the freeze
    workspace: Workspace | None = None
    detail: dict[str, Any] = {}


class Finding(msgspec.Struct, frozen=True):
    """Something in a program's text that may keep it from moving; `certain`: that does."""

    file: str
    line: int
    what: str
    certain: bool


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What can be told of a program that does not run."""

    interpreter: Interpreter
    packages: dict[str, str]  # as in an Offer, of what it imports
    findings: list[Finding]


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How a host process ended: an exit code, or the signal that killed it."""

    code: int | None
    signal: int | None
    why: str = ""  # it was killed, where that can be said


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a program asks of its node, by `sojourn.hop` and `sojourn.clone`. `kind` "none": number is called off."""

    number: int
    kind: Literal["hop", "clone", "none"]
    node: str | None = None
    name: str | None = None
    keep_random: bool = False


class Frozen(msgspec.Struct, kw_only=True):
    """A frozen process: its image in an open descriptor (memfd) that the receiver of this object must close."""

    fd: int
    size: int  # bytes
    stopped_at: int  # nanoseconds of `_util.clock`, right after the last instruction of the program
    frames: int  # depth of the captured stack
    detail: dict[str, Any] = {}


class Host(Protocol):
    """A process that runs on this node."""

    pid: int

    @property
    def in_force(self) -> dict[str, str]:
        """What limits it here, and by what: "memory", "cpus"."""
        ...

    async def survey(self, *, copy: bool = False) -> Offer:
        """Ask the running program what it needs elsewhere. Makes and matches the baseline on the first call.

        Raises: Unmovable, for what cannot travel; with `copy` also for what two processes cannot share.
        """
        ...

    async def look(self) -> dict[str, Any]:
        """What it holds now, for people: `resources` as in an Offer, the `reasons` that would keep it here, its
        `folder`, interpreter and packages. Prepares nothing. Raises Pinned when it cannot be asked.
        """
        ...

    async def inspect(self) -> tuple[Offer, dict[str, Any]]:
        """What it needs, as in an offer but with no blobs, and what it is doing: `frames` with lines and locals, its
        `modules`, how many of the `library`. Prepares nothing, and refuses nothing. Raises Pinned, HostDied.
        """
        ...

    async def freeze(
        self, *, deadline: float, copy: bool = False, wish: int | None = None, seen: bool = False
    ) -> Frozen:
        """Freeze at a safe point within `deadline` seconds, capture, and stop the host process. With `seen` the
        image has a segment `inspect` too, the JSON of what `inspect` gives.

        All output written so far is in the log when this returns. With `copy` the image is one for a copy; with
        `wish` it is taken where the program waits for that request of its own (`Wish`).
        Raises: Pinned, Unmovable (the program goes on), HostDied (it ended meanwhile).
        """
        ...

    async def unfreeze(self) -> None:
        """After an abort: continue the stopped host process where it was."""
        ...

    def inform(self, identity: dict[str, Any]) -> None:
        """What the program is told of itself from now on (`sojourn.here`)."""
        ...

    def on_wish(self, wished: Callable[[Wish], None]) -> None:
        """Have every wish of the program told to `wished`; it waits until its verdict comes, or it is moved."""
        ...

    async def verdict(self, wish: int, ok: Any = None, *, error: SojournError | None = None) -> None:
        """Ends the program's waiting. Nothing happens if it has ended."""
        ...

    def signal(self, number: int) -> None: ...

    async def write_stdin(self, data: bytes, *, eof: bool = False) -> None: ...

    def type(self, session: str, at: int, data: bytes, *, eof: bool = False) -> None:
        """Input of a client that counts: what of it has been taken before is not taken again."""
        ...

    def resize(self, size: Size, *, redraw: bool = False) -> None:
        """Gives its terminal another size; `redraw`: the program hears of it even if it is the same."""
        ...

    async def wait(self) -> Exit:
        """Wait for the end of the host process; its output is drained into the log before this returns."""
        ...

    async def kill(self) -> None:
        """SIGKILL (works on a stopped process too) and reap."""
        ...


class Held(Protocol):
    """A process being built here: nothing of the program runs before `go`."""

    pid: int

    async def thaw(self, fd: int, size: int, *, copy: bool = False, keep_random: bool = True) -> None:
        """Build all of the image in `fd` (which stays the caller's) and verify it. Raises BadImage, Refused.

        A `copy` draws random numbers of its own, unless `keep_random`.
        """
        ...

    async def go(self, identity: dict[str, Any]) -> tuple[Host, int]:
        """Run; the program is told that `identity` of itself. Returns the host and the nanoseconds (`_util.clock`)
        of its first instruction.
        """
        ...

    async def discard(self) -> None: ...


Fetch = Callable[[str], Awaitable[Path]]
"""Fetches a blob that an Offer lists, by digest, from the offering node; the path stays valid while prepare runs."""


Trouble = Callable[[str, str, bool], None]
"""Told a process's id, what is in a bad way with it, and whether that is over."""


class Machine(Protocol):
    """One kind of machine on this node."""

    kind: str
    trouble: Trouble  # set by whoever wants to hear of it

    async def interpreters(self) -> Sequence[Interpreter]: ...

    async def start(self, spec: StartSpec, log: Any) -> Host:
        """Start a program; its output goes to `log` (resources.log.Log). Raises UsageError for what cannot start."""
        ...

    async def prepare(self, offer: Offer, log: Any, fetch: Fetch) -> Held:
        """Make a held host process for an offered process. Raises Refused with every reason."""
        ...

    async def examine(
        self, program: str, *, python: str | None, cwd: str, env: dict[str, str]
    ) -> Examined:
        """Read a program, and nothing else: nothing of it is run or imported. Raises NotFound, Refused."""
        ...

    async def objections(self, offer: Offer) -> list[str]:
        """Why `prepare` would refuse this offer, as far as can be told without building anything."""
        ...

    async def equip(self, offer: Offer, say: Callable[[str], Awaitable[None]]) -> dict[str, Any]:
        """Make what `prepare` would find missing for this offer; `say` is told each step. Raises Refused."""
        ...

    def forget(self, process_id: str) -> None:
        """The process is not this node's any more: what was kept for it goes."""
        ...

    def blob(self, digest: str) -> Path | None:
        """A blob this node has (for peers that fetch it)."""
        ...

    async def close(self) -> None:
        """End every host process and template of this machine."""
        ...

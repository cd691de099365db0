"""The arguments of each operation, as they come over the wire. What does not fit raises before anything is done."""

from __future__ import annotations

import msgspec

from sojourn.machines.base import Workspace
from sojourn.resources.limits import Limits
from sojourn.resources.unread import Size


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
    terminal: Size | None = None
    limits: Limits | None = None
    workspace: Workspace | None = None
    holder: str = ""  # the node that has the workspace's chunks


class List(msgspec.Struct, kw_only=True):
    all: bool = False


class Logs(Named, kw_only=True):
    follow: bool = False
    out: bool = True
    err: bool = True
    terminal: bool = True
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

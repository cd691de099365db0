"""What people see of a process with `sojourn inspect`: its code, resources, execution and memory, as plain data.

A running process is asked for it; an image carries it as a segment, written when the process was frozen, so that
looking into an image runs and unpickles nothing. That segment comes from outside like the rest, and is read as these
types.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sojourn.image.manifest import LARGEST, Interpreter, described


class Local(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A variable of a frame. `size` is what the object itself takes, `length` what a container of the language holds.
    """

    name: str
    type: str
    size: int
    length: int | None = None


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One frame; `omitted` stands for so many that are not shown."""

    function: str
    file: str
    line: int
    locals: list[Local] = []
    omitted: int = 0


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """A module of the program: its code and state travel."""

    name: str
    file: str


class Code(msgspec.Struct, frozen=True, kw_only=True):
    program: str
    interpreter: Interpreter
    packages: dict[str, str]
    modules: list[Module]
    library: int  # modules of the environment; only what the program changed in them travels


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Code, resources, execution (outermost frame first) and memory (bytes)."""

    code: Code
    resources: list[dict[str, Any]]
    execution: list[Frame]
    memory: dict[str, int]


def write(report: Report) -> bytes:
    """As a segment; without locals and resources where it would grow too large."""
    data = msgspec.json.encode(report)
    if len(data) > LARGEST["inspect"]:
        bare = [msgspec.structs.replace(frame, locals=[]) for frame in report.execution]
        data = msgspec.json.encode(msgspec.structs.replace(report, execution=bare, resources=[]))
    return data


def read(data: bytes) -> Report:
    """A segment. Raises BadImage."""
    report: Report = described("the part for people", data, Report)
    return report

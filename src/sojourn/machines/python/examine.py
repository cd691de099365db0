"""What can be told of a program before it runs: whether it can be carried at all, and what it would need elsewhere."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec

from sojourn.errors import InternalError, NotFound
from sojourn.machines.base import Examined, Finding
from sojourn.machines.python import outline
from sojourn.machines.python.interpreters import Probed
from sojourn.machines.python.packages import Environment
from sojourn.model.obstacles import Obstacle, of_call, of_import


class _Import(msgspec.Struct):
    file: str
    line: int
    module: str
    origin: str | None  # None: it is nowhere
    guarded: bool


class _Call(msgspec.Struct):
    file: str
    line: int
    name: str


class _Error(msgspec.Struct):
    file: str
    line: int
    what: str


class _Outline(msgspec.Struct):
    imports: list[_Import]
    calls: list[_Call]
    errors: list[_Error]


async def examine(program: Path, probed: Probed) -> Examined:
    """Read a program as this interpreter would. Raises NotFound."""
    if not program.is_file():
        raise NotFound(f"there is no program {program}")
    process = await asyncio.create_subprocess_exec(
        *(probed.interpreter.path, "-I", outline.__file__, str(program)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    try:
        found = msgspec.json.decode(out, type=_Outline)
    except msgspec.MsgspecError:
        said = err.decode(errors="replace").splitlines()
        raise InternalError(f"{program} could not be read", history=said[-20:]) from None
    packages = Environment.of(probed.paths).used([each.origin for each in found.imports], probed.paths)
    return Examined(
        interpreter=probed.interpreter,
        packages=packages,
        findings=sorted(_findings(found, probed), key=lambda each: (each.file, each.line, each.what)),
    )


def _findings(found: _Outline, probed: Probed) -> list[Finding]:
    seen: set[Finding] = set()
    for error in found.errors:
        version = probed.interpreter.version
        seen.add(Finding(error.file, error.line, f"{error.what} (as CPython {version} reads it)", True))
    for each in found.imports:
        if each.origin is None:
            what = f"{each.module} is not found by {probed.interpreter.path}"
            seen.add(Finding(each.file, each.line, what, not each.guarded))
        if obstacle := of_import(each.module):
            seen.add(_finding(each.file, each.line, each.module, obstacle, each.guarded))
    for call in found.calls:
        if obstacle := of_call(call.name):
            seen.add(_finding(call.file, call.line, f"{call.name}()", obstacle, False))
    return list(seen)


def _finding(file: str, line: int, name: str, obstacle: Obstacle, guarded: bool) -> Finding:
    what = f"{name}: {obstacle.why} ({obstacle.advice})"
    return Finding(os.path.abspath(file), line, what, obstacle.certain and not guarded)

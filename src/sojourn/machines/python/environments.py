"""Environments that this node has made for processes of others: an interpreter like theirs, with the packages they use.

They lie in the node's folder, each under a name made of what is in it, so that the same needs find the same one. uv
makes them where there is one (on PATH, or beside Sojourn); else venv and pip do. Which index they ask, which
certificates and proxies they use is theirs to know: their own variables and configuration hold.

Guarantee: what is found by `pythons` has been made to its end. A failed or interrupted one is removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from sojourn.errors import Refused
from sojourn.machines.base import Interpreter

Say = Callable[[str], Awaitable[None]]
COMPLETE = "complete.json"
TELLING = 8  # lines of a tool's complaint that are passed on
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")


class Environments:
    """Those in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making: dict[str, asyncio.Lock] = {}

    def pythons(self) -> list[str]:
        """The interpreters of all that are complete, the newest first."""
        found = sorted(self._folder.glob(f"*/{COMPLETE}"), key=lambda path: path.stat().st_mtime, reverse=True)
        return [str(path.parent / "bin" / "python") for path in found]

    async def make(self, base: Interpreter, packages: Mapping[str, str], say: Say) -> dict[str, Any]:
        """One with these versions, on this interpreter; what was done. Raises Refused with the tool's words."""
        wanted = [_requirement(name, version) for name, version in sorted(packages.items())]
        key = hashlib.blake2b(json.dumps([base.digest, base.path, wanted]).encode(), digest_size=8).hexdigest()
        place = self._folder / key
        began = time.monotonic()
        async with self._making.setdefault(key, asyncio.Lock()):
            tool = "none"
            if not (place / COMPLETE).exists():
                tool = await self._made(place, base, packages, wanted, say)
        return {
            "path": str(place),
            "python": str(place / "bin" / "python"),
            "packages": dict(packages),
            "tool": tool,  # "none": it was here
            "seconds": round(time.monotonic() - began, 3),
        }

    async def _made(
        self, place: Path, base: Interpreter, packages: Mapping[str, str], wanted: list[str], say: Say
    ) -> str:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(place, ignore_errors=True)  # of one that was interrupted by the end of a node
        uv = find_uv()
        python = str(place / "bin" / "python")
        if uv is not None:
            tool = "uv"
            steps = [
                [uv, "venv", "--quiet", "--no-project", "--python", base.path, str(place)],
                [uv, "pip", "install", "--quiet", "--python", python, *wanted],
            ]
        else:
            tool = "pip"
            steps = [
                [base.path, "-I", "-m", "venv", str(place)],
                [python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted],
            ]
        try:
            await say(f"{tool} makes an environment on {base.path}")
            await _run(steps[0])
            if wanted:
                await say(f"{tool} installs {', '.join(wanted)}")
                await _run(steps[1])
            if any(place.glob("lib/python*/site-packages/setuptools")) and "setuptools" not in packages:
                # Up to 3.11 a venv has it, and it puts itself into every process.
                await _run([python, "-I", "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools"])
            (place / COMPLETE).write_text(json.dumps({"base": base.path, "packages": wanted, "tool": tool}))
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, place, True)
            raise
        return tool


def find_uv() -> str | None:
    """The uv that is on PATH, or that is installed beside Sojourn (the extra `prepare`)."""
    if found := shutil.which("uv"):
        return found
    if importlib.util.find_spec("uv") is not None:
        module: Any = importlib.import_module("uv")
        with contextlib.suppress(FileNotFoundError):
            return str(module.find_uv_bin())
    return None


def _requirement(name: str, version: str) -> str:
    """As both tools take it. (Another process's word: it must not become an option, or an address.)"""
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        why = f"{name!r} {version!r} is no package with a version"
        raise Refused("the environment cannot be made", reasons=[why])
    return f"{name}=={version}"


async def _run(command: list[str]) -> None:
    """Run a tool to its end; it ends with us. Raises Refused with its last words."""
    without = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    kept = {name: value for name, value in os.environ.items() if name not in without}
    process = await asyncio.create_subprocess_exec(
        *command,
        env=kept,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # so that what it starts can be ended with it
    )
    try:
        out, _ = await process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if process.returncode:
        lines = [line for line in out.decode(errors="replace").splitlines() if line.strip()]
        raise Refused(
            f"the environment cannot be made: {os.path.basename(command[0])} ended with {process.returncode}",
            reasons=lines[-TELLING:] or ["it said nothing"],
            advice="uv and pip read their index from the environment of the node (UV_INDEX_URL, PIP_INDEX_URL) "
            "or their configuration; is it reachable, and has it these versions?",
        )

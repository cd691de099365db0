"""Which interpreter runs a program: found, probed once, and refused with a reason if it cannot serve.

What a user may ask for: a version ("3.13", "3.13.0"), the path of an interpreter, or a virtual environment.
Asked for nothing, the request's own $VIRTUAL_ENV decides, then `python3` on the request's PATH: what the
user's shell would run.

A probe runs the interpreter once (some 30 ms) and is remembered by path, modification time and size, on disk
too.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sojourn.errors import NotFound, Refused, UsageError
from sojourn.frames.support import JIT_SWITCH, SUPPORTED, Build, objection, supported
from sojourn.machines.base import Interpreter

USELESS = 60.0  # seconds that an interpreter which could not be run is not tried again
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
_PROBE = """
import json, os, sys
import importlib._bootstrap_external as external
def jit():
    try:
        return ("on" if sys._jit.is_enabled() else "off") if sys._jit.is_available() else "none"
    except AttributeError:  # 3.13 tells only whether it could have one
        pass
    try:
        import _opcode
        _opcode.get_executor(jit.__code__, 0)
    except (ImportError, AttributeError, RuntimeError):
        return "none"
    except ValueError:  # there is none at that place yet
        pass
    return "on"
print(json.dumps({
    "path": sys.executable, "version": "%d.%d.%d" % sys.version_info[:3], "implementation": sys.implementation.name,
    "arch": os.uname().machine, "build": sys.version, "abiflags": sys.abiflags, "paths": sys.path,
    "cache_tag": sys.implementation.cache_tag, "magic": external.MAGIC_NUMBER.hex(),
    "bits": sys.maxsize.bit_length() + 1, "platform": sys.platform, "jit": jit(),
}))
"""


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe found."""

    interpreter: Interpreter
    cache_tag: str
    build: Build
    paths: list[str]  # sys.path with no PYTHON* variables: where its packages are

    @property
    def is_virtual(self) -> bool:
        """Whether it is a virtual environment's, which may go away."""
        return Path(self.interpreter.path).parent.with_name("pyvenv.cfg").exists()

    def objection(self, env: Mapping[str, str]) -> str | None:
        """Why this interpreter cannot carry a process with this environment, or None; names both sides."""
        found = objection(self.build, env.get(JIT_SWITCH))
        if found is None:
            return None
        interpreter = self.interpreter
        return f"{interpreter.implementation} {interpreter.version} at {interpreter.path} is {found}; {supported()}"


class Interpreters:
    """The interpreters of this node. `cache` is the file that remembers probes."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known: dict[str, tuple[list[int], Probed]] = {}
        self._useless: dict[str, float] = {}  # paths that cannot be run, and until when that is believed
        try:
            self._known = msgspec.json.decode(cache.read_bytes(), type=dict[str, tuple[list[int], Probed]])
        except (OSError, msgspec.DecodeError):  # none yet, or of another version: probed again
            pass

    async def chosen(self, python: str | None, env: Mapping[str, str], cwd: str) -> Probed:
        """The interpreter a request means. Raises NotFound, UsageError, Refused."""
        if python is not None and _VERSION.fullmatch(python):
            return await self._version(python, env)
        probed = await self.probe(self._path(python, env, cwd))
        if (objection := probed.objection(env)) is not None:
            raise Refused(objection, reasons=[objection], advice="name another with --python")
        return probed

    async def same(self, wanted: Interpreter) -> Probed | None:
        """The one at the path of `wanted`, if it is built the same."""
        try:
            probed = await self.probe(wanted.path)
        except UsageError:
            return None
        return probed if probed.interpreter.digest == wanted.digest else None

    async def like(
        self, wanted: Interpreter, env: Mapping[str, str], others: Iterable[str] = ()
    ) -> list[Probed]:
        """Those that can go on where `wanted` has stopped: the one at its path, and any that is built the same, those
        at the paths `others` among them.

        Raises:
            Refused: there is none; names both sides.
        """
        seen: list[str] = []
        found: dict[str, Probed] = {}
        for path in (wanted.path, *others, *self._candidates(env)):
            try:
                probed = await self.probe(path)
            except UsageError:
                continue
            if probed.interpreter.digest == wanted.digest:
                found.setdefault(probed.interpreter.path, probed)
            seen.append(f"{probed.interpreter.implementation} {probed.interpreter.version}")
        if found:
            return list(found.values())
        needs = f"{wanted.implementation} {wanted.version} ({wanted.arch}), as at {wanted.path}"
        raise Refused(f"the program needs {needs}; here there is {', '.join(sorted(set(seen))) or 'none'}")

    async def all(self, env: Mapping[str, str]) -> list[Probed]:
        """Every interpreter found that can carry processes, the default first, one for each path."""
        found: dict[str, Probed] = {}
        for path in self._candidates(env):
            try:
                probed = await self.probe(path)
            except UsageError:
                continue
            if probed.objection(env) is None:
                found.setdefault(probed.interpreter.path, probed)
        return list(found.values())

    async def looked_at(self, env: Mapping[str, str]) -> dict[str, str | None]:
        """Every interpreter found, by path, with what stands against it."""
        found: dict[str, str | None] = {}
        for path in self._candidates(env):
            try:
                probed = await self.probe(path)
            except UsageError as why:
                found[path] = why.message
                continue
            about = probed.interpreter
            found.setdefault(f"{about.path} ({about.version})", probed.objection(env))
        return found

    async def probe(self, path: str) -> Probed:
        """What the interpreter at `path` says of itself."""
        try:
            stat = os.stat(path)
        except OSError:
            raise NotFound(f"there is no interpreter at {path}") from None
        mark = [stat.st_mtime_ns, stat.st_size]
        if (known := self._known.get(path)) is not None and known[0] == mark:
            return known[1]
        if self._useless.get(path, 0.0) > time.monotonic():
            raise UsageError(f"{path} is not a Python interpreter that can be used")
        try:
            probed = await _probe(path)
        except UsageError:  # a shim of pyenv's may be of use later, when nothing in its file has changed
            self._useless[path] = time.monotonic() + USELESS
            raise
        self._known[path] = (mark, probed)
        draft = self._cache.with_name(f".{os.getpid()}.{self._cache.name}")
        self._cache.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.write_bytes(msgspec.json.encode(self._known))
        draft.replace(self._cache)
        return probed

    def _path(self, python: str | None, env: Mapping[str, str], cwd: str) -> str:
        if python is None:
            if venv := env.get("VIRTUAL_ENV"):
                return str(Path(venv) / "bin" / "python")
            if found := shutil.which("python3", path=env.get("PATH")):
                return found
            raise NotFound("there is no python3 on PATH", advice="name an interpreter with --python")
        path = Path(cwd) / Path(python).expanduser()
        if path.is_dir():
            return str(path / "bin" / "python")
        if not path.exists() and "/" not in python and (found := shutil.which(python, path=env.get("PATH"))):
            return found
        return str(path)

    async def _version(self, wanted: str, env: Mapping[str, str]) -> Probed:
        seen: list[str] = []
        for path in self._candidates(env):
            try:
                probed = await self.probe(path)
            except UsageError:
                continue
            version = probed.interpreter.version
            if f"{version}.".startswith(f"{wanted}."):
                if (objection := probed.objection(env)) is not None:
                    raise Refused(objection, reasons=[objection], advice="name another with --python")
                return probed
            seen.append(version)
        raise NotFound(
            f"no Python {wanted} here, only {', '.join(sorted(set(seen))) or 'none'}",
            advice="name an interpreter or a virtual environment by its path",
        )

    def _candidates(self, env: Mapping[str, str]) -> Iterator[str]:
        if venv := env.get("VIRTUAL_ENV"):
            yield str(Path(venv) / "bin" / "python")
        names = ["python3", *(f"python{major}.{minor}" for major, minor in SUPPORTED)]
        for name in names:
            if found := shutil.which(name, path=env.get("PATH")):
                yield found
        yield sys.executable
        for root in (env.get("PYENV_ROOT"), str(Path(env.get("HOME", "/nonexistent")) / ".pyenv")):
            for path in sorted(Path(root).glob("versions/*/bin/python3"), reverse=True) if root else ():
                yield str(path)


async def _probe(path: str) -> Probed:
    try:
        process = await asyncio.create_subprocess_exec(
            path, "-I", "-c", _PROBE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        raise UsageError(f"{path} cannot be run: {error.strerror}") from None
    out, err = await process.communicate()
    try:
        said: dict[str, Any] = json.loads(out)
    except ValueError:
        last = (err.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise UsageError(f"{path} is not a Python interpreter that can be used: {last}") from None
    identity = [said[key] for key in ("implementation", "build", "abiflags", "magic", "arch", "bits")]
    return Probed(
        interpreter=Interpreter(
            path=said["path"],
            version=said["version"],
            implementation=said["implementation"],
            arch=said["arch"],
            digest=hashlib.blake2b(json.dumps(identity).encode(), digest_size=16).hexdigest(),
        ),
        cache_tag=said["cache_tag"],
        build=Build(**{field: said[field] for field in Build.__slots__}),
        paths=[entry for entry in said["paths"] if entry],
    )

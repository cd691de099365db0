"""What `run --with` sends along: which folder the workspace is a copy of, what is in it, and its chunks.

The workspace stands for the folder that the working directory and everything named with `--with` have in common, and
holds what was named, the program, and the folders on the way. So relative paths mean in the copy what they mean here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sojourn.client.calls import Call
from sojourn.errors import NotFound, UsageError
from sojourn.folders.manifest import CHUNK, Manifest, digest_of, encode, objection
from sojourn.folders.scan import Scan

BATCH = 4 << 20  # bytes in one request
Named = Sequence[str | os.PathLike[str]]


class Packed:
    """A workspace, looked at and not yet sent. Raises UsageError with everything that cannot travel."""

    def __init__(self, named: Named, cwd: str, program: str | None) -> None:
        paths = [_found(each) for each in named]
        self.program = program  # as it is to be asked for
        if program is not None:
            script = _inside(os.path.join(cwd, program))
            if not any(script == path or script.startswith(path.rstrip("/") + "/") for path in paths):
                paths.append(script)
            if os.path.isabs(program):
                self.program = script
        here = os.path.realpath(cwd)
        self._origin = _common([*(path for path in paths), here])
        below = [os.path.relpath(path, self._origin) for path in (*paths, here)]
        encoded = [b"" if path == "." else os.fsencode(path) for path in below]
        scan = Scan(Path(self._origin), encoded[:-1], encoded[-1:])
        self.manifest: Manifest = scan.look()
        problems = scan.problems
        if not problems and (why := objection(self.manifest)) is not None:
            problems = [why]
        if problems:
            raise UsageError(
                "the workspace holds what cannot be carried",
                advice="name with --with only what the program needs",
                details={"reasons": problems},
            )
        self._data = encode(self.manifest)
        self._cwd = below[-1]

    def spec(self) -> dict[str, Any]:
        """The workspace, as the request to start says it."""
        top = os.path.basename(self._origin)
        return {
            "top": top if top.isprintable() and top.isascii() and top else "root",
            "manifest": digest_of(self._data).hex(),
            "cwd": "" if self._cwd == "." else self._cwd,
            "origin": self._origin,
        }

    def lacks(self) -> Call[list[bytes]]:
        """Asks which chunks have to be sent."""
        digests = [digest_of(self._data), *sorted(self.manifest.chunks())]
        return Call("workspace.lacks", {"digests": digests}, list[bytes], repeatable=True)

    def puts(self, lacking: Iterable[bytes]) -> Iterator[Call[Any]]:
        """The requests that bring those chunks. Raises UsageError when a file has changed since it was looked at."""
        wanted, batch, size = set(lacking), list[bytes](), 0
        for data in self._chunks(wanted):
            if batch and size + len(data) > BATCH:
                yield Call("workspace.put", {"chunks": batch}, object, repeatable=True)
                batch, size = [], 0
            batch.append(data)
            size += len(data)
        if batch:
            yield Call("workspace.put", {"chunks": batch}, object, repeatable=True)

    def _chunks(self, wanted: set[bytes]) -> Iterator[bytes]:
        if digest_of(self._data) in wanted:
            yield self._data
        for entry in self.manifest.entries:
            if wanted.isdisjoint(entry.chunks):
                continue
            path = os.path.join(os.fsencode(self._origin), entry.path)
            with open(path, "rb") as file:
                for chunk in entry.chunks:
                    data = file.read(CHUNK)
                    if chunk in wanted:
                        if digest_of(data) != chunk:
                            raise UsageError(
                                f"{os.fsdecode(path)} has changed while it was sent", advice="run it again"
                            )
                        wanted.discard(chunk)
                        yield data


def _found(each: str | os.PathLike[str]) -> str:
    path = _inside(os.path.abspath(os.path.expanduser(os.fspath(each))))
    if not os.path.lexists(path):
        raise NotFound(f"there is no {os.fspath(each)} to send along")
    return path


def _inside(path: str) -> str:
    """The path without links on the way; what stands at its end may be one."""
    folder, name = os.path.split(os.path.normpath(path))
    return os.path.join(os.path.realpath(folder), name)


def _common(paths: list[str]) -> str:
    common = os.path.commonpath(paths)
    return common if os.path.isdir(common) and not os.path.islink(common) else os.path.dirname(common)

"""Chunks and other blobs of a node, in one folder, each in a file named by its digest.

Guarantees. What is found under a digest had that digest when it was put there, whole or not at all. `trim` keeps what
somebody still needs and what is young; of the rest the oldest goes first.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Container
from pathlib import Path

from sojourn._util import clock
from sojourn.errors import ProtocolError
from sojourn.folders.manifest import digest_of

CAP = 1 << 30  # bytes that are kept for nobody in particular
YOUNG = 600.0  # seconds; what has just come is about to be used
_NAME = re.compile(r"[0-9a-f]{64}")


class Store:
    """Blobs in `folder`, which others may write to by the same rules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path | None:
        """Where the blob is; None when it is not here, or that is no digest."""
        path = self.folder / digest
        return path if _NAME.fullmatch(digest) and path.is_file() else None

    def read(self, digest: bytes) -> bytes | None:
        path = self.path(digest.hex())
        return None if path is None else path.read_bytes()

    def put(self, data: bytes | memoryview, digest: bytes | None = None) -> str:
        """Keep a blob; its name. Raises ProtocolError when it is not what `digest` says."""
        found = digest_of(data)
        if digest is not None and found != digest:
            raise ProtocolError(f"a chunk that is not {digest.hex()}")
        name = found.hex()
        if self.path(name) is None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = self.folder / f".{name}.{os.getpid()}.{time.monotonic_ns()}"
            try:
                draft.write_bytes(data)
                draft.rename(self.folder / name)
            finally:
                draft.unlink(missing_ok=True)
        return name

    def trim(self, keep: Container[str], cap: int = CAP) -> None:
        """Let the oldest go until the rest is within `cap`; nothing in `keep`, and nothing young."""
        found: list[tuple[float, int, Path]] = []
        for path in self.folder.glob("*") if self.folder.is_dir() else ():
            if _NAME.fullmatch(path.name) and path.name not in keep:
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for modified, size, path in sorted(found):
            if total <= cap or clock.wall() - modified < YOUNG:
                break
            path.unlink(missing_ok=True)
            total -= size

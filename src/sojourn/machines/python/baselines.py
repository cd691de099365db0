"""The baselines of this node: pristine worlds, made by a child of a template, once, and kept under their digest.

A baseline is keyed by what it depends on (interpreter, hash seed, module names in order, search path, environment),
named by the BLAKE3 digest of its bytes, and fetched from the offering node where it is not known.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from pathlib import Path

from sojourn.errors import BadImage
from sojourn.image.chunks import content_digest
from sojourn.machines.base import Fetch
from sojourn.machines.python.messages import Order
from sojourn.machines.python.templates import Template


class Baselines:
    """Kept in `folder`: files named by digest, and links to them named by key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making: dict[str, asyncio.Task[tuple[str, Path]]] = {}

    def path(self, digest: str) -> Path | None:
        path = self._folder / digest
        return path if digest.isalnum() and path.is_file() else None

    async def made(self, template: Template, order: Order, interpreter: str, seed: int) -> tuple[str, Path]:
        """Digest and path of the baseline for an order; made if it is not there yet."""
        parts = [interpreter, seed, order.modules, order.path, order.cwd, sorted(order.environment.items())]
        key = hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
        task = self._making.get(key)
        if task is None or (
            task.done() and (task.cancelled() or task.exception() or not task.result()[1].exists())
        ):
            task = self._making[key] = asyncio.create_task(self._make(template, order, key))
        return await asyncio.shield(task)

    async def fetched(self, digest: str, fetch: Fetch) -> Path:
        """The path of a baseline that another node has made."""
        if (path := self.path(digest)) is not None:
            return path
        source = await fetch(digest)
        if content_digest(source) != digest:
            raise BadImage(f"the baseline {digest} arrived with another content")
        return self._kept(source.read_bytes(), digest)

    async def _make(self, template: Template, order: Order, key: str) -> tuple[str, Path]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._folder / f".{os.getpid()}.{key}"
        draft.unlink(missing_ok=True)
        order.baseline = str(draft)
        await template.baseline(order)
        digest = content_digest(draft)
        return digest, Path(draft.replace(self._folder / digest))

    def _kept(self, data: bytes, digest: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._folder / f".{os.getpid()}.{digest}"
        draft.write_bytes(data)
        return Path(draft.replace(self._folder / digest))

"""Workspaces on their way to where they start: chunks that clients bring, and that nodes give each other.

A client asks what is not here, brings that, and names the manifest when it asks for the start. The node that starts the
program fetches what it lacks from the node that the client has asked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn.errors import NotFound, ProtocolError, UsageError
from sojourn.folders import build
from sojourn.folders.manifest import DIGEST, read
from sojourn.machines.base import Workspace
from sojourn.node.talk import Emit

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

MOST = 100_000  # digests in one question
AT_ONCE = 8


class Digests(msgspec.Struct, kw_only=True):
    digests: list[bytes]


class Chunks(msgspec.Struct, kw_only=True):
    chunks: list[bytes]


class Chunk(msgspec.Struct, kw_only=True):
    digest: bytes


class Spaces:
    """The operations of one node on its chunks."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.table = {"workspace.lacks": (Digests, self._lacks), "workspace.put": (Chunks, self._put)}
        self.peer_table = {"workspace.chunk": (Chunk, self._chunk)}

    async def _lacks(self, asked: Digests, emit: Emit) -> Any:
        if len(asked.digests) > MOST or any(len(digest) != DIGEST for digest in asked.digests):
            raise UsageError("these are no digests of chunks")
        return [digest for digest in asked.digests if self._node.store.path(digest.hex()) is None]

    async def _put(self, asked: Chunks, emit: Emit) -> Any:
        await asyncio.to_thread(lambda: [self._node.store.put(chunk) for chunk in asked.chunks])

    async def _chunk(self, asked: Chunk, emit: Emit) -> Any:
        data = await asyncio.to_thread(self._node.store.read, asked.digest)
        if data is None:
            raise NotFound(f"node {self._node.name} has no chunk {asked.digest.hex()}")
        return data


async def bring(node: Node, workspace: Workspace, holder: str) -> None:
    """Have every chunk of a workspace here. Raises UsageError, NotFound, and what the way to the holder raises."""
    try:
        named = bytes.fromhex(workspace.manifest)
    except ValueError:
        raise UsageError(f"{workspace.manifest!r} names no manifest") from None
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(digest: bytes) -> None:
        async with at_once:
            if holder in ("", node.name):
                raise NotFound(f"the chunk {digest.hex()} of the workspace was not brought here")
            channel = await node.peers.channel(holder)
            data = await channel.ask("workspace.chunk", {"digest": digest})
            await asyncio.to_thread(node.store.put, data, digest)

    if node.store.path(workspace.manifest) is None:
        await one(named)
    data = await asyncio.to_thread(node.store.read, named)
    try:
        manifest = read(data or b"")
    except ProtocolError as why:
        raise UsageError(f"the workspace cannot be: {why.message}") from why
    lacking = build.missing(manifest, lambda chunk: node.store.path(chunk.hex()) is not None)
    try:
        async with asyncio.TaskGroup() as group:
            for digest in lacking:
                group.create_task(one(digest))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None

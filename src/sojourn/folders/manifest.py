"""What is in a tree: its entries, their chunks, and the rules that make a manifest safe to build.

Concepts. An *entry* is a folder, a file or a symbolic link, named by its path below the root. A file's content is cut
into chunks of `CHUNK` bytes, the last one shorter, each named by its BLAKE3 digest: so what a target has is not sent
again, and of a file that grows only the end is. Paths are bytes, as the kernel has them.

Guarantees of `read`, whatever the bytes: every path is relative, has no `.` or `..`, and lies in a folder that is an
entry itself and comes before it; so nothing is ever written through a link, or outside. Nothing but folders, files and
links exists. Modes have no bits beyond rwx. Sizes, counts and lengths are within the caps.

Not kept: owners, times of folders, extended attributes, hard links (they become files of their own).
"""

from __future__ import annotations

from typing import Literal

import msgspec
from blake3 import blake3

from sojourn.errors import ProtocolError

CHUNK = 1 << 20
DIGEST = 32
MOST_ENTRIES = 20_000
MOST_CHUNKS = 40_000
LARGEST = 8 << 20  # bytes of a manifest
LONGEST_NAME = 255
LONGEST_PATH = 2048
MODES = 0o777

Kind = Literal["folder", "file", "link"]


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One thing in a tree."""

    path: bytes
    kind: Kind
    mode: int = 0
    modified: int = 0  # nanoseconds; of a file
    size: int = 0  # of a file
    chunks: tuple[bytes, ...] = ()  # of a file
    target: bytes = b""  # of a link


class Manifest(msgspec.Struct, frozen=True):
    """A tree, its entries in the order of their paths' parts: a folder before what is in it."""

    entries: tuple[Entry, ...] = ()

    def chunks(self) -> set[bytes]:
        return {chunk for entry in self.entries for chunk in entry.chunks}

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)


_decoder = msgspec.msgpack.Decoder(Manifest)


def digest_of(data: bytes | memoryview) -> bytes:
    return blake3(data).digest()


def encode(manifest: Manifest) -> bytes:
    return msgspec.msgpack.encode(manifest)


def order(path: bytes) -> tuple[bytes, ...]:
    """The key that manifests are sorted by."""
    return tuple(path.split(b"/"))


def read(data: bytes) -> Manifest:
    """The manifest in these bytes. Raises ProtocolError for what is none, or not safe to build."""
    if len(data) > LARGEST:
        raise ProtocolError(f"a manifest of {len(data)} bytes: at most {LARGEST} are allowed")
    try:
        manifest = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise ProtocolError(f"not a manifest: {why}") from why
    if (why := objection(manifest)) is not None:
        raise ProtocolError(f"a manifest that cannot be: {why}")
    return manifest


def objection(manifest: Manifest) -> str | None:
    """Why a manifest is not acceptable, or None."""
    if len(manifest.entries) > MOST_ENTRIES:
        return f"{len(manifest.entries)} entries; at most {MOST_ENTRIES} are allowed"
    folders = {b""}
    last: tuple[bytes, ...] = ()
    chunks = 0
    for entry in manifest.entries:
        parts = order(entry.path)
        if (why := _name(entry.path, parts) or _content(entry)) is not None:
            return why
        if not last < parts:
            return f"{entry.path!r} is out of order"
        if b"/".join(parts[:-1]) not in folders:
            return f"{entry.path!r} lies in no folder of the manifest"
        if entry.kind == "folder":
            folders.add(entry.path)
        last = parts
        chunks += len(entry.chunks)
    if chunks > MOST_CHUNKS:
        return f"{chunks} chunks; at most {MOST_CHUNKS} are allowed"
    return None


def _name(path: bytes, parts: tuple[bytes, ...]) -> str | None:
    if len(path) > LONGEST_PATH or b"\0" in path:
        return f"a path of {len(path)} bytes" if b"\0" not in path else "a path with a zero byte"
    if any(part in (b"", b".", b"..") or len(part) > LONGEST_NAME for part in parts):
        return f"{path!r} is no path below the root"
    return None


def _content(entry: Entry) -> str | None:
    if not 0 <= entry.mode <= MODES or not -(1 << 62) < entry.modified < 1 << 62:
        return f"{entry.path!r} has a mode or time that cannot be"
    if entry.kind == "file":
        fits = entry.size >= 0 and len(entry.chunks) == -(-entry.size // CHUNK)
        if not fits or any(len(chunk) != DIGEST for chunk in entry.chunks) or entry.target:
            return f"{entry.path!r}: size and chunks do not fit"
    elif entry.size or entry.chunks:
        return f"{entry.path!r} has content and is no file"
    elif entry.kind == "link" and (
        not entry.target or len(entry.target) > LONGEST_PATH or b"\0" in entry.target
    ):
        return f"{entry.path!r} is a link to nowhere"
    return None


def length(entry: Entry, index: int) -> int:
    """Bytes of an entry's chunk."""
    return min(CHUNK, entry.size - index * CHUNK)

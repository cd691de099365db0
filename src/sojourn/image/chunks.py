"""How the bytes of an image are cut and digested. No I/O.

A stream of `size` bytes is cut into chunks of `CHUNK` bytes, the last one shorter; each chunk is followed
by the BLAKE3 digest of its bytes and its place, so that chunks cannot be swapped. A digest per chunk, not
one at the end: the receiver checks while more arrives, and stops at the first wrong byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from sojourn.errors import ProtocolError

CHUNK = 1 << 20
DIGEST = 32
LARGEST = 1 << 40  # bytes of an image that anybody may announce


def spans(size: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of each chunk. Raises ProtocolError for a size nobody may announce."""
    if not 0 <= size <= LARGEST:
        raise ProtocolError(f"an image of {size} bytes was announced: at most {LARGEST} are allowed")
    for offset in range(0, size, CHUNK):
        yield offset, min(CHUNK, size - offset)


def digest(data: bytes | memoryview, offset: int) -> bytes:
    """The digest of the chunk at `offset`."""
    hasher = blake3(offset.to_bytes(8, "big"))
    hasher.update(data)
    return hasher.digest()


def content_digest(path: Path) -> str:
    """The name of a blob: the BLAKE3 digest of a whole file, in hex."""
    hasher = blake3()
    hasher.update_mmap(path)
    return hasher.hexdigest()

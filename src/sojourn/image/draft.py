"""An image that is being made: what is in it is cut, digested, and put where it is to be.

Concepts. A `Draft` gives its files to a *place*: a file or folder (`folders.placing`), or somebody elsewhere who has
one. `keep` makes it whole there, `drop` removes every trace. Several threads add blobs at once, and none holds a lock
while it digests or copies. A blob that is there already is not put again, so a gigabyte of zeros costs one piece; so it
is digested before it is put, and read twice, a chunk at a time into a buffer that stays in the processor's cache.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from sojourn.errors import StorageError
from sojourn.folders.layout import CHUNK
from sojourn.folders.placing import Data, Placing
from sojourn.image.manifest import LARGEST_PIECE, OCI_LAYOUT, Kind, Piece

HANDS = min(4, os.cpu_count() or 1)  # threads that digest and write


class Cancelled(Exception):
    """Nobody wants the image any more."""


class Place(Protocol):
    """Where an image is put. Its methods are called in threads, `put` in several at once."""

    def put(self, name: str, data: Iterable[Data], size: int) -> None:
        """Add a file; each chunk of `data` is there until the next. Raises StorageError, TransferCut, Cancelled."""
        ...

    def keep(self) -> None:
        """It is complete; returns when it is on the disk, under its name. Raises as `put`, UsageError."""
        ...

    def cancel(self) -> None:
        """Whoever waits in one of the others stops, with Cancelled."""
        ...

    def drop(self) -> None:
        """Nothing of it stays."""
        ...


class Draft:
    """An image that is being written to a path, or another place.

    Raises:
        UsageError: there is something of that name, or no folder for it. StorageError: the disk would not.
    """

    def __init__(self, to: str | Place) -> None:
        self._to: Place = Placing(to) if isinstance(to, str) else to
        self._known: set[str] = set()
        self._lock = threading.Lock()
        self._cancelled = False
        self.size = 0  # bytes of its blobs
        try:
            self._to.put("oci-layout", (OCI_LAYOUT,), len(OCI_LAYOUT))
        except BaseException:
            self.drop()
            raise

    def blob(self, data: Data, size: int) -> str:
        """Add a blob; its digest. Raises StorageError."""
        return self._blob(lambda: (data,), size)

    def _blob(self, data: Callable[[], Iterable[Data]], size: int) -> str:
        """`data` gives it anew each time."""
        sha256 = hashlib.sha256()
        for chunk in data():
            sha256.update(chunk)
        found = sha256.hexdigest()
        with self._lock:
            known = found in self._known
            self._known.add(found)
            self.size += 0 if known else size
        if not known:
            self._to.put(f"blobs/sha256/{found}", data(), size)
        return f"sha256:{found}"

    def file(self, name: str, data: bytes) -> None:
        """Add a file that no digest names. Raises StorageError."""
        self._to.put(name, (data,), len(data))

    def segment(self, kind: Kind, fd: int, size: int, *, epoch: int = 0, name: str = "") -> list[Piece]:
        """Add the first `size` bytes of `fd`, in pieces. Raises StorageError, Cancelled."""

        def piece(offset: int) -> Piece:
            if self._cancelled:
                raise Cancelled
            length = min(LARGEST_PIECE, size - offset)
            digest = self._blob(lambda: chunks(fd, offset, length, f"{kind} of {size} bytes"), length)
            return Piece(kind=kind, digest=digest, size=length, offset=offset, epoch=epoch, name=name)

        offsets = range(0, size, LARGEST_PIECE)
        if len(offsets) < 2:
            return [piece(offset) for offset in offsets]
        with ThreadPoolExecutor(HANDS) as pool:
            return list(pool.map(piece, offsets))

    def cancel(self) -> None:
        """Whoever is writing stops soon, with Cancelled."""
        self._cancelled = True
        self._to.cancel()

    def keep(self) -> None:
        """It is complete: bring it to the disk and give it its name. Raises StorageError, UsageError."""
        if self._cancelled:
            raise Cancelled
        self._to.keep()

    def drop(self) -> None:
        """Nothing of it stays, whether it has its name already or not."""
        self._to.drop()


def chunks(fd: int, at: int, size: int, what: str) -> Iterator[memoryview]:
    """What is in a file, one piece after the other in the same memory. Raises StorageError when it ends early."""
    with memoryview(bytearray(min(size, CHUNK))) as room:
        for offset in range(at, at + size, CHUNK):
            with room[: min(CHUNK, at + size - offset)] as chunk:
                if os.preadv(fd, [chunk], offset) != len(chunk):
                    raise StorageError(f"{what} ends before byte {offset + len(chunk)}")
                yield chunk

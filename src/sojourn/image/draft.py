"""An image on its way to the disk: written under another name, then there as a whole, or not at all.

Concepts. A `Draft` stands beside the file it is to become and has a name that begins with a dot. `keep` brings it to
the disk (fsync) and gives it its name; `drop` removes every trace. Several threads add blobs at once, and none holds a
lock while it digests, copies or writes. A blob that is there already is not written again, so a gigabyte of zeros costs
one piece; so it is digested before it is written, and read twice, a chunk at a time into a buffer that stays in the
processor's cache. The disk is told to begin with each piece as soon as it is complete: the fsync at the end waits for
the last of them only.

Guarantees. The final name never leads to a part of an image, whatever happens in between, a loss of power included.
What exists under that name is not overwritten. Files are the user's alone (0600, 0700): they hold a program's memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from sojourn.errors import StorageError, UsageError
from sojourn.image.layout import BLOCK, CHUNK, header, padded
from sojourn.image.manifest import LARGEST_PIECE, OCI_LAYOUT, Kind, Piece

HANDS = min(4, os.cpu_count() or 1)  # threads that digest and write
Data = bytes | memoryview
EARLY = 1 << 20  # bytes from which on a piece is worth telling the disk of
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Cancelled(Exception):
    """Nobody wants the image any more."""


class _Form(Protocol):
    """How files are put into a draft."""

    def put(self, name: str, data: Iterable[Data], size: int) -> None: ...

    def sync(self) -> None: ...

    def remove(self, path: Path) -> None: ...


class _Tar:
    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, _NEW, 0o600)
        self._end = 0
        self._lock = threading.Lock()

    def put(self, name: str, data: Iterable[Data], size: int) -> None:
        with self._lock:
            at, self._end = self._end, self._end + BLOCK + padded(size)
        _write(self._fd, header(name, size), at)
        _write_all(self._fd, data, at + BLOCK)
        if size % BLOCK:
            _write(self._fd, bytes(-size % BLOCK), at + BLOCK + size)
        if size >= EARLY:
            os.posix_fadvise(self._fd, at, BLOCK + padded(size), os.POSIX_FADV_DONTNEED)

    def sync(self) -> None:
        _write(self._fd, bytes(2 * BLOCK), self._end)
        os.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1

    def remove(self, path: Path) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        path.unlink(missing_ok=True)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        for folder in (path, path / "blobs", path / "blobs" / "sha256"):
            folder.mkdir(mode=0o700)

    def put(self, name: str, data: Iterable[Data], size: int) -> None:
        fd = os.open(self._path / name, _NEW, 0o600)
        try:
            _write_all(fd, data, 0)
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync(self) -> None:
        for folder in (self._path / "blobs" / "sha256", self._path / "blobs", self._path):
            _sync_folder(folder)

    def remove(self, path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)


class Draft:
    """An image that is being written.

    Args:
        path: what it is to be called; one that ends in `/` becomes a folder.

    Raises:
        UsageError: there is something of that name, or no folder for it. StorageError: the disk would not.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        if os.path.lexists(self.path):
            raise UsageError(f"{self.path} exists already", advice="remove it, or choose another name")
        if not self.path.parent.is_dir():
            raise UsageError(f"there is no folder {self.path.parent}")
        self._draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        self._known: set[str] = set()
        self._lock = threading.Lock()
        self._cancelled = False
        self._named = False
        self.size = 0  # bytes of its blobs
        with self._naming():
            self._form: _Form = _Folder(self._draft) if path.endswith("/") else _Tar(self._draft)
        try:
            with self._naming():
                self._form.put("oci-layout", (OCI_LAYOUT,), len(OCI_LAYOUT))
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
            with self._naming():
                self._form.put(f"blobs/sha256/{found}", data(), size)
        return f"sha256:{found}"

    def file(self, name: str, data: bytes) -> None:
        """Add a file that no digest names. Raises StorageError."""
        with self._naming():
            self._form.put(name, (data,), len(data))

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

    def keep(self) -> None:
        """It is complete: bring it to the disk and give it its name. Raises StorageError, UsageError."""
        if self._cancelled:
            raise Cancelled
        with self._naming():
            self._form.sync()
            if os.path.lexists(self.path):
                raise UsageError(f"{self.path} has come to exist meanwhile", advice="choose another name")
            os.rename(self._draft, self.path)
            self._named = True
            _sync_folder(self.path.parent)

    def drop(self) -> None:
        """Nothing of it stays, whether it has its name already or not."""
        with contextlib.suppress(OSError):
            self._form.remove(self.path if self._named else self._draft)

    @contextlib.contextmanager
    def _naming(self) -> Generator[None]:
        try:
            yield
        except OSError as why:
            raise StorageError(
                f"{self.path} cannot be written: {why.strerror}", advice="nothing of it was kept"
            ) from why


def chunks(fd: int, at: int, size: int, what: str) -> Iterator[memoryview]:
    """What is in a file, one piece after the other in the same memory. Raises StorageError when it ends early."""
    with memoryview(bytearray(min(size, CHUNK))) as room:
        for offset in range(at, at + size, CHUNK):
            with room[: min(CHUNK, at + size - offset)] as chunk:
                if os.preadv(fd, [chunk], offset) != len(chunk):
                    raise StorageError(f"{what} ends before byte {offset + len(chunk)}")
                yield chunk


def _write_all(fd: int, data: Iterable[Data], at: int) -> None:
    for chunk in data:
        _write(fd, chunk, at)
        at += len(chunk)


def _write(fd: int, data: Data, at: int) -> None:
    with memoryview(data) as view, view.cast("B") as left:
        written = 0
        while written < len(left):
            with left[written:] as rest:
                written += os.pwrite(fd, rest, at + written)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

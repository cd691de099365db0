"""A layout on its way to the disk: written under another name, then there as a whole, or not at all.

Concepts. What is being written stands beside the file it is to become and has a name that begins with a dot. `keep`
brings it to the disk (fsync) and gives it its name; `drop` removes every trace. Several threads may put files at once;
none holds a lock while it writes. The disk is told to begin with each piece as soon as it is complete: the fsync at the
end waits for the last of them only.

Guarantees. The final name never leads to a part of an image, whatever happens in between, a loss of power included.
What exists under that name is not overwritten. Files are the user's alone (0600, 0700): they hold a program's memory.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Protocol

from sojourn.errors import StorageError, UsageError
from sojourn.folders.layout import BLOCK, header, padded

Data = bytes | bytearray | memoryview
EARLY = 1 << 20  # bytes from which on a piece is worth telling the disk of
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class _Form(Protocol):
    """How files are put into a draft."""

    def put(self, name: str, data: Iterable[Data], size: int) -> None: ...

    def flush(self) -> None: ...

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

    def flush(self) -> None:
        os.fdatasync(self._fd)

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

    def flush(self) -> None:
        pass  # each file is on the disk when it is put

    def sync(self) -> None:
        for folder in (self._path / "blobs" / "sha256", self._path / "blobs", self._path):
            _sync_folder(folder)

    def remove(self, path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)


class Placing:
    """A layout that is being written.

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
        self._named = False
        with self._naming():
            self._form: _Form = _Folder(self._draft) if path.endswith("/") else _Tar(self._draft)

    def put(self, name: str, data: Iterable[Data], size: int) -> None:
        """Add a file. Raises StorageError."""
        with self._naming():
            self._form.put(name, data, size)

    def flush(self) -> None:
        """Bring what there is to the disk, so that `keep` has less to do. Raises StorageError."""
        with self._naming():
            self._form.flush()

    def keep(self) -> None:
        """It is complete: bring it to the disk and give it its name. Raises StorageError, UsageError."""
        with self._naming():
            self._form.sync()
            if os.path.lexists(self.path):
                raise UsageError(f"{self.path} has come to exist meanwhile", advice="choose another name")
            os.rename(self._draft, self.path)
            self._named = True
            _sync_folder(self.path.parent)

    def cancel(self) -> None:
        """Nobody waits here for anybody but the disk."""

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

"""An OCI image layout on disk: as one tar file, or as a folder.

    oci-layout            says that this is one
    blobs/sha256/DIGEST   every document and every piece
    index.json            names the image

Of tar we read and write exactly what this takes: regular files under these names, sizes in octal, a checksum for each
header; entries for the folders themselves are passed over, so that a layout that was unpacked and packed again with any
tar is read too. Links, devices, sparse files, extended headers, absolute or climbing names are not followed or ignored:
they make the file one that is not ours.

What is in the files is not looked at here: `sojourn.image` does that. Clients and nodes use the same code, so that
either can hold the file of the other's image.

Guarantees. Opening reads headers only, in time and memory that grow with the number of entries (at most `MOST`), never
with what they claim to be long. Nothing is believed to be there that is not inside the file.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable
from typing import Protocol

from sojourn.errors import BadImage, NotFound, StorageError

BLOCK = 512
CHUNK = 256 << 10  # bytes read, digested or written at a time
Seen = Callable[[memoryview], object]
MOST = (1 << 17) + 64  # files: the pieces of the largest image, and its documents
LARGEST = 16 << 20  # bytes of one file
_NAME = re.compile(r"oci-layout|index\.json|blobs/sha256/[0-9a-f]{64}")
_FOLDERS = frozenset({"", ".", "blobs", "blobs/sha256"})
_REGULAR, _FOLDER = b"0\0", b"5"


def header(name: str, size: int) -> bytes:
    """The tar header of a regular file."""
    fields = [
        (name.encode(), 100), (b"0000600\0", 8), (b"0000000\0", 8), (b"0000000\0", 8), (b"%011o\0" % size, 12),
        (b"00000000000\0", 12), (b" " * 8, 8), (b"0", 1), (b"", 100), (b"ustar\x0000", 8), (b"", 247),
    ]  # fmt: skip
    raw = b"".join(value.ljust(width, b"\0") for value, width in fields)
    return raw[:148] + b"%06o\0 " % sum(raw) + raw[156:]


def padded(size: int) -> int:
    """Bytes that `size` bytes take in a tar file."""
    return -(-size // BLOCK) * BLOCK


class Layout(Protocol):
    """A layout that is being read."""

    def size(self, name: str) -> int:
        """Bytes of a file. Raises BadImage when there is none."""
        ...

    def read(self, name: str, into: memoryview, seen: Seen | None = None) -> None:
        """Fill `into` from the beginning of a file; `seen` is given each chunk while it is in the processor's cache.
        Raises BadImage, StorageError.
        """
        ...

    def sizes(self) -> dict[str, int]:
        """Every file with its size. Raises BadImage, StorageError."""
        ...

    def close(self) -> None: ...


def open_layout(path: str) -> Layout:
    """Open a tar file or folder. Raises NotFound, BadImage, StorageError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        raise NotFound(f"there is no image {path}") from None
    except OSError as why:
        raise StorageError(f"{path} cannot be read: {why.strerror}") from None
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            return Folder(fd)
        if stat.S_ISREG(mode):
            return Tar(fd)
        raise BadImage(f"{path} is neither a file nor a folder")
    except BaseException:
        os.close(fd)
        raise


class Folder:
    """A layout as a folder; `fd` is its."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def size(self, name: str) -> int:
        file = self._open(name)
        try:
            return os.fstat(file).st_size
        finally:
            os.close(file)

    def read(self, name: str, into: memoryview, seen: Seen | None = None) -> None:
        file = self._open(name)
        try:
            _fill(file, into, 0, name, seen)
        finally:
            os.close(file)

    def sizes(self) -> dict[str, int]:
        names = ["oci-layout", "index.json"]
        try:
            blobs = os.open("blobs/sha256", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._fd)
        except OSError as why:
            raise BadImage(f"the image has no blobs: {why.strerror}") from None
        try:
            names += [f"blobs/sha256/{name}" for name in os.listdir(blobs)]
        finally:
            os.close(blobs)
        return checked_sizes({name: self.size(name) for name in names if _NAME.fullmatch(name)})

    def close(self) -> None:
        os.close(self._fd)

    def _open(self, name: str) -> int:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            file = os.open(name, flags, dir_fd=self._fd)
        except OSError as why:
            raise BadImage(f"the image has no {name}: {why.strerror}") from None
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise BadImage(f"{name} of the image is not a regular file")
        return file


class Tar:
    """A layout as a tar file; `fd` is its."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._places = _entries(fd)

    def size(self, name: str) -> int:
        return self._place(name)[1]

    def read(self, name: str, into: memoryview, seen: Seen | None = None) -> None:
        start, size = self._place(name)
        if len(into) > size:
            raise BadImage(f"{name} of the image has {size} bytes, not {len(into)}")
        _fill(self._fd, into, start, name, seen)

    def sizes(self) -> dict[str, int]:
        return {name: size for name, (_, size) in self._places.items()}

    def close(self) -> None:
        os.close(self._fd)

    def _place(self, name: str) -> tuple[int, int]:
        try:
            return self._places[name]
        except KeyError:
            raise BadImage(f"the image has no {name}") from None


def checked_sizes(sizes: dict[str, int]) -> dict[str, int]:
    """Files and their sizes, as somebody tells them. Raises BadImage."""
    if len(sizes) > MOST:
        raise BadImage(f"the image has {len(sizes)} files; {MOST} are allowed")
    for name, size in sizes.items():
        checked(name, size)
    return sizes


def checked(name: str, size: int) -> None:
    """One file, as somebody tells it. Raises BadImage."""
    if not _NAME.fullmatch(name) or size < 0:
        raise BadImage(f"the image has an entry {name!r} of {size} bytes, which is not one of ours")


def content_of(name: str, data: bytes | bytearray | memoryview) -> None:
    """Compare a file with its name, if that is a digest. Raises BadImage."""
    if name.startswith("blobs/") and hashlib.sha256(data).hexdigest() != name.rpartition("/")[2]:
        raise BadImage(f"{name} of the image holds something else: it is damaged")


def _entries(fd: int) -> dict[str, tuple[int, int]]:
    """Where each file is: offset and size. Raises BadImage."""
    end = os.fstat(fd).st_size
    found: dict[str, tuple[int, int]] = {}
    at = count = 0
    while at + BLOCK <= end and any(raw := os.pread(fd, BLOCK, at)):
        count += 1
        name, kind, size = _parsed(raw, at)
        if count > MOST or at + BLOCK + padded(size) > padded(end):
            raise BadImage(f"the image ends inside {name!r}, or has more than {MOST} entries")
        if kind in _REGULAR:
            if name in found or not _NAME.fullmatch(name):
                raise BadImage(f"the image has an entry {name!r}, which is not one of ours, or twice")
            found[name] = (at + BLOCK, size)
        elif kind != _FOLDER or size or name not in _FOLDERS:
            raise BadImage(f"the image has an entry {name!r} of a kind that no image has")
        at += BLOCK + padded(size)
    if not found:
        raise BadImage("these bytes are not an image")
    return found


def _parsed(raw: bytes, at: int) -> tuple[str, bytes, int]:
    """Name, kind and size in a tar header. Raises BadImage."""
    try:
        told = int(raw[148:156].strip(b"\0 "), 8)
        if len(raw) != BLOCK or told != sum(raw) - sum(raw[148:156]) + 8 * 32 or raw[257:262] != b"ustar":
            raise ValueError
        size = int(raw[124:136].strip(b"\0 "), 8)
        name = raw[:100].partition(b"\0")[0].decode("ascii")
        if size < 0 or raw[345:500].strip(b"\0"):
            raise ValueError
    except ValueError:
        raise BadImage(f"these bytes are not an image: no tar header at {at}") from None
    return name.removeprefix("./").rstrip("/"), raw[156:157], size


def _fill(fd: int, into: memoryview, at: int, name: str, seen: Seen | None) -> None:
    got = 0
    while got < len(into):
        with into[got : got + CHUNK] as rest:
            try:
                count = os.preadv(fd, [rest], at + got)
            except OSError as why:
                raise StorageError(f"{name} of the image cannot be read: {why.strerror}") from None
            if not count:
                raise BadImage(f"{name} of the image ends after {got} bytes")
            if seen is not None:
                with rest[:count] as chunk:
                    seen(chunk)
        got += count

"""Reading a tree into a manifest, again and again at the price of a look at what has not changed.

Theory. A file whose size, times and inode are what they were when it was read has not changed, unless it was written in
the same tick of the kernel's clock in which it was read: so what was modified a moment before it was read is read again
the next time. A file that changes while it is read is taken as it was found, and is read again the next time too.

Guarantee. Nothing is followed out of the tree: links are read as links, and every file is opened without following.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from sojourn._util import clock
from sojourn.folders.manifest import CHUNK, MODES, MOST_ENTRIES, Entry, Manifest, digest_of, order

TICK = 50_000_000  # nanoseconds; more than any kernel's clock for files needs
Signature = tuple[int, int, int, int, int]  # size, modified, changed, inode, mode
Sink = Callable[[bytes, bytes], object]  # told each chunk that was read, with its digest


class Scan:
    """Looks at one tree. `only` limits it to these paths below the root and what is in them; the folders of `bare` are
    there too, without what is in them, and so is every folder on the way.
    """

    def __init__(self, root: Path, only: list[bytes] | None = None, bare: list[bytes] | None = None) -> None:
        self._root = os.fsencode(root)
        self._only = None if only is None or b"" in only else only
        self._bare = bare or []
        self._known: dict[bytes, tuple[Signature, Entry]] = {}
        self.problems: list[str] = []  # of the latest look: what a manifest cannot hold

    def look(self, sink: Sink | None = None) -> Manifest:
        """The tree as it is now; every chunk that had to be read is handed to `sink`."""
        self.problems = []
        known, self._known = self._known, {}
        paths = list(self._paths())
        if len(paths) > MOST_ENTRIES:
            self._problem(b"", f"{len(paths)} files and folders; at most {MOST_ENTRIES} can be carried")
            return Manifest()
        entries = [entry for path in paths if (entry := self._entry(path, known, sink)) is not None]
        entries.sort(key=lambda entry: order(entry.path))
        return Manifest(tuple(entries))

    def trust(self, manifest: Manifest) -> None:
        """Files that have the size and time that the manifest says are what it says, and need not be read."""
        for entry in manifest.entries:
            if entry.kind == "file":
                try:
                    status = os.lstat(os.path.join(self._root, entry.path))
                except OSError:
                    continue
                same = (status.st_size, status.st_mtime_ns) == (entry.size, entry.modified)
                if same and stat.S_ISREG(status.st_mode) and status.st_mode & MODES == entry.mode:
                    self._known[entry.path] = (_signature(status), entry)

    def _paths(self) -> Iterator[bytes]:
        if self._only is None:
            yield from self._below(b"")
            return
        found: set[bytes] = set()
        for path in (*self._only, *self._bare):
            parts = path.split(b"/")
            found |= {b"/".join(parts[:end]) for end in range(1, len(parts) + 1) if path}
        for path in self._only:
            found.update(self._tree(path))
        yield from found

    def _tree(self, path: bytes) -> Iterator[bytes]:
        yield path
        if stat.S_ISDIR(self._status(path)):
            yield from self._below(path)

    def _status(self, path: bytes) -> int:
        try:
            return os.lstat(os.path.join(self._root, path)).st_mode
        except OSError:
            return 0

    def _below(self, folder: bytes) -> Iterator[bytes]:
        try:
            with os.scandir(os.path.join(self._root, folder)) as found:
                inside = [(each.name, each.is_dir(follow_symlinks=False)) for each in found]
        except OSError as why:
            self._problem(folder, why.strerror or str(why))
            return
        for name, is_folder in inside:
            path = folder + b"/" + name if folder else name
            yield path
            if is_folder:
                yield from self._below(path)

    def _entry(
        self, path: bytes, known: dict[bytes, tuple[Signature, Entry]], sink: Sink | None
    ) -> Entry | None:
        full = os.path.join(self._root, path)
        try:
            status = os.lstat(full)
            mode = status.st_mode & MODES
            if stat.S_ISDIR(status.st_mode):
                return Entry(path, "folder", mode)
            if stat.S_ISLNK(status.st_mode):
                return Entry(path, "link", target=os.readlink(full))
            if stat.S_ISREG(status.st_mode):
                before = known.get(path)
                if before is not None and before[0] == _signature(status):
                    self._known[path] = before
                    return before[1]
                return self._read(path, full, sink)
        except FileNotFoundError:
            return None  # it was removed meanwhile
        except OSError as why:
            self._problem(path, why.strerror or str(why))
            return None
        self._problem(path, f"it is a {_what(status.st_mode)}, which cannot be carried")
        return None

    def _read(self, path: bytes, full: bytes, sink: Sink | None) -> Entry:
        fd = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb", buffering=0) as file:
            status, now = os.fstat(fd), clock.wall_ns()
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EAGAIN, "it changed while it was read")
            chunks: list[bytes] = []
            size = 0
            while data := _full(file.read, CHUNK):
                chunks.append(digest_of(data))
                size += len(data)
                if sink is not None:
                    sink(data, chunks[-1])
                if len(data) < CHUNK:
                    break
            after = os.fstat(fd)
        mode = status.st_mode & MODES
        entry = Entry(path, "file", mode, after.st_mtime_ns, size, tuple(chunks))
        settled = _signature(status) == _signature(after) and now - max(
            status.st_mtime_ns, status.st_ctime_ns
        ) > TICK
        if settled:
            self._known[path] = (_signature(after), entry)
        return entry

    def _problem(self, path: bytes, why: str) -> None:
        self.problems.append(f"{os.fsdecode(os.path.join(self._root, path))}: {why}")


def _full(read: Callable[[int], bytes | None], size: int) -> bytes:
    """As many bytes as there are, up to `size`: one read may give less."""
    data = read(size) or b""
    while data and len(data) < size and (more := read(size - len(data))):
        data += more
    return data


def _signature(status: os.stat_result) -> Signature:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode


def _what(mode: int) -> str:
    kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
    return kinds.get(stat.S_IFMT(mode), "thing of a kind")

"""Making a tree from a manifest, and bringing one up to date.

Guarantees. Only paths of the manifest are touched, and never through a link: the manifest has been read by the rules of
`manifest`, the root is ours alone, and files are made anew, never written into. Folders get their modes last, so that
one that nobody may write to can be filled.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from sojourn.errors import BadImage
from sojourn.folders.manifest import Entry, Manifest, length

Read = Callable[[bytes], bytes | None]  # a chunk by its digest


def build(manifest: Manifest, root: Path, read: Read) -> None:
    """Make the tree in `root`, which exists and is empty. Raises BadImage when a chunk is missing."""
    bring(Manifest(), manifest, root, read)


def bring(before: Manifest, after: Manifest, root: Path, read: Read) -> None:
    """Bring a tree that is as `before` says to what `after` says."""
    base = os.fsencode(root)
    old = {entry.path: entry for entry in before.entries}
    new = {entry.path: entry for entry in after.entries}
    changed = [entry for entry in after.entries if old.get(entry.path) != entry]
    _open_folders(base, before, changed, old, new)
    for entry in reversed(before.entries):
        other = new.get(entry.path)
        if other is None or other.kind != entry.kind:
            _remove(os.path.join(base, entry.path))
    for entry in changed:
        path = os.path.join(base, entry.path)
        if entry.kind == "folder":
            if not os.path.isdir(path):
                os.mkdir(path, 0o700)
        elif entry.kind == "file":
            _write(entry, path, read)
        else:
            _remove(path)
            os.symlink(entry.target, path)
    for entry in reversed(after.entries):
        if entry.kind == "folder":
            os.chmod(os.path.join(base, entry.path), entry.mode)


def missing(manifest: Manifest, has: Callable[[bytes], bool]) -> dict[bytes, int]:
    """The chunks of a manifest that are not here, with their sizes."""
    found: dict[bytes, int] = {}
    for entry in manifest.entries:
        for index, chunk in enumerate(entry.chunks):
            if chunk not in found and not has(chunk):
                found[chunk] = length(entry, index)
    return found


def remove(root: Path) -> None:
    """Remove a tree, whatever its modes are."""

    os.chmod(root, 0o700)
    for folder, names, _ in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    shutil.rmtree(root)


def _open_folders(
    base: bytes, before: Manifest, changed: list[Entry], old: dict[bytes, Entry], new: dict[bytes, Entry]
) -> None:
    """Folders that are not ours to write to, and in which something changes, are until the end."""
    touched = {os.path.dirname(entry.path) for entry in changed}
    touched |= {os.path.dirname(path) for path in old if path not in new}
    for entry in before.entries:
        if entry.kind == "folder" and entry.path in touched and entry.mode & 0o700 != 0o700:
            os.chmod(os.path.join(base, entry.path), entry.mode | 0o700)


def _write(entry: Entry, path: bytes, read: Read) -> None:
    draft = os.path.join(os.path.dirname(path), b"." + secrets.token_hex(16).encode())
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb", buffering=0) as file:
            for index, chunk in enumerate(entry.chunks):
                data = read(chunk)
                if data is None or len(data) != length(entry, index):
                    raise BadImage(f"a chunk of {os.fsdecode(entry.path)} is missing")
                file.write(data)
            os.fchmod(fd, entry.mode)
            os.utime(fd, ns=(entry.modified, entry.modified))
        os.rename(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def _remove(path: bytes) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        remove(Path(os.fsdecode(path)))
    else:
        os.unlink(path)

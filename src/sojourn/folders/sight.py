"""Whether two sides see the same files: one who names a path, and one who is to open it.

Equal paths prove nothing, nor does a common kernel: nodes live in containers with mounts of their own. So the one who
names a path shows something that only who looks at the same place can see.

*For a file to be written*: a `Token`, a file with a random name and a random secret in it, in the folder that the file
is to be in. Whoever reads the secret there writes to that folder. This holds for network file systems, too.

*For a file to be read*: a `Look`, what the kernel says of it: which boot of which machine, device, inode, size, times
to the nanosecond. (A token cannot be left beside a file that one may only read.) Two machines never agree; that they
might both see one network file system is given away, for a copy over the network that would be read over it anyhow.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat

import msgspec

from sojourn.errors import NotFound, StorageError, UsageError

_SECRET = 32  # hexadecimal digits
_BOOT = "/proc/sys/kernel/random/boot_id"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A token, as it is told: its name, and what is in it."""

    name: str
    secret: str


class Token:
    """A token beside `path`, until it is taken away.

    Raises:
        UsageError: there is no such folder. StorageError: nothing can be written there.
    """

    def __init__(self, path: str) -> None:
        folder = os.path.dirname(path.rstrip("/"))
        self.shown = Shown(name=f".sojourn.{secrets.token_hex(8)}", secret=secrets.token_hex(_SECRET // 2))
        self._path = os.path.join(folder, self.shown.name)
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError(f"there is no folder {folder}") from None
        except OSError as why:
            raise self._unwritable(path, why) from why
        try:
            with os.fdopen(fd, "w") as file:
                file.write(self.shown.secret)
        except OSError as why:
            self.take_away()
            raise self._unwritable(path, why) from why

    def take_away(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    @staticmethod
    def _unwritable(path: str, why: OSError) -> StorageError:
        return StorageError(f"{path} cannot be written: {why.strerror}", advice="nothing of it was kept")


def finds(path: str, token: Shown) -> bool:
    """Whether that token lies beside `path` here."""
    if not token.name.startswith(".sojourn.") or "/" in token.name or len(token.secret) != _SECRET:
        return False
    there = os.path.join(os.path.dirname(path.rstrip("/")), token.name)
    try:
        fd = os.open(there, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode) and os.read(fd, _SECRET + 1) == token.secret.encode()
    except OSError:
        return False
    finally:
        os.close(fd)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel says of a file or folder."""

    boot: str
    device: int
    inode: int
    size: int
    modified: int
    changed: int


def look(path: str) -> Look:
    """What is there. Raises NotFound, StorageError."""
    try:
        with open(_BOOT) as file:
            boot = file.read().strip()
    except OSError:
        boot = secrets.token_hex(16)  # nothing can be shown; so nobody agrees
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no image {path}") from None
    except OSError as why:
        raise StorageError(f"{path} cannot be read: {why.strerror}") from None
    return Look(
        boot=boot, device=found.st_dev, inode=found.st_ino, size=found.st_size,
        modified=found.st_mtime_ns, changed=found.st_ctime_ns,
    )  # fmt: skip


def sees(path: str, shown: Look) -> bool:
    """Whether that is what is here."""
    try:
        return look(path) == shown
    except (NotFound, StorageError):
        return False

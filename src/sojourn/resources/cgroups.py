"""Control groups: finding where this node may make some, and putting processes into them.

Theory. Linux has two interfaces. In version 1 every controller has a tree of its own; in version 2 there is one tree,
and a group offers a controller to its children only if it has no processes itself (the root excepted). Where we may
make groups is tried and not guessed: below the group that we are in (ours, if the machine's owner has delegated it),
then below the root of the tree (if we are root); a place will do if a group made there shows the controller's files.

Groups are removed with their process. Whose a group is, a lock on its folder says, which the node holds that made it:
what a node that was killed has left is removed by the next one that finds it. (Not a pid in its name: nodes in
containers may share a tree, and have the same pids.)

Guarantee: nothing outside a folder `sojourn` is changed but, in version 2, which controllers its parent offers.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = "sojourn"
PERIOD = 100_000  # microseconds, over which the processor's share is counted
_PROBED = {
    1: {"memory": "memory.limit_in_bytes", "cpu": "cpu.cfs_quota_us"},
    2: {"memory": "memory.max", "cpu": "cpu.max"},
}


@dataclass(frozen=True, slots=True)
class Tree:
    """Where groups with one controller can be made."""

    version: int
    folder: Path

    def __str__(self) -> str:
        return f"cgroup v{self.version}"


def trees(controller: str, mountinfo: str, own: str) -> Iterator[tuple[int, Path, Path]]:
    """Version, root and own group of each mounted tree that may have the controller.

    `mountinfo` and `own` are what /proc/self has under `mountinfo` and `cgroup`.
    """
    groups: dict[str, str] = {}
    for line in own.splitlines():
        _, names, path = line.split(":", 2)
        groups |= dict.fromkeys(names.split(","), path)
    for line in mountinfo.splitlines():
        fields, _, behind = line.partition(" - ")
        kind, _, options = behind.split(" ", 2)
        inside, mount = fields.split(" ")[3:5]
        if kind == "cgroup2":
            version, path = 2, groups.get("", "/")
        elif kind == "cgroup" and controller in options.split(","):
            version, path = 1, groups.get(controller, "/")
        else:
            continue
        below = path.removeprefix(inside.rstrip("/")) if path.startswith(inside) else "/"
        yield version, Path(mount), Path(mount + below.rstrip("/"))


def find(controller: str) -> Tree | None:
    """A place for groups with this controller; None where there is none."""
    try:
        places = list(
            trees(controller, Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
        )
    except OSError:
        return None
    for version, root, own in places:
        for parent in dict.fromkeys((own, root)):
            folder = parent / FOLDER
            probe = folder / f"probe-{secrets.token_hex(8)}"
            try:
                if version == 2:
                    _offer(parent, controller)
                folder.mkdir(exist_ok=True)
                if version == 2:
                    _offer(folder, controller)
                ours = _made(probe)
            except OSError:
                continue
            try:
                if os.access(probe / _PROBED[version][controller], os.W_OK):
                    _sweep(folder)
                    return Tree(version, folder)
            finally:
                probe.rmdir()
                os.close(ours)
    return None


def _made(folder: Path) -> int:
    """Makes a group; the descriptor that holds its lock. Raises OSError."""
    while True:
        folder.mkdir()
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # swept before it was locked
        fcntl.flock(fd, fcntl.LOCK_SH)
        if folder.exists():
            return fd
        os.close(fd)


def _offer(folder: Path, controller: str) -> None:
    if controller not in (folder / "cgroup.subtree_control").read_text().split():
        (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _sweep(folder: Path) -> None:
    """Removes the groups of nodes that are no more."""
    for group in folder.iterdir():
        try:
            fd = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:  # one of the kernel's files; or it was removed meanwhile
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            group.rmdir()
        except OSError:  # its node lives, or somebody is still in it
            pass
        finally:
            os.close(fd)


class Group:
    """One process's groups: one folder, or one for each controller."""

    def __init__(self, name: str, memory: Tree | None, cpu: Tree | None) -> None:
        self._memory = memory and memory.folder / name
        self._cpu = cpu and cpu.folder / name
        self._memory_version = memory.version if memory else 0
        self._cpu_version = cpu.version if cpu else 0
        self._folders = list(
            dict.fromkeys(folder for folder in (self._memory, self._cpu) if folder is not None)
        )
        self._locks = {folder: _made(folder) for folder in self._folders}

    @property
    def doors(self) -> list[str]:
        """The files that a process writes 0 to, to come in."""
        return [str(folder / "cgroup.procs") for folder in self._folders]

    def limit_memory(self, size: int | None) -> None:
        """So many bytes from now on; None for as many as there are. Raises OSError where more is in use and stays."""
        assert self._memory is not None
        if self._memory_version == 1:
            names = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]  # with swap; never less than without
            for name in names if size is not None else reversed(names):
                if (self._memory / name).exists():
                    (self._memory / name).write_text("-1" if size is None else str(size))
            return
        if size is not None and int((self._memory / "memory.current").read_text()) > size:
            raise OSError(errno.EBUSY, "more memory is in use")  # the kernel would kill somebody
        (self._memory / "memory.max").write_text("max" if size is None else str(size))
        swap = self._memory / "memory.swap.max"
        if swap.exists():
            swap.write_text("max" if size is None else "0")

    def limit_cpu(self, cpus: float) -> None:
        """So much of the processors' time."""
        assert self._cpu is not None
        quota = max(1000, round(cpus * PERIOD))
        if self._cpu_version == 1:
            (self._cpu / "cpu.cfs_period_us").write_text(str(PERIOD))
            (self._cpu / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (self._cpu / "cpu.max").write_text(f"{quota} {PERIOD}")

    def killed(self) -> bool:
        """Whether the kernel has killed somebody here for want of memory."""
        if self._memory is None:
            return False
        name = "memory.oom_control" if self._memory_version == 1 else "memory.events"
        try:
            lines = (self._memory / name).read_text().splitlines()
        except OSError:
            return False
        return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in lines)

    def remove(self, *, others: bool = False) -> bool:
        """Removes the groups; False if they are in use. `others`: what a program has left in them leaves them first."""
        for folder in list(self._folders):
            try:
                if others:
                    for pid in (folder / "cgroup.procs").read_text().split():
                        (folder.parent.parent / "cgroup.procs").write_text(pid)
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                continue
            self._folders.remove(folder)
            os.close(self._locks.pop(folder))
        return not self._folders


def left() -> int:
    """Bytes that the groups we are in leave to us."""
    least = 1 << 62
    try:
        places = list(
            trees("memory", Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
        )
    except OSError:
        return least
    for version, root, own in places:
        names = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
            if version == 1
            else ("memory.max", "memory.current")
        )
        for folder in (own, *own.parents):
            if not folder.is_relative_to(root):
                break
            try:
                most, used = ((folder / name).read_text().strip() for name in names)
            except OSError:
                continue
            if most != "max":
                least = min(least, max(0, int(most) - int(used)))
    return least

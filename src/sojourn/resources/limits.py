"""What a process may use of a node: memory and processors; how that is held, and what is in force.

| asked for | by a control group | where there can be none |
|---|---|---|
| memory | all pages of it and its children; killed beyond it | RLIMIT_DATA of each; MemoryError beyond it |
| processors | a share of the time of all of them | that many of them, if it is one or more; else nothing |

RLIMIT_DATA counts private writable memory, not address space. It is set as the soft one, which a program may raise.
The node lifts a limit of memory for as long as it writes an image, since what that takes is the move's and not the
program's. At a target limits are set when the process has been built and before it runs; one that does not fit in is
not taken.
"""

from __future__ import annotations

import math
import os
import re
import resource
import secrets

import msgspec

from sojourn.errors import Refused, UsageError
from sojourn.resources import cgroups

LEAST = 16 << 20  # bytes; no interpreter starts in less
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a process may use."""

    memory: int | None = None  # bytes
    cpus: float | None = None

    def checked(self) -> Limits:
        """These limits. Raises UsageError for what nobody can run in."""
        if self.memory is not None and not LEAST <= self.memory < 1 << 62:
            raise UsageError(
                f"no program runs in {self.memory} bytes of memory", advice="give it 16M at least"
            )
        if self.cpus is not None and not 0.01 <= self.cpus <= 4096:
            raise UsageError(
                f"there are no {self.cpus:g} processors to run on", advice="give it 0.01 at least"
            )
        return self


def amount(size: int) -> str:
    """A size as one asks for it: "512M"."""
    unit = next(
        (name for name, each in reversed(_UNITS.items()) if size >= each and size * 10 % each == 0), ""
    )
    return f"{size / _UNITS[unit]:g}{unit}"


class Limiter:
    """What this node can do. Groups are looked for when they are first asked for.

    Args:
        groups: whether to make any (SOJOURN_CGROUPS=off says no).
    """

    def __init__(self, *, groups: bool = True) -> None:
        self._groups = groups
        self._trees: dict[str, cgroups.Tree | None] = {}
        self._prefix = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._count = 0

    def tree(self, controller: str) -> cgroups.Tree | None:
        known = self._trees.get(controller)
        if controller not in self._trees or (known is not None and not known.folder.exists()):  # another node's end
            self._trees[controller] = cgroups.find(controller) if self._groups else None
        return self._trees[controller]

    def hold(self, limits: Limits | None) -> Held | None:
        """What will hold a process to these; None where there are none."""
        if limits is None or (limits.memory is None and limits.cpus is None):
            return None
        self._count += 1
        return Held(
            limits.checked(),
            f"{self._prefix}-{self._count}",
            self.tree("memory") if limits.memory is not None else None,
            self.tree("cpu") if limits.cpus is not None else None,
        )

    def close(self) -> None:
        """Removes the folders that groups were made in, if nobody else has any there."""
        for tree in self._trees.values():
            if tree is not None:
                try:
                    tree.folder.rmdir()
                except OSError:
                    pass


class Held:
    """One process held to its limits."""

    def __init__(
        self, limits: Limits, name: str, memory: cgroups.Tree | None, cpu: cgroups.Tree | None
    ) -> None:
        self._limits = limits
        self._group = cgroups.Group(name, memory, cpu) if memory or cpu else None
        self._by_group = memory is not None
        self.in_force: dict[str, str] = {}
        if limits.memory is not None:
            self.in_force["memory"] = f"{amount(limits.memory)} ({memory or 'RLIMIT_DATA of each process'})"
        if limits.cpus is not None:
            self.in_force["cpus"] = self._cpus(limits.cpus, cpu)

    def _cpus(self, cpus: float, tree: cgroups.Tree | None) -> str:
        if tree is not None:
            assert self._group is not None
            self._group.limit_cpu(cpus)
            return f"{cpus:g} ({tree})"
        here = sorted(os.sched_getaffinity(0))
        if cpus < 1:
            return (
                "not in force: this node can make no control group, and less than one processor cannot be had"
            )
        return f"{min(len(here), math.ceil(cpus))} (the processors it may run on)"

    @property
    def doors(self) -> list[str]:
        return self._group.doors if self._group else []

    @property
    def processors(self) -> list[int]:
        """Those it may run on, where there is no group for that; none: all."""
        if self._limits.cpus is None or "processors it may" not in self.in_force["cpus"]:
            return []
        here = sorted(os.sched_getaffinity(0))
        return here[: math.ceil(self._limits.cpus)]

    @property
    def data(self) -> int | None:
        """RLIMIT_DATA, where there is no group for that."""
        return None if self._by_group else self._limits.memory

    def apply(self, pid: int = 0) -> None:
        """From now on. `pid`: a process that has been built already; 0 if nobody is there yet.

        Raises:
            Refused: it uses more.
        """
        size = self._limits.memory
        if size is None:
            return
        if self._by_group:
            assert self._group is not None
            try:
                self._group.limit_memory(size)
            except OSError as why:
                raise self._refused(str(why.strerror)) from None
        elif pid:
            if _data_of(pid) > size:
                raise self._refused("it uses more")
            resource.prlimit(
                pid, resource.RLIMIT_DATA, (size, resource.prlimit(pid, resource.RLIMIT_DATA)[1])
            )

    def _refused(self, why: str) -> Refused:
        assert self._limits.memory is not None
        reason = (
            f"the process does not fit into its memory limit of {amount(self._limits.memory)} here: {why}"
        )
        return Refused("the target cannot hold the process", reasons=[reason])

    def lift(self, pid: int) -> None:
        """As much memory as it likes, until `apply`."""
        if self._limits.memory is None:
            return
        if self._by_group:
            assert self._group is not None
            self._group.limit_memory(None)
        else:
            hard = resource.prlimit(pid, resource.RLIMIT_DATA)[1]
            resource.prlimit(pid, resource.RLIMIT_DATA, (hard, hard))

    def verdict(self) -> str:
        """Why a process that was killed has been; nothing if that was not for its limits."""
        if self._limits.memory is None or self._group is None or not self._group.killed():
            return ""
        return f"over its memory limit of {amount(self._limits.memory)}"

    def remove(self, *, others: bool = False) -> bool:
        """Forget it. False while somebody is still in its group."""
        return self._group is None or self._group.remove(others=others)


def _data_of(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:
        found = re.search(r"^VmData:\s+(\d+) kB", file.read(), re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def available() -> int:
    """Bytes of memory that this node could still give to a process."""
    with open("/proc/meminfo") as file:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", file.read(), re.MULTILINE)
    free = int(found[1]) << 10 if found else 1 << 62
    return min(free, cgroups.left())

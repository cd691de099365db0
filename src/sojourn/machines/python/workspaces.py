"""The workspaces of a node: folders that belong to one process each, and travel with it.

Theory. A program sees absolute paths (`os.getcwd()`, `__file__`, whatever it has joined to them), and nobody can find
and rewrite them all. So a workspace has the same path on every node: `/var/tmp/sojourn-ID/TOP`, by the process's id.
Nodes that share a file system find the copy of the other there: they *share* it, and nothing of it travels, for only
one of the two runs the process at a time.

Who has a workspace holds a shared lock (flock) on its folder, for as long as it owns the process; whoever lets go last
removes it. The kernel drops the locks of a node that dies, so that a sweep can tell what nobody holds; and the cleaners
of temporary folders leave alone what is locked.

While the program runs the target builds its copy from chunks; at the freeze the source looks again (a look costs a
`stat` for each file that has not changed), and what differs from the offer travels with the image. A chunk that the
source could not give any more, since the program had changed the file, travels then too.

Rejected: a mount namespace for each host, which would let nodes on one machine have a copy each (it needs rights that
many machines do not give, and hides the files from everybody's tools); a link from a common path to a folder of the
node (`getcwd` shows what is behind the link); rewriting paths in the program's strings (which ones?).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import stat
from pathlib import Path

from sojourn._util.ids import is_id
from sojourn.errors import NotFound, ProtocolError, Refused
from sojourn.folders import build
from sojourn.folders.manifest import CHUNK, LARGEST, read
from sojourn.folders.store import Store
from sojourn.machines.base import Fetch, Workspace
from sojourn.machines.python.workspace import Kept, put_aside

ROOT = Path("/var/tmp")
PREFIX = "sojourn-"
AT_ONCE = 16  # chunks being fetched at a time


class Workspaces:
    """All of a node. `home` is the node's folder."""

    def __init__(self, home: Path, store: Store) -> None:
        self._home = home
        self._store = store
        self._kept: dict[str, Kept] = {}  # by process
        self._removing: set[asyncio.Future[None]] = set()

    def of(self, process_id: str) -> Kept | None:
        return self._kept.get(process_id)

    async def create(self, process_id: str, workspace: Workspace) -> Kept:
        """The workspace of a process that is to start here; its chunks are in the store."""

        def work() -> Kept:
            kept = self._made(process_id, workspace)
            try:
                data = self._store.read(bytes.fromhex(workspace.manifest))
                if data is None:
                    raise NotFound("the workspace's manifest is not here")
                kept.make(read(data))
                if kept.lacks:
                    raise NotFound(f"{kept.lacks} chunks of the workspace are not here")
            except BaseException:
                _removed(kept.release())
                raise
            return kept

        kept = self._kept[process_id] = await asyncio.to_thread(work)
        return kept

    def objections(self, process_id: str, workspace: Workspace) -> list[str]:
        """Why this node cannot take it."""
        place = ROOT / (PREFIX + workspace.id)
        if not is_id(workspace.id) or not _is_name(workspace.top):
            return ["its workspace has a name that cannot be"]
        path = str(place.resolve() / workspace.top)
        if path != workspace.path:
            return [f"its workspace is at {workspace.path}, which would be {path} here"]
        if place.exists() and _text(place / "process") != process_id and not _is_free(place):
            return [_taken_by_another(place)]
        return []

    async def receive(self, process_id: str, workspace: Workspace, fetch: Fetch) -> Kept:
        """The workspace of a process that wants to come here: shared, or built from what is fetched."""
        data = await self._fetched(workspace.manifest, fetch, LARGEST)
        if data is None:
            raise NotFound("the source does not give the workspace's manifest")
        try:
            manifest = read(data)
        except ProtocolError as why:
            raise Refused("the workspace cannot be built here", reasons=[str(why)]) from why
        self.release(process_id)  # of an earlier stay
        shared = await asyncio.to_thread(self._shared, process_id, workspace)
        if shared is not None:
            self._kept[process_id] = shared
            await asyncio.to_thread(shared.share, manifest, workspace.note)
            return shared
        lacking = build.missing(manifest, lambda chunk: self._store.path(chunk.hex()) is not None)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def one(chunk: bytes) -> None:
            async with at_once:
                await self._fetched(chunk.hex(), fetch, CHUNK)

        try:
            async with asyncio.TaskGroup() as group:
                for chunk in lacking:
                    group.create_task(one(chunk))
        except ExceptionGroup as several:  # the first tells why, the others that the connection is gone
            raise several.exceptions[0] from None

        def work() -> Kept:
            kept = self._made(process_id, workspace)
            try:
                kept.make(manifest)
            except BaseException:
                _removed(kept.release())
                raise
            return kept

        kept = self._kept[process_id] = await asyncio.to_thread(work)
        return kept

    async def _fetched(self, digest: str, fetch: Fetch, largest: int) -> bytes | None:
        """A blob, which is in the store then; None when the source does not have it any more."""
        if (path := self._store.path(digest)) is None:
            try:
                path = await fetch(digest)
            except NotFound:
                return None
        data = await asyncio.to_thread(path.read_bytes)
        if len(data) > largest:
            raise Refused("the workspace cannot be built here", reasons=[f"a chunk of {len(data)} bytes"])
        await asyncio.to_thread(self._store.put, data, bytes.fromhex(digest))
        return data

    def _made(self, process_id: str, workspace: Workspace) -> Kept:
        """An empty place of our own. Raises Refused when somebody holds it."""
        if not is_id(workspace.id) or not _is_name(workspace.top):
            raise Refused("the workspace has a name that cannot be")
        place = ROOT / (PREFIX + workspace.id)
        for _ in range(2):
            try:
                place.mkdir(mode=0o700)
            except FileExistsError:
                _removed(_taken(place))
                continue
            held = _locked(place)
            (place / "copy").write_text(secrets.token_hex(16))
            (place / "home").write_text(str(self._home))
            (place / "process").write_text(process_id)
            return Kept(place, workspace.top, workspace.id, held, self._store)
        raise Refused(_taken_by_another(place))

    def _shared(self, process_id: str, workspace: Workspace) -> Kept | None:
        """The source's own copy, where this is its file system too."""
        place = ROOT / (PREFIX + workspace.id)
        if not workspace.copy or not _is_note(workspace.note) or not _is_ours(place):
            return None
        held = _locked(place)
        if _text(place / "copy") == workspace.copy and _text(place / "process") == process_id:
            return Kept(place, workspace.top, workspace.id, held, self._store)
        os.close(held)
        return None

    def blob(self, digest: str) -> Path | None:
        """A chunk of a workspace that has been offered."""
        if (path := self._store.path(digest)) is not None:
            return path
        for kept in list(self._kept.values()):
            if (data := kept.chunk(bytes.fromhex(digest))) is not None:
                return self._store.folder / self._store.put(data)
        return None

    def release(self, process_id: str) -> None:
        """The process is not here any more. What is left to do happens in passing."""
        kept = self._kept.pop(process_id, None)
        if kept is None:
            return
        aside = kept.release()
        keep = {chunk for other in self._kept.values() for chunk in other.needs()}

        def work() -> None:
            _removed(aside)
            self._store.trim(keep)

        task = asyncio.ensure_future(asyncio.to_thread(work))
        self._removing.add(task)
        task.add_done_callback(self._removing.discard)

    async def close(self) -> None:
        for process_id in list(self._kept):
            self.release(process_id)
        await asyncio.gather(*self._removing, return_exceptions=True)


def _taken_by_another(place: Path) -> str:
    return (
        f"its workspace has the place {place} on every node, and on this computer process {_text(place / 'process')} "
        "is there: take a node of another computer, or first freeze that process, or end and remove it (sojourn rm)"
    )


def sweep(home: Path) -> None:
    """Remove what nodes of this folder have left when they died, and nobody shares."""
    for place in ROOT.glob(PREFIX + "*"):
        owner = _text(place / "home") if _is_ours(place) else ""
        if owner and Path(owner).is_relative_to(home):
            _removed(_taken(place))


def _taken(place: Path) -> Path | None:
    """Take a place that nobody holds out of the way; where it is now."""
    if not _is_ours(place):
        return None
    held = _locked(place)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return put_aside(place)
    except BlockingIOError:
        return None
    finally:
        os.close(held)


def _is_free(place: Path) -> bool:
    if not _is_ours(place):
        return False
    held = _locked(place)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(held)


def _removed(aside: Path | None) -> None:
    if aside is not None:
        build.remove(aside)


def _locked(place: Path) -> int:
    held = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    fcntl.flock(held, fcntl.LOCK_SH)  # the other kind is held for a moment only
    return held


def _is_ours(place: Path) -> bool:
    """Whether it is a folder that we made, and nobody else can have changed."""
    try:
        status = place.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _is_name(top: str) -> bool:
    return bool(top) and top not in (".", "..") and "/" not in top and "\0" not in top and top not in _OWN


_OWN = frozenset(("copy", "home", "process"))


def _is_note(note: str) -> bool:
    return len(note) == 16 and note.isalnum()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""

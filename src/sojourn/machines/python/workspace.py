"""One workspace on one node: what its source says of it, and how a target makes it or brings it up to date.

See `workspaces` for the theory: where they are, who holds them, and who removes them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import msgspec

from sojourn.errors import BadImage, InternalError, ProtocolError, Unmovable
from sojourn.folders import build
from sojourn.folders.manifest import CHUNK, Manifest, digest_of, encode, length, objection, read
from sojourn.folders.scan import Scan
from sojourn.folders.store import Store
from sojourn.machines.base import Workspace

LARGEST_CHANGE = 1 << 30  # bytes that may travel with an image
_said = logging.getLogger(__name__)


class Change(msgspec.Struct, frozen=True):
    """What differs from the offer: the whole manifest, and the chunks that the offer had not."""

    manifest: bytes
    chunks: dict[bytes, bytes]


_changes = msgspec.msgpack.Decoder(Change)


class Kept:
    """One workspace of this node. `held` is a descriptor of its folder, with our lock."""

    def __init__(self, place: Path, top: str, id: str, held: int, store: Store) -> None:
        self.place = place
        self.root = place / top
        self.id = id
        self._top = top
        self._held = held
        self._store = store
        self._scan = Scan(self.root)
        self._manifest = Manifest()  # as last offered; at a target, as built
        self._note = ""
        self._now = Manifest()  # as the program has left it, once it stands still
        self._unserved: set[bytes] = set()  # chunks of the offer that a target asked for in vain

    # -- at the source ---------------------------------------------------------------------------

    def offer(self) -> tuple[Workspace, dict[str, int]]:
        """What a target must know, and the blobs it may fetch. Raises Unmovable."""
        manifest = self._look()
        self._manifest, self._now, self._unserved = manifest, Manifest(), set()
        self._note = secrets.token_hex(8)
        data = encode(manifest)
        blobs = {self._store.put(data): len(data)}
        blobs |= {chunk.hex(): size for chunk, size in build.missing(manifest, lambda chunk: False).items()}
        offered = Workspace(
            id=self.id,
            top=self._top,
            manifest=next(iter(blobs)),
            path=str(self.root.resolve()),
            copy=(self.place / "copy").read_text(),
            note=self._note,
        )
        return offered, blobs

    def _look(self) -> Manifest:
        manifest = self._scan.look()
        problems = self._scan.problems
        if not problems and (why := objection(manifest)) is not None:
            problems = [f"{self.root}: {why}"]
        if problems:
            raise Unmovable("the workspace holds what cannot be carried", reasons=problems)
        return manifest

    def chunk(self, digest: bytes) -> bytes | None:
        """A chunk of the offer, out of a file that it is in or has come to; None when there is none any more."""
        for entry in (*self._manifest.entries, *self._now.entries):
            if digest not in entry.chunks:
                continue
            index = entry.chunks.index(digest)
            try:
                with open(os.path.join(os.fsencode(self.root), entry.path), "rb") as file:
                    data = os.pread(file.fileno(), length(entry, index), index * CHUNK)
            except OSError:
                continue
            if digest_of(data) == digest:
                return data
        if any(digest in entry.chunks for entry in self._manifest.entries):
            self._unserved.add(digest)
        return None

    def change(self) -> bytes:
        """What differs from the offer, now that the program stands still; nothing for one who shares the copy."""
        if self._note and (self.place / self._note).exists():
            return b""
        now = self._now = self._look()
        if now == self._manifest and not self._unserved:
            return b""
        given = self._manifest.chunks() - self._unserved
        wanted = build.missing(now, given.__contains__)
        if sum(wanted.values()) > LARGEST_CHANGE:
            raise Unmovable(
                f"{sum(wanted.values())} bytes of the workspace have changed since the offer",
                advice="try again when less of it is being written",
            )
        chunks: dict[bytes, bytes] = {}
        for digest in wanted:
            data = self.chunk(digest)
            if data is None:
                raise InternalError(f"the workspace {self.root} changes while its process is stopped")
            chunks[digest] = data
        return msgspec.msgpack.encode(Change(encode(now), chunks))

    # -- at the target ---------------------------------------------------------------------------

    def make(self, manifest: Manifest) -> None:
        """Build the tree, but for files of which chunks are missing."""
        whole = [
            entry
            for entry in manifest.entries
            if all(self._store.path(chunk.hex()) is not None for chunk in entry.chunks)
        ]
        self._manifest = Manifest(tuple(whole))
        self.root.mkdir(mode=0o755)  # in a folder of 0700
        build.build(self._manifest, self.root, self._store.read)
        self._scan.trust(self._manifest)
        self._unserved = manifest.chunks() - self._manifest.chunks()

    def share(self, manifest: Manifest, note: str) -> None:
        """It is the source's own copy: leave word of that."""
        (self.place / note).touch(mode=0o600)
        self._note = note
        self._scan.trust(manifest)

    @property
    def lacks(self) -> int:
        """How many chunks of it have yet to come."""
        return len(self._unserved)

    def apply(self, data: bytes) -> None:
        """Bring the tree to where the program has left it. Raises BadImage."""
        if not data:
            if self.lacks:
                raise BadImage("the image lacks files of the workspace")
            return
        try:
            change = _changes.decode(data)
            manifest = read(change.manifest)
            for digest, chunk in change.chunks.items():
                self._store.put(chunk, digest)
        except (msgspec.MsgspecError, ProtocolError) as why:
            raise BadImage(f"what the image says of the workspace cannot be used: {why}") from why
        build.bring(self._manifest, manifest, self.root, self._store.read)
        self._manifest, self._unserved = manifest, set()
        self._scan.trust(manifest)

    # -- its end ---------------------------------------------------------------------------------

    def settle(self) -> None:
        """The process runs here now: the word that was left for its source is not needed any more."""
        if self._note:
            (self.place / self._note).unlink(missing_ok=True)
            self._note = ""

    def needs(self) -> Iterator[str]:
        yield from (chunk.hex() for chunk in self._manifest.chunks())

    def release(self) -> Path | None:
        """Let go. Where nobody else holds it, it is put aside, and the path is to be removed."""
        self.settle()
        aside = None
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            aside = put_aside(self.place)
        except BlockingIOError:
            pass  # another node shares it
        except OSError as why:
            _said.warning("the workspace %s stays behind: %s", self.place, why)
        finally:
            os.close(self._held)
        return aside


def put_aside(place: Path) -> Path:
    """Out of the way at once; removing it takes longer. Where it is now."""
    return place.rename(place.with_name(f".{place.name}.{secrets.token_hex(4)}"))

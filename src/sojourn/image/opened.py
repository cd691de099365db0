"""An image that was found somewhere: checked, and then read.

What is looked at, in this order, and what stops it: the layout (names, sizes, caps), the index, the OCI manifest
against its digest, the manifest against its digest, the signature over the manifest, the key; only then the manifest's
content, its version first. So of an image of a stranger nothing is known but who says that he made it, and of any image
nothing is unpickled or run here at all: `memory` goes to a host process as bytes, after every piece was compared with
its digest.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import msgspec

from sojourn.errors import BadImage, NotFound, Untrusted
from sojourn.image import layout, manifest
from sojourn.image.draft import HANDS
from sojourn.image.layout import Layout
from sojourn.image.manifest import Kind, Maker, Manifest, Piece
from sojourn.image.signing import Verifier, check, fingerprint
from sojourn.image.stream import SMALL, Room


class _Claims(msgspec.Struct, frozen=True):
    """All that is said of an image whose key nobody believes."""

    by: Maker
    image: str


class Opened:
    """A checked image. `key` is the fingerprint of who signed it; `believed` whether that is enough to run it."""

    def __init__(self, files: Layout, found: Manifest, key: str, distrust: Untrusted | None) -> None:
        self.manifest = found
        self.key = key
        self.distrust = distrust
        self._files = files

    def segment(self, kind: Kind) -> bytes:
        """A whole segment, compared with its digests. Raises BadImage."""
        return b"".join(self.piece(piece) for piece in self.manifest.of(kind))

    def blob(self, name: str) -> bytes:
        """A blob, by the name by which nodes know it. Raises NotFound, BadImage."""
        if name not in self.manifest.blobs:
            raise NotFound(f"the image has no blob {name!r}")
        return b"".join(self.piece(piece) for piece in self.manifest.of("blob") if piece.name == name)

    def piece(self, piece: Piece) -> bytes:
        """One piece, compared with its digest. Raises BadImage."""
        return layout.blob(self._files, piece.digest, piece.size)

    def memory(self) -> Room:
        """The segment `memory` in memory of its own; the caller closes it. Raises BadImage, Untrusted."""
        if self.distrust is not None:
            raise self.distrust
        pieces, size = self.manifest.of("memory"), self.manifest.size("memory")
        room = Room(size)
        try:
            with memoryview(room.fit(size)) as whole:

                def fill(piece: Piece) -> None:
                    with whole[piece.offset : piece.offset + piece.size] as into:
                        layout.blob_into(self._files, piece.digest, into)

                if size <= SMALL:
                    for piece in pieces:
                        fill(piece)
                else:
                    with ThreadPoolExecutor(HANDS) as pool:
                        list(pool.map(fill, pieces))
        except BaseException:
            room.close()
            raise
        return room


@contextmanager
def opened(
    path: str, verifier: Verifier, find: Callable[[str], Layout] = layout.open_layout
) -> Generator[Opened]:
    """Open and check an image for as long as the block lasts; `find` gives its files.

    One by a key that nobody believes is opened too, for looking at; `distrust` says so, and its memory is not given.

    Raises:
        NotFound, StorageError: it cannot be read. BadImage: it is damaged, unsigned, or of another version.
    """
    files = find(path)
    try:
        yield _check(files, verifier)
    except (BadImage, Untrusted) as why:
        why.message = f"{path}: {why.message}" if path not in why.message else why.message
        raise
    finally:
        files.close()


def _check(files: Layout, verifier: Verifier) -> Opened:
    layout.document(files, "oci-layout")
    described = manifest.the_manifest(layout.document(files, "index.json"))
    around, key, signature = manifest.the_config(layout.blob(files, described.digest, described.size))
    data = layout.blob(files, around.config.digest, around.config.size)
    check(key, signature, data)
    distrust = None
    try:
        verifier.verify(key, signature, data)
    except Untrusted as why:
        distrust = _who(data, fingerprint(key), why)
    found = manifest.read(data, around.layers)
    for piece in found.pieces:  # before room is made anywhere for what is not there
        layout.check_size(files, piece.digest, piece.size)
    return Opened(files, found, fingerprint(key), distrust)


def _who(data: bytes, key: str, why: Untrusted) -> Untrusted:
    """Why, with all that the signer says of himself."""
    claims: _Claims = manifest.described("the manifest", data, _Claims)
    return Untrusted(
        f"the image was signed by node {claims.by.node} of cluster {claims.by.cluster} (so it says), "
        f"with the key {key}, which this cluster does not believe",
        advice=f"an image is a program: only if you know that key, `--trust {key}` takes it",
        details={"key": key, "cluster": claims.by.cluster, "node": claims.by.node, "why": why.message},
    )

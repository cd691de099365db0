"""What an image says of itself: plain data, in JSON, checked as types before anything else of the image is read.

Concepts. The *manifest* says what was frozen, what it needs, and which *segments* there are. Segments are cut into
pieces (`Piece`), each a blob that is named by its SHA-256; so the signature over the manifest's bytes covers every byte
of the image. Around the manifest stand the two documents that OCI asks for, `index.json` and an image manifest, so that
registries and existing tools can carry images: ours is the latter's `config`, the pieces are its `layers`, and key and
signature are its annotations, which stay with it wherever it is copied.

| segment | what it holds | who reads it |
|---|---|---|
| `memory` | the container of `frames.file`, the node's trailer: heap, frames, buffers | the thawing host, at last |
| `blob` | what nodes know by digests of their own: the baseline, the content of a workspace | the node |
| `log` | everything the process has written, a segment for each epoch | the node |
| `inspect` | code, resources, execution, memory, as plain JSON | people |

Guarantee. `read` gives a manifest whose every field has its type, and whose pieces lie within the caps and without
gaps, or raises `BadImage`. A version that we do not read is refused with both named, before anything else is looked at.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Literal

import msgspec

from sojourn.errors import BadImage
from sojourn.folders.layout import LARGEST as LARGEST_FILE
from sojourn.folders.layout import MOST
from sojourn.image.signing import PUBLIC, SIGNATURE

VERSION = 2
OLDEST = 1  # of the versions that are still read; in 1 the heap called its constructors by place
LARGEST_DOCUMENT = LARGEST_FILE  # index, OCI manifest or manifest: environments and search paths fit many times
LARGEST_PIECE = LARGEST_FILE
LARGEST = {"memory": 1 << 40, "blob": 1 << 40, "log": 1 << 40, "inspect": 8 << 20}
MOST_PIECES = MOST - 64

INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT = "application/vnd.sojourn.process.v1"
CONFIG = "application/vnd.sojourn.process.manifest.v1+json"
LAYER = "application/vnd.sojourn.process.{}.v1"
OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_KEY, _SIGNATURE = "org.sojourn.key", "org.sojourn.signature"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BLOB = re.compile(r"[0-9a-f]{64}")

Kind = Literal["memory", "blob", "log", "inspect"]


class Piece(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One blob of a segment."""

    kind: Kind
    digest: str
    size: int
    offset: int = 0  # in its segment
    epoch: int = 0  # of a log: which of its segments
    name: str = ""  # of a blob: by which nodes know it


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """The interpreter that the process ran on."""

    path: str
    version: str
    implementation: str
    arch: str
    digest: str


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """The process that was frozen."""

    id: str
    name: str
    epoch: int
    moves: int
    started: float
    program: str
    machine: str


class Maker(msgspec.Struct, frozen=True, kw_only=True):
    """Who froze it; as believable as the key."""

    cluster: str
    node: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an image says of itself."""

    version: int = VERSION
    image: str  # the id of this freeze
    frozen_at: float  # Unix time
    by: Maker
    process: Frozen
    interpreter: Interpreter
    packages: dict[str, str]  # distributions with their versions
    seed: int  # of str hashes
    resources: list[dict[str, Any]]  # as the machine describes them: kind, name, binding, descriptor
    blobs: list[str]  # by which names nodes know them (BLAKE3); the baseline comes first
    workspace: dict[str, Any] | None = None  # the folders that travel with it, as the machine describes them
    detail: dict[str, Any]  # what else the machine needs to make a place
    pieces: list[Piece]

    def of(self, kind: Kind) -> list[Piece]:
        """The pieces of a segment, in order."""
        return [piece for piece in self.pieces if piece.kind == kind]

    def size(self, kind: Kind) -> int:
        return sum(piece.size for piece in self.of(kind))

    def sizes(self) -> dict[str, int]:
        """The blobs, by name."""
        found = dict.fromkeys(self.blobs, 0)
        for piece in self.of("blob"):
            found[piece.name] = found.get(piece.name, 0) + piece.size
        return found


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How OCI refers to a blob."""

    media_type: str
    digest: str
    size: int
    artifact_type: str = ""
    annotations: dict[str, str] = {}


class Index(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`index.json`."""

    schema_version: int
    media_type: str
    manifests: list[Descriptor]


class OciManifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """OCI's image manifest."""

    schema_version: int
    media_type: str
    artifact_type: str
    config: Descriptor
    layers: list[Descriptor]
    annotations: dict[str, str] = {}


class _Version(msgspec.Struct, frozen=True):
    version: int


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.encode(manifest)


def oci_manifest(manifest: Manifest, config: Descriptor, public: bytes, signature: bytes) -> bytes:
    """The OCI manifest around a manifest whose blob is `config`."""
    return msgspec.json.encode(
        OciManifest(
            schema_version=2,
            media_type=OCI_MANIFEST,
            artifact_type=ARTIFACT,
            config=config,
            layers=[
                Descriptor(media_type=LAYER.format(piece.kind), digest=piece.digest, size=piece.size)
                for piece in manifest.pieces
            ],
            annotations={_KEY: public.hex(), _SIGNATURE: base64.b64encode(signature).decode()},
        )
    )


def index(name: str, digest: str, size: int) -> bytes:
    """The `index.json` of one image."""
    described = Descriptor(
        media_type=OCI_MANIFEST,
        digest=digest,
        size=size,
        artifact_type=ARTIFACT,
        annotations={"org.opencontainers.image.ref.name": name},
    )
    return msgspec.json.encode(Index(schema_version=2, media_type=INDEX, manifests=[described]))


def described(what: str, data: bytes, kind: type[Any]) -> Any:
    """JSON as a type. Raises BadImage."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise BadImage(f"{what} of the image does not make sense: {why}") from None


def the_manifest(data: bytes) -> Descriptor:
    """The one image that an index names. Raises BadImage."""
    found: Index = described("the index", data, Index)
    ours = [each for each in found.manifests if each.artifact_type == ARTIFACT]
    if found.media_type != INDEX or len(ours) != 1:
        raise BadImage("the index does not name one image of a process: these bytes are not one of ours")
    return checked(ours[0], OCI_MANIFEST)


def the_config(data: bytes) -> tuple[OciManifest, bytes, bytes]:
    """An OCI manifest, and the key and signature in it. Raises BadImage; unsigned images have none."""
    found: OciManifest = described("the OCI manifest", data, OciManifest)
    if found.media_type != OCI_MANIFEST or found.artifact_type != ARTIFACT or len(found.layers) > MOST_PIECES:
        raise BadImage("the OCI manifest is not one of a process")
    checked(found.config, CONFIG)
    if _KEY not in found.annotations or _SIGNATURE not in found.annotations:
        raise BadImage("nobody has signed the image", advice="images are taken from their makers only")
    try:
        key = bytes.fromhex(found.annotations[_KEY])
        signature = base64.b64decode(found.annotations[_SIGNATURE], validate=True)
    except (ValueError, binascii.Error):
        key = signature = b""
    if len(key) != PUBLIC or len(signature) != SIGNATURE:
        raise BadImage("the signature of the image is not one")
    return found, key, signature


def checked(found: Descriptor, kind: str) -> Descriptor:
    """A descriptor of a document. Raises BadImage."""
    if (
        found.media_type != kind
        or not _DIGEST.fullmatch(found.digest)
        or not 0 <= found.size <= LARGEST_DOCUMENT
    ):
        raise BadImage(f"the image refers to a document of {found.size} bytes that cannot be one")
    return found


def read(data: bytes, layers: list[Descriptor]) -> Manifest:
    """The manifest in its bytes, which list exactly the OCI manifest's layers. Raises BadImage."""
    version = described("the manifest", data, _Version).version
    if not OLDEST <= version <= VERSION:
        newer = "a newer Sojourn wrote it: use that one" if version > VERSION else None
        raise BadImage(f"the image has format version {version}, this is version {VERSION}", advice=newer)
    found: Manifest = described("the manifest", data, Manifest)
    if [(piece.digest, piece.size) for piece in found.pieces] != [
        (each.digest, each.size) for each in layers
    ]:
        raise BadImage("the image lists other pieces than its manifest")
    if not all(_BLOB.fullmatch(name) for name in found.blobs):
        raise BadImage("the image names a blob as no blob is named")
    _check_pieces(found.pieces)
    if not found.of("memory") or not found.of("inspect"):
        raise BadImage("the image is not whole: a segment is missing")
    return found


def _check_pieces(pieces: list[Piece]) -> None:
    ends: dict[tuple[str, int, str], int] = {}
    sizes: dict[str, int] = {}
    for piece in pieces:
        place = (piece.kind, piece.epoch, piece.name)
        if not _DIGEST.fullmatch(piece.digest) or not 0 <= piece.size <= LARGEST_PIECE:
            raise BadImage(f"a piece of {piece.kind} has {piece.size} bytes; {LARGEST_PIECE} are allowed")
        strange = (piece.epoch and piece.kind != "log") or (piece.name and piece.kind != "blob")
        if strange or piece.epoch < 0 or piece.offset != ends.get(place, 0):
            raise BadImage(f"the pieces of {piece.kind} do not join")
        ends[place] = piece.offset + piece.size
        sizes[piece.kind] = sizes.get(piece.kind, 0) + piece.size
        if sizes[piece.kind] > LARGEST[piece.kind]:
            raise BadImage(f"the image has more than {LARGEST[piece.kind]} bytes of {piece.kind}")

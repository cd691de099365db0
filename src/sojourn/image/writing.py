"""The last documents of an image: the manifest, its signature, and what OCI wants around them."""

from __future__ import annotations

from sojourn.errors import Refused
from sojourn.image import manifest
from sojourn.image.draft import Draft
from sojourn.image.manifest import CONFIG, LARGEST_DOCUMENT, Descriptor, Manifest
from sojourn.image.signing import Signer


def finish(draft: Draft, said: Manifest, signer: Signer) -> None:
    """Add manifest, signature and index to a draft that has all its pieces. Raises Refused, StorageError."""
    data = manifest.encode(said)
    config = Descriptor(media_type=CONFIG, digest=_document(draft, data), size=len(data))
    around = manifest.oci_manifest(said, config, signer.public, signer.sign(data))
    digest = _document(draft, around)
    draft.file("index.json", manifest.index(said.process.name, digest, len(around)))


def _document(draft: Draft, data: bytes) -> str:
    if len(data) > LARGEST_DOCUMENT:
        raise Refused(f"an image cannot be described in {LARGEST_DOCUMENT} bytes: it has too many pieces")
    return draft.blob(data, len(data))

"""What stands in the files of an image (`sojourn.folders.layout`): blobs by their digests, and documents.

Guarantee. What a blob holds is compared with its name every time it is read, and only what was compared is given away.
"""

from __future__ import annotations

import hashlib

from sojourn.errors import BadImage
from sojourn.folders.layout import Layout, header, open_layout
from sojourn.image.manifest import LARGEST_DOCUMENT

__all__ = ["Layout", "blob", "blob_into", "check_size", "document", "header", "open_layout"]


def blob(layout: Layout, digest: str, size: int) -> bytes:
    """A document, compared with its name. Raises BadImage."""
    if size > LARGEST_DOCUMENT:
        raise BadImage(f"a document of {size} bytes; {LARGEST_DOCUMENT} are allowed")
    data = bytearray(size)
    with memoryview(data) as view:
        blob_into(layout, digest, view)
    return bytes(data)


def blob_into(layout: Layout, digest: str, into: memoryview) -> None:
    """A blob of exactly the length of `into`, compared with its name; on BadImage what is there means nothing."""
    name = check_size(layout, digest, len(into))
    sha256 = hashlib.sha256()
    layout.read(name, into, sha256.update)
    if sha256.hexdigest() != digest.removeprefix("sha256:"):
        raise BadImage(f"{name} of the image holds something else: it is damaged")


def check_size(layout: Layout, digest: str, size: int) -> str:
    """The file of a blob, which has this size. Raises BadImage."""
    name = "blobs/sha256/" + digest.removeprefix("sha256:")
    if (found := layout.size(name)) != size:
        raise BadImage(f"{name} of the image has {found} bytes, not {size}")
    return name


def document(layout: Layout, name: str) -> bytes:
    """A file that no digest names. Raises BadImage."""
    size = layout.size(name)
    if size > LARGEST_DOCUMENT:
        raise BadImage(f"{name} of the image has {size} bytes; {LARGEST_DOCUMENT} are allowed")
    data = bytearray(size)
    with memoryview(data) as view:
        layout.read(name, view)
    return bytes(data)

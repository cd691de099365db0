"""Who made an image, and whom this cluster believes.

Concepts. A *signer* signs bytes with a key and has a public half by which it is known; a *verifier* says whether a
signature holds and whether it believes the key. What stands behind them is not the images' business: today one key
for each home, in a file that only its owner may read, and the cluster believes the keys that its nodes announce.

The signature is Ed25519 over a fixed preamble and the bytes, so that a signature made for something else can never be
taken for one of an image. A key is named by its *fingerprint*: the first 32 hexadecimal digits of its SHA-256.

Guarantee. `verify` raises before anybody looks at the bytes: `BadImage` when the signature does not hold, `Untrusted`
when it does and nobody here believes the key.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sojourn.errors import BadImage, Untrusted, UsageError

PUBLIC = 32  # bytes of a public key, and of what a private one is made from
SIGNATURE = 64
FINGERPRINT = 32  # hexadecimal digits: 128 bits, too many to look for a second key that has them
_PREAMBLE = b"sojourn image, signed\n"


class Signer(Protocol):
    """Signs for one node."""

    public: bytes

    def sign(self, data: bytes) -> bytes: ...


class Verifier(Protocol):
    """Knows whom to believe."""

    def verify(self, public: bytes, signature: bytes, data: bytes) -> None:
        """Raises BadImage, Untrusted."""
        ...


def fingerprint(public: bytes) -> str:
    """The name of a key."""
    return hashlib.sha256(public).hexdigest()[:FINGERPRINT]


class KeyFile:
    """A key in a file: 32 random bytes, mode 0600, made once and kept for as long as its folder is.

    It outlives `down` and `up`: who freezes a process, ends the cluster and starts it again has a key of the same name.
    """

    def __init__(self, path: Path) -> None:
        try:
            _make(path)
            seed = path.read_bytes()
        except OSError as why:
            raise UsageError(f"the cluster's key for images cannot be read: {why}") from why
        if len(seed) != PUBLIC:
            raise UsageError(
                f"{path} is not a key: it has {len(seed)} bytes", advice="remove it; another is made"
            )
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(_PREAMBLE + data)


def _make(path: Path) -> None:
    """Make the file unless it is there, whole from its first moment: several nodes may come at once."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(secrets.token_bytes(PUBLIC))  # a private Ed25519 key is any 32 random bytes
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


class Believed:
    """Believes the keys it is given, and those that a user names by fingerprint."""

    def __init__(self, keys: Collection[bytes], fingerprints: Collection[str] = ()) -> None:
        self._names = {fingerprint(key) for key in keys} | {name.lower() for name in fingerprints}

    def verify(self, public: bytes, signature: bytes, data: bytes) -> None:
        check(public, signature, data)
        if fingerprint(public) not in self._names:
            raise Untrusted(f"signed with the key {fingerprint(public)}, which this cluster does not believe")


def check(public: bytes, signature: bytes, data: bytes) -> None:
    """Whether the signature holds, whoever it is by. Raises BadImage."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _PREAMBLE + data)
    except (InvalidSignature, ValueError):
        raise BadImage(
            "the signature of the image does not hold: it was changed after it was signed"
        ) from None

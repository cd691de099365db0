"""Join tokens: what lets a newcomer prove, once, that somebody of the cluster has invited it.

A token is text that carries where the join door is, the fingerprint of the authority that must be found there (so
that the newcomer cannot be talked into another cluster), an id, and a secret of 256 bits. The cluster keeps a digest
of the secret, not the secret: who reads the folder cannot make tokens of it.

    TOKENS/ID    0600    digest, role, when it expires, how often it may still be used

Guarantees. A token is used up before anything is signed for it, so that it never lets in one more than it says. One
that was used up is remembered until it would have expired, and refused as used, not as forged. Whether an id or its
secret was wrong is not told.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from sojourn._util import clock
from sojourn._util.ids import is_id, new_id
from sojourn.errors import Unauthorized, UsageError
from sojourn.trust.credentials import write_private

PREFIX = "sojourn1."
LONGEST = 2048  # characters of a token
LONGEST_LIFE = 30 * 24 * 3600.0  # seconds


class Token(
    msgspec.Struct, frozen=True, kw_only=True, rename={"url": "u", "authority": "a", "id": "i", "secret": "s"}
):
    """What the text says."""

    url: str  # of the join door, host:port
    authority: str  # fingerprint
    id: str
    secret: str

    def text(self) -> str:
        return PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


class _Kept(msgspec.Struct, kw_only=True):
    digest: str
    role: str
    expires: float  # Unix time
    uses: int  # that are left


def read(text: str) -> Token:
    """The token in a text. Raises UsageError."""
    text = text.strip()
    if not text.startswith(PREFIX) or len(text) > LONGEST:
        raise UsageError("that is no join token", advice="`sojourn token` makes one")
    body = text.removeprefix(PREFIX)
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=Token)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as why:
        raise UsageError("that join token is damaged", advice="copy the whole of it") from why


class Tokens:
    """The tokens of one authority, in a folder. `now` is the wall clock."""

    def __init__(self, folder: Path, now: Callable[[], float] = clock.wall) -> None:
        self._folder = folder
        self._now = now

    def make(self, *, url: str, authority: str, role: str, expires: float, uses: int) -> Token:
        """A new token that lasts `expires` seconds. Raises UsageError."""
        if not 0 < expires <= LONGEST_LIFE:
            raise UsageError(f"a token cannot last {expires:.0f} s", advice="between a second and 30 days")
        if not 1 <= uses <= 1000:
            raise UsageError(f"a token cannot be used {uses} times", advice="between 1 and 1000")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        token = Token(url=url, authority=authority, id=new_id(), secret=secrets.token_urlsafe(32))
        self._keep(
            token.id,
            _Kept(digest=_digest(token.secret), role=role, expires=self._now() + expires, uses=uses),
        )
        return token

    def check(self, id: str, secret: str) -> str:
        """The role that a token lets in, without using it. Raises Unauthorized."""
        return self._valid(id, secret).role

    def use(self, id: str, secret: str) -> str:
        """Use a token; the role that it lets in. Raises Unauthorized."""
        kept = self._valid(id, secret)
        kept.uses -= 1
        self._keep(id, kept)
        return kept.role

    def _valid(self, id: str, secret: str) -> _Kept:
        kept = self._find(id)
        known = kept.digest if kept else _digest("")
        if not hmac.compare_digest(known, _digest(secret)) or kept is None:
            raise Unauthorized(
                "the join token is not one of this cluster", advice="`sojourn token` makes one"
            )
        if self._now() >= kept.expires:
            raise Unauthorized("the join token has expired", advice="`sojourn token` makes a new one")
        if kept.uses < 1:
            raise Unauthorized("the join token was used already", advice="`sojourn token` makes a new one")
        return kept

    def _find(self, id: str) -> _Kept | None:
        if not is_id(id):
            return None
        try:
            return msgspec.json.decode((self._folder / id).read_bytes(), type=_Kept)
        except (OSError, msgspec.MsgspecError):
            return None

    def _keep(self, id: str, kept: _Kept) -> None:
        write_private(self._folder / id, msgspec.json.encode(kept))

    def _sweep(self) -> None:
        """Forget those that expired more than a day ago; until then they are refused by that name."""
        for name in os.listdir(self._folder):
            kept = self._find(name)
            if kept is not None and self._now() > kept.expires + 24 * 3600:
                with contextlib.suppress(FileNotFoundError):
                    (self._folder / name).unlink()


def _digest(secret: str) -> str:
    return hashlib.sha256(b"sojourn token " + secret.encode()).hexdigest()

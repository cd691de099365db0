"""TLS as Sojourn speaks it: 1.3 and nothing else, both sides with a certificate of the cluster's authority.

No host names are compared on the data plane: an address says nothing about who a node is. Whom the other side's
certificate names is looked at afterwards (`identity.of_peer`), by both sides. Towards NATS, whose client library
compares host names, the name is that of the server's role.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Self

from sojourn.errors import SojournError
from sojourn.trust.credentials import Credentials


def serving(authority: Path, mine: Credentials) -> ssl.SSLContext:
    """For a listener that lets in members only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _filled(context, authority, mine)


def calling(
    authority: Path,
    mine: Credentials,
    *,
    names: bool = False,
    known: Callable[[], Collection[str] | None] | None = None,
) -> ssl.SSLContext:
    """For a member that calls; with `names` the host name of who answers is compared, and with `known` the SHA-256 of
    its certificate too, unless that gives None.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if known is None else _Choosy(known)
    context.check_hostname = names
    return _filled(context, authority, mine)


class _Choosy(ssl.SSLContext):
    """The context of `_Checked`."""

    def __new__(cls, known: Callable[[], Collection[str] | None]) -> Self:
        self = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        self.known = known
        self.sslobject_class = _Checked
        return self

    known: Callable[[], Collection[str] | None]


class _Checked(ssl.SSLObject):
    """Looks, when the handshake is over, whether the other side's certificate is one of those that are known."""

    def do_handshake(self) -> None:
        super().do_handshake()
        assert isinstance(self.context, _Choosy)
        known = self.context.known()
        if known is None:
            return
        shown = self.getpeercert(binary_form=True)
        if shown is None or hashlib.sha256(shown).hexdigest() not in known:
            raise ssl.SSLCertVerificationError("the certificate is not, or no longer, one of the servers'")


def open_door(mine: Credentials) -> ssl.SSLContext:
    """For the join door, at which strangers prove themselves by a token."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return _filled(context, None, mine)


def newcomer(authority: bytes | None) -> ssl.SSLContext:
    """For a newcomer at the join door; without the authority's certificate only to fetch that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if authority is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=authority.decode("ascii"))
    return context


def _filled(context: ssl.SSLContext, authority: Path | None, mine: Credentials) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        if authority is not None:
            context.load_verify_locations(authority)
        context.load_cert_chain(mine.certificate, mine.key)
    except (OSError, ssl.SSLError) as why:
        raise SojournError(f"the certificate at {mine.certificate} cannot be used: {why}") from why
    return context

"""TLS as Sojourn speaks it: 1.3 and nothing else, both sides with a certificate of the cluster's authority.

No host names are compared on the data plane: an address says nothing about who a node is. Whom the other side's
certificate names is looked at afterwards (`identity.of_peer`), by both sides. Towards NATS, whose client library
compares host names, the name is that of the server's role.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from sojourn.errors import SojournError
from sojourn.trust.credentials import Credentials


def serving(authority: Path, mine: Credentials) -> ssl.SSLContext:
    """For a listener that lets in members only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _filled(context, authority, mine)


def calling(authority: Path, mine: Credentials, *, names: bool = False) -> ssl.SSLContext:
    """For a member that calls; with `names` the host name of who answers is compared."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = names
    return _filled(context, authority, mine)


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

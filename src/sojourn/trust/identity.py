"""Who a certificate speaks for: `NAME.ROLE.CLUSTER.sojourn`, its one DNS name.

| role | who | what it opens |
|---|---|---|
| `node` | a member | the data plane of every node, its own NATS user |
| `client` | a command line on a machine without a node | the control operations of a node, over the data plane's door |
| `nats` | a NATS server | nothing; it is what members expect to find at the control plane |
| `keeper` | the host of the authority | the NATS user that writes down who is a member |

One name in the certificate serves everybody who looks: our own checks, NATS (which finds its user by it), and the host
name check of TLS libraries. A certificate of one role is therefore useless for another.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sojourn.errors import Unauthorized, UsageError

NODE, CLIENT, NATS, KEEPER = "node", "client", "nats", "keeper"
ROLES = frozenset({NODE, CLIENT, NATS, KEEPER})
SUFFIX = "sojourn"
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Identity:
    """What a certificate says. `serial` is the certificate's own number, in hexadecimal."""

    cluster: str
    role: str
    name: str
    serial: str = ""

    @property
    def host(self) -> str:
        """The DNS name in the certificate."""
        return f"{self.name}.{self.role}.{self.cluster}.{SUFFIX}"

    def __str__(self) -> str:
        return f"{self.role} {self.name}"


def label(name: str) -> str:
    """The name, if a certificate can carry it. Raises UsageError."""
    if not _LABEL.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a node",
            advice="1 to 40 lower-case letters, digits and inner '-'",
        )
    return name


def parse(host: str, serial: str = "") -> Identity:
    """The identity behind a DNS name. Raises Unauthorized."""
    parts = host.split(".")
    if len(parts) != 4 or parts[3] != SUFFIX or parts[1] not in ROLES or not _LABEL.fullmatch(parts[0]):
        raise Unauthorized(f"a certificate for {host[:100]!r} is none of ours")
    return Identity(parts[2], parts[1], parts[0], serial)


def of_peer(tls: ssl.SSLSocket | ssl.SSLObject) -> Identity:
    """Whom the other side's certificate, which TLS has verified, speaks for. Raises Unauthorized."""
    found = cast("Mapping[str, Any] | None", tls.getpeercert())
    if not found:
        raise Unauthorized("a stranger called: it showed no certificate")
    names: list[str] = [value for kind, value in found.get("subjectAltName", ()) if kind == "DNS"]
    if len(names) != 1:
        raise Unauthorized("a certificate that does not name one member")
    return parse(names[0], format(int(found["serialNumber"], 16), "x"))

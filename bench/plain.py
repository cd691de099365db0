"""`python -m bench.plain up --home HOME --nodes N`: a cluster whose data plane runs over plain TCP, for `trust` to
compare with. Sojourn has no such setting: it is made here, in the memory of the nodes that this program starts, by an
exchange of names, which nobody proves, in the place of the handshake.
"""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cryptography import x509

from sojourn.node import __main__ as node
from sojourn.node.membership import Membership
from sojourn.testing import LocalCluster
from sojourn.trust import identity
from sojourn.trust.connection import Connection
from sojourn.trust.identity import Identity

NAME = 200  # bytes of a name on the wire
TLS = Connection.secure


class PlainCluster(LocalCluster):
    """As LocalCluster, of such nodes."""

    def __enter__(self) -> PlainCluster:
        self.home = Path(tempfile.mkdtemp(prefix="sojourn-", dir="/tmp"))
        command = [sys.executable, "-m", "bench.plain", "up", "--home", str(self.home), "--nodes", str(self._count)]
        try:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1])
        except BaseException:
            shutil.rmtree(self.home, ignore_errors=True)
            raise
        return self


class Names:
    """Who we say we are, where a TLS context would be."""

    def __init__(self, me: Identity) -> None:
        self.name = f"{me.host} {me.serial}".encode().ljust(NAME)


def own_name(membership: Membership) -> Names:
    certificate = x509.load_pem_x509_certificate(membership._mine.certificate.read_bytes())
    return Names(identity.parse(membership.me.host, format(certificate.serial_number, "x")))


async def exchange_names(
    self: Connection, context: Names | ssl.SSLContext, *, server: bool, again: Any = None, known: bool = True
) -> None:
    if isinstance(context, ssl.SSLContext):  # of another door
        return await TLS(self, context, server=server, again=again, known=known)
    await self.write(context.name)
    host, serial = (await self.read_exactly(NAME)).decode().split()
    self.peer = identity.parse(host, serial)


def main() -> int:
    patched: Any = Membership
    patched.serving = patched.calling = own_name
    setattr(Connection, "secure", exchange_names)  # noqa: B010  (its type is another)
    return node.main()


if __name__ == "__main__":
    sys.exit(main())

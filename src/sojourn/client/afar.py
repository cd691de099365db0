"""A command line on a machine without a node: it speaks to the nodes' data plane, under TLS, with a certificate.

`sojourn login` puts the certificate and the nodes' addresses into SOJOURN_HOME. Such a client asks what it would
ask over a node's control socket, but for what only the user of that machine may (tokens, expulsion, `down`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl

from sojourn.client.home import NodeEntry
from sojourn.errors import Unauthorized
from sojourn.trust import contexts, identity
from sojourn.trust.credentials import Credentials
from sojourn.trust.identity import NODE
from sojourn.wire import framing, greeting


def connect(entry: NodeEntry, timeout: float) -> socket.socket:
    """A blocking connection, introduced. Raises OSError, Unauthorized, ProtocolError."""
    plain = socket.create_connection(_place(entry), timeout=timeout)
    try:
        tls = _context(entry).wrap_socket(plain)
    except BaseException:
        plain.close()
        raise
    try:
        _check(tls, entry)
        tls.sendall(greeting.greeting(greeting.CONTROL))
        greeting.check_magic(_exactly(tls, len(greeting.MAGIC)))
        size = framing.length(_exactly(tls, framing.HEADER.size), cap=greeting.CAP)
        greeting.check_verdict(_exactly(tls, size))
    except BaseException:
        tls.close()
        raise
    return tls


async def open_connection(entry: NodeEntry) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The same for asyncio."""
    host, port = _place(entry)
    reader, writer = await asyncio.open_connection(host, port, ssl=_context(entry))
    try:
        _check(writer.get_extra_info("ssl_object"), entry)
        writer.write(greeting.greeting(greeting.CONTROL))
        greeting.check_magic(await reader.readexactly(len(greeting.MAGIC)))
        size = framing.length(await reader.readexactly(framing.HEADER.size), cap=greeting.CAP)
        greeting.check_verdict(await reader.readexactly(size))
    except BaseException:
        writer.close()
        raise
    return reader, writer


def _context(entry: NodeEntry) -> ssl.SSLContext:
    home = entry.home
    assert home is not None
    return contexts.calling(home / "ca.pem", Credentials(home / "client.pem", home / "client.key"))


def _check(tls: ssl.SSLSocket | ssl.SSLObject, entry: NodeEntry) -> None:
    peer = identity.of_peer(tls)
    if (peer.role, peer.name) != (NODE, entry.name):
        raise Unauthorized(f"{peer} answered at the address of node {entry.name}")


def _place(entry: NodeEntry) -> tuple[str, int]:
    host, _, port = entry.address.rpartition(":")
    return host.strip("[]"), int(port)


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise ConnectionError("the node closed the connection")
        data += more
    return data

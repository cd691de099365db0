# pyright: basic
# (objects of modules that are never imported here)
"""Connections of `http.client` that rest between two requests, those in the pools of urllib3 and requests among them.

A move closes them: the peer speaks with this node. The connection goes without its socket, and opens another one when
it is next used, as after any pause that was too long for the server. One that has asked and not read the whole answer
is none of these, nor one whose socket somebody else reads from, one through a tunnel, or one that may not open itself
anew (`auto_open`).
"""

from __future__ import annotations

import gc
import sys
from typing import Any

from .lookup import type_name

SOCKETS = ("socket.socket", "ssl.SSLSocket")
_RESTS = "Idle"


def connection_type() -> Any:
    """`http.client.HTTPConnection`, if the program has it."""
    return getattr(sys.modules.get("http.client"), "HTTPConnection", None)


def resting(connection: Any) -> Any:
    """The socket of a connection that rests; None if it has none, or does not rest."""
    held = object.__getattribute__(connection, "__dict__")
    sock, response = held.get("sock"), held.get("_HTTPConnection__response")
    if type_name(type(sock)) not in SOCKETS or held.get("_HTTPConnection__state") != _RESTS or held.get("_buffer"):
        return None
    if not getattr(connection, "auto_open", False) or held.get("_tunnel_host") or sock._io_refs:
        return None
    return sock if response is None or response.fp is None else None


def numbers() -> set[int]:
    """The descriptors of connections that rest."""
    return {number for sock in sockets() if (number := sock.fileno()) >= 0}


def sockets() -> list[Any]:
    kind = connection_type()
    if kind is None:
        return []
    found = [each for each in gc.get_objects() if issubclass(type(each), kind)]
    return [sock for each in found if (sock := resting(each)) is not None]

"""Sojourn: mobile processes for Python.

From outside: `connect()` opens a cluster handle, `connect_async()` its asyncio form; they load on first use. From
inside a process of a cluster: `here()`, `hop(node)`, `clone(node)` and `register(type, capture, restore)`, which every
process has, whatever is installed in its environment: this file, `inside`, `reducers` and `errors` are in the zip that
hosts bring along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sojourn.errors import NotMobile, Refused, SojournError
from sojourn.inside import Here, clone, here, hop
from sojourn.reducers import register

if TYPE_CHECKING:
    from sojourn.client import AsyncCluster, Cluster, connect, connect_async

__version__ = "0.1.0"
__all__ = [
    "AsyncCluster",
    "Cluster",
    "Here",
    "NotMobile",
    "Refused",
    "SojournError",
    "__version__",
    "clone",
    "connect",
    "connect_async",
    "here",
    "hop",
    "register",
]


def __getattr__(name: str) -> Any:
    if name in {"connect", "connect_async", "Cluster", "AsyncCluster"}:
        import sojourn.client

        return getattr(sojourn.client, name)
    raise AttributeError(f"module 'sojourn' has no attribute {name!r}")

"""Sojourn: mobile processes for Python.

`connect()` opens a cluster handle, `connect_async()` its asyncio form. Everything here loads on first use, so that
importing the package costs nothing; it is also what the inside zip of a host process carries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sojourn.client import AsyncCluster, Cluster, connect, connect_async
    from sojourn.errors import SojournError

__version__ = "0.1.0"
__all__ = ["AsyncCluster", "Cluster", "SojournError", "__version__", "connect", "connect_async"]


def __getattr__(name: str) -> Any:
    if name in {"connect", "connect_async", "Cluster", "AsyncCluster"}:
        import sojourn.client

        return getattr(sojourn.client, name)
    if name == "SojournError":
        import sojourn.errors

        return sojourn.errors.SojournError
    raise AttributeError(f"module 'sojourn' has no attribute {name!r}")

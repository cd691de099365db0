"""A process taken from machine to machine without nodes around them."""

from __future__ import annotations

import os
from pathlib import Path

from sojourn.machines.base import Offer
from sojourn.machines.python.driver import PythonMachine
from sojourn.machines.python.hosted import PythonHost
from sojourn.resources.log import Log


async def hop(
    host: PythonHost,
    source: PythonMachine,
    target: PythonMachine,
    log: Log,
    epoch: int,
    *,
    deadline: float = 5.0,
) -> tuple[PythonHost, dict[str, float]]:
    """Moves a process; the new host, and figures in milliseconds (and bytes)."""
    offer: Offer = await host.survey()

    async def fetch(digest: str) -> Path:
        path = source.blob(digest)
        assert path is not None
        return path

    held = await target.prepare(offer, log, fetch)
    frozen = await host.freeze(deadline=deadline)
    try:
        log.begin(epoch)
        await held.thaw(frozen.fd, frozen.size)
        after, at = await held.go({})
    finally:
        os.close(frozen.fd)
    await host.kill()
    return after, {"downtime": (at - frozen.stopped_at) / 1e6, "size": frozen.size, "frames": frozen.frames}

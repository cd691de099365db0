"""Sleeping: it parks the thread, and the LWP carries others meanwhile."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from sojourn.errors import UsageError
from sojourn.threads.thread import Steps, Wait, operation

monotonic = time.monotonic


@operation
def sleep(seconds: float = 0.0) -> Steps[None]:
    """Sleep so long. With 0 it is `switch()`: the others run first."""
    if seconds <= 0:
        yield None
    else:
        yield Wait(None, monotonic() + seconds)


@operation
def sleep_until(when: float) -> Steps[None]:
    """Sleep until that time of `time.monotonic()`."""
    yield Wait(None, when)


@operation
def sleep_forever() -> Steps[None]:
    """Sleep until somebody cancels this thread."""
    yield Wait(None)


async def every(seconds: float) -> AsyncIterator[int]:
    """`async for number in every(0.1)`: a turn every so often, without drifting. A turn for which one was too late is
    left out, and its number with it.
    """
    if seconds <= 0:
        raise UsageError(f"a turn every {seconds} s is no period")
    began = monotonic()
    number = 0
    while True:
        yield number
        number = max(number, int((monotonic() - began) / seconds)) + 1
        await sleep_until(began + number * seconds)

"""The cyclic collector held back while many objects are made at once, none of which is garbage."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Generator[None]:
    """No automatic collection while this lasts; afterwards as it was.

    Over a large world (sympy's modules are 500,000 objects) collections would take most of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()

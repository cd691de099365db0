"""The clock that figures are taken by: CLOCK_MONOTONIC, one for all processes of a computer."""

from __future__ import annotations

import time

monotonic_ns = time.monotonic_ns


def milliseconds(since: int, until: int) -> float:
    """The span between two readings of `monotonic_ns`, in milliseconds."""
    return (until - since) / 1e6

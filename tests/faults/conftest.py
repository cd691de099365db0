"""Fixtures of the fault tests: a cluster with fault points and short leases, checked after every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .arena import Arena


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    """Three nodes with a lease of 3 seconds and fault points; the invariants are checked when the test is over."""
    with Arena(tmp_path, nodes=3, lease=3) as here:
        yield here
        here.check()

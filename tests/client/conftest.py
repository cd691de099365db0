"""What tests of the client share: a cluster, and programs that run on it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sojourn.client import Cluster, Process
from sojourn.testing import LocalCluster

from .programs import forget


@pytest.fixture
def cluster(local_cluster: LocalCluster) -> Cluster:
    return local_cluster.client


@pytest.fixture
def start(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts a program of this text, that has written its first line when this returns; removed in the end."""
    started: list[Process] = []

    def run(text: str, *args: str, **more: Any) -> Process:
        program = tmp_path / f"program{len(started)}.py"
        program.write_text(text)
        process = cluster.run(program, *args, python=sys.executable, cwd=tmp_path, **more)
        started.append(process)
        next(process.logs(follow=True))
        return process

    yield run
    for process in started:
        forget(process)

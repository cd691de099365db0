"""Nodes that were killed are started again, with `sojourn node`: by name what they were, with nothing that they had."""

from __future__ import annotations

import os
import select
import signal

import pytest

from sojourn.client import embedded
from sojourn.errors import UsageError

from .arena import SOON, Arena


def test_a_killed_node_is_started_again(arena: Arena) -> None:
    """It has its name and its membership; what it ran is lost, and said to be."""
    arena.ticker("t", "n2")
    other = arena.ticker("o", "n1")
    with pytest.raises(UsageError, match="n1, n2, n3 runs already"):
        embedded.start(arena.home)
    arena.kill("n2")
    arena.revive()
    arena.until(lambda: arena.row("t").state == "lost", "it is said to be lost")
    arena.ticks(other)
    arena.anew("t", "n2")
    assert arena.move("o", "n2").result(SOON)["to"] == "n2"
    assert arena.move("t", "n1").result(SOON)["to"] == "n1"


def test_a_whole_cluster_is_started_again(request: pytest.FixtureRequest, thorough: bool) -> None:
    """As after a reboot: the control plane with its store, then the nodes."""
    if not thorough:
        pytest.skip("only with --thorough")
    arena: Arena = request.getfixturevalue("arena")
    arena.ticker("t", "n2")
    for node in ("n1", "n2", "n3"):
        arena.kill(node)
    server = os.pidfd_open(arena.nats_pid)
    arena.nats(signal.SIGKILL)
    assert select.select([server], [], [], SOON)[0]
    os.close(server)
    arena.revive()
    arena.until(lambda: arena.row("t").state == "lost", "it is said to be lost")
    arena.anew("t", "n3")
    assert arena.move("t", "n1").result(SOON)["to"] == "n1"

"""A target that is out of memory: it says no, or it fails in the middle; the source goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn.errors import HostDied, Refused, SojournError
from sojourn.resources import cgroups
from sojourn.resources.limits import Limiter

from .arena import SOON, Arena

MB = 1 << 20


@pytest.fixture
def tree() -> Iterator[cgroups.Tree]:
    """Where memory groups can be made on this machine."""
    limiter = Limiter()
    found = limiter.tree("memory")
    if found is None:
        pytest.skip("no control groups can be made here")
    yield found
    limiter.close()


def test_a_machine_with_too_little_left_refuses(arena: Arena, tree: cgroups.Tree) -> None:
    """The target sees how much its own group leaves to it, and says so in the offer."""
    journal = arena.ticker("t", "n1", ballast=200)
    group = cgroups.Group(f"{os.getpid()}-small", tree, None)
    (door,) = group.doors
    try:
        Path(door).write_text(str(arena.pids["n2"]))
        group.limit_memory(100 * MB)
        with pytest.raises(Refused) as refused:
            arena.move("t", "n2").result(SOON)
        assert any("of memory, and there is" in reason for reason in refused.value.reasons), refused.value
        row = arena.row("t")
        assert (row.node, row.epoch, row.state) == ("n1", 1, "running")
        arena.ticks(journal)
        assert arena.move("t", "n3").result(SOON)["to"] == "n3"
        arena.ticks(journal)
        group.limit_memory(None)
    finally:
        assert group.remove(others=True)


def test_a_target_that_runs_out_of_memory_as_it_builds(arena: Arena, tree: cgroups.Tree) -> None:
    """The kernel kills the copy that is being built; the move ends, and the program goes on where it is."""
    journal = arena.ticker("t", "n1", ballast=80, memory="512M")
    arena.hold("n2", "target.before-thaw")
    move = arena.move("t", "n2")
    arena.reached("n2", "target.before-thaw", move)
    (held,) = tree.folder.glob(f"{arena.pids['n2']}-*")
    name = "memory.limit_in_bytes" if tree.version == 1 else "memory.max"
    (held / name).write_text(str(48 * MB))
    arena.release("n2", "target.before-thaw")
    with pytest.raises(SojournError, match="over its memory limit") as failed:
        move.result(SOON)
    assert isinstance(failed.value, HostDied)
    arena.ticks(journal)
    row = arena.row("t")
    assert (row.node, row.state) == ("n1", "running")
    arena.until(lambda: not any(tree.folder.glob(f"{arena.pids['n2']}-*")), "the copy's group is gone")
    assert arena.move("t", "n2").result(SOON)["to"] == "n2"
    arena.ticks(journal)
    assert arena.row("t").limits["memory"].startswith("512M")


def test_a_limit_that_was_lifted_for_the_freeze_holds_again(arena: Arena, tree: cgroups.Tree) -> None:
    """The image is no part of the program's memory; when the move has failed, the program has its limit back."""
    journal = arena.ticker("t", "n1", ballast=80, memory="512M")
    (group,) = tree.folder.glob(f"{arena.pids['n1']}-*")
    name = "memory.limit_in_bytes" if tree.version == 1 else "memory.max"
    arena.hold("n1", "source.frozen")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.frozen", move)
    assert (group / name).read_text().strip() != str(512 * MB)
    arena.release("n1", "source.frozen", then="cut")
    with pytest.raises(SojournError):
        move.result(SOON)
    arena.ticks(journal)
    arena.until(lambda: (group / name).read_text().strip() == str(512 * MB), "the limit holds again")

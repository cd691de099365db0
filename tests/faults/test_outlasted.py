"""A node that stands still past its lease and comes back: what the others decided holds, and nothing runs twice."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from sojourn.errors import SojournError
from sojourn.wire import events

from .arena import SOON, Arena


def test_its_processes_are_given_up_and_claimed_again(arena: Arena) -> None:
    """Nobody may restart them elsewhere, so they ran all the time: they are running again, with the next epoch."""
    journal = arena.ticker("t", "n2")
    os.kill(arena.pids["n2"], signal.SIGSTOP)
    arena.until(lambda: arena.row("t").state == "lost", "it is given up")
    os.kill(arena.pids["n2"], signal.SIGCONT)
    arena.until(lambda: arena.row("t").state == "running", "it is claimed again")
    row = arena.row("t")
    assert (row.node, row.epoch) == ("n2", 2)
    arena.ticks(journal)
    assert arena.move("t", "n1").result(SOON)["epoch"] == 3
    with arena.client as client:
        kinds = [events.kind(event) for event in client.events(process="t")]
    assert kinds == ["started", "lost", "returned", "moving", "moved"]


def test_what_was_replaced_meanwhile_ends(arena: Arena) -> None:
    """Its name was freed and taken by another program: the copy that comes back with its node goes."""
    arena.ticker("t", "n2")
    pid = arena.row("t").pid
    assert pid is not None
    os.kill(arena.pids["n2"], signal.SIGSTOP)
    arena.until(lambda: arena.row("t").state == "lost", "it is given up")
    with arena.client as client:
        client.process("t").rm()
        other = client.run(str(arena.program), str(arena.scratch / "other"), "100000", "0.01",
                           name="t", node="n1", python=sys.executable)  # fmt: skip
    os.kill(arena.pids["n2"], signal.SIGCONT)
    arena.until(lambda: not os.path.exists(f"/proc/{pid}"), "the old one ends")
    row = arena.row("t")
    assert (row.id, row.node, row.state) == (other.id, "n1", "running")
    other.kill()
    other.wait()
    other.rm()


@pytest.mark.parametrize("point", ["target.ready", "target.before-start"])
def test_a_target_that_stands_still_lets_the_source_have_it_back(
    point: str, thorough: bool, request: pytest.FixtureRequest
) -> None:
    """Before the commit the move is given up; after it the source takes the process back. Both when the target's lease
    has run out; and its copy, told to go long ago, never runs.
    """
    if point == "target.before-start" and not thorough:
        pytest.skip("only with --thorough")
    arena: Arena = request.getfixturevalue("arena")
    journal = arena.ticker("t", "n1")
    arena.hold("n2", point)
    move = arena.move("t", "n2")
    arena.reached("n2", point, move)
    os.kill(arena.pids["n2"], signal.SIGSTOP)
    with pytest.raises(SojournError):
        move.result(SOON)
    arena.until(lambda: (arena.row("t").node, arena.row("t").state) == ("n1", "running"), "the source has it")
    arena.ticks(journal)
    os.kill(arena.pids["n2"], signal.SIGCONT)
    arena.release("n2", point)
    arena.until(lambda: "n2" in {row.name for row in arena.client.nodes() if row.state == "up"}, "n2 is back")
    arena.ticks(journal)
    assert arena.row("t").node == "n1"
    assert arena.move("t", "n2").result(SOON)["to"] == "n2"

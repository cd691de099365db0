"""kill -9 of either node, before the commit and after it."""

from __future__ import annotations

import pytest

from sojourn.errors import NodeLost, PeerError, SojournError

from .arena import SOON, Arena


def test_target_dies_before_the_commit(arena: Arena) -> None:
    """The source goes on, unharmed, with the epoch it had; and can move elsewhere."""
    journal = arena.ticker("t", "n1")
    arena.hold("n2", "target.ready")
    move = arena.move("t", "n2")
    arena.reached("n2", "target.ready", move)
    frozen_at = len(arena.numbers(journal))
    arena.kill("n2")
    with pytest.raises(PeerError):
        move.result(SOON)
    arena.ticks(journal)
    arena.until(lambda: arena.row("t").state == "running", "the mark is removed")
    row = arena.row("t")
    assert (row.node, row.epoch, row.moves) == ("n1", 1, 0)
    assert arena.numbers(journal)[: frozen_at + 1] == list(range(frozen_at + 1))
    assert arena.move("t", "n3").result(SOON)["to"] == "n3"


def test_target_dies_after_the_commit_before_it_runs(arena: Arena) -> None:
    """The source takes its stopped copy back, by compare-and-set, once the target's lease has run out."""
    journal = arena.ticker("t", "n1")
    arena.hold("n1", "source.committed")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.committed", move)
    row = arena.row("t")
    assert (row.node, row.epoch, row.state) == ("n2", 2, "moving")
    before = len(arena.numbers(journal))
    arena.kill("n2")
    arena.release("n1", "source.committed")
    with pytest.raises(SojournError):
        move.result(SOON)
    arena.ticks(journal)
    row = arena.row("t")
    assert (row.node, row.epoch, row.state) == ("n1", 3, "running")
    assert len(arena.numbers(journal)) > before
    assert arena.move("t", "n3").result(SOON)["epoch"] == 4


def test_target_dies_after_it_runs(arena: Arena) -> None:
    """The source copy is retired, since the target ran; so the process is lost with its node, and nobody revives it."""
    arena.ticker("t", "n1")
    arena.hold("n1", "source.running")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.running", move)
    arena.until(lambda: arena.row("t").state == "running", "the target has confirmed")
    arena.kill("n2")
    arena.release("n1", "source.running")
    assert move.result(SOON)["to"] == "n2"
    arena.until(lambda: arena.row("t").state == "lost", "it is declared lost")
    with arena.client as client, pytest.raises(NodeLost):
        list(client.process("t").logs())


def test_source_dies_before_the_commit(arena: Arena) -> None:
    """The held copy settles the record and goes; the process is lost with its node."""
    journal = arena.ticker("t", "n1")
    arena.hold("n1", "source.before-commit")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.before-commit", move)
    arena.kill("n1")
    with pytest.raises(NodeLost):
        move.result(SOON)
    arena.until(lambda: arena.row("t").state == "lost", "it is declared lost")
    row = arena.row("t")
    assert (row.node, row.epoch) == ("n1", 2), "the abort record raised the epoch: no late commit can win"
    with arena.client as client:
        client.process("t").rm()
    numbers = len(arena.numbers(journal))
    arena.ticker("t", "n3")  # the name is free, and the journal goes on only with the new one
    assert arena.numbers(journal)[:numbers] == list(range(numbers))
    arena.client.process("t").kill()
    arena.client.process("t").wait()
    arena.client.process("t").rm()


def test_source_dies_after_the_commit(arena: Arena) -> None:
    """The target finds in the registry that the process is its own, confirms, and only then starts it."""
    journal = arena.ticker("t", "n1")
    arena.hold("n1", "source.committed")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.committed", move)
    arena.kill("n1")
    with pytest.raises(NodeLost):
        move.result(SOON)
    arena.ticks(journal)
    row = arena.row("t")
    assert (row.node, row.epoch, row.state, row.moves) == ("n2", 2, "running", 1)


def test_node_dies_with_its_processes(arena: Arena) -> None:
    """Host processes die with their node; the process is declared lost by who is left."""
    journal = arena.ticker("t", "n3")
    arena.kill("n3")
    before = len(arena.numbers(journal))
    arena.until(lambda: arena.row("t").state == "lost", "it is declared lost")
    assert len(arena.numbers(journal)) <= before + 1
    with arena.client as client:
        assert client.process("t").wait().state == "lost"

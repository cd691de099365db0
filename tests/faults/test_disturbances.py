"""What goes wrong while everybody lives: the control plane, the connection, rivals, and the process itself."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from sojourn.errors import Busy, PeerError, Refused, SojournError, TransferCut, Unavailable, WrongState

from .arena import SOON, Arena


def test_control_plane_gone_in_mid_move(arena: Arena) -> None:
    """For ten seconds nothing answers: what runs goes on, the move is held and says so, and is settled afterwards."""
    journal = arena.ticker("t", "n1")
    others = [arena.ticker(f"o{node}", node) for node in ("n1", "n2", "n3")]
    arena.hold("n1", "source.before-commit")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.before-commit", move)
    gone = time.monotonic()
    arena.nats(signal.SIGSTOP)
    arena.release("n1", "source.before-commit")
    arena.until(lambda: "held" in move.stages, "it says that it is held")  # type: ignore[attr-defined]
    before = len(arena.numbers(journal))
    for other in others:
        arena.ticks(other)
    with pytest.raises(Unavailable):
        arena.move("on1", "n3", via="n1").result(SOON)
    arena.ticks(others[0])
    arena.until(lambda: time.monotonic() - gone > 10, "ten seconds")
    assert len(arena.numbers(journal)) == before, "a copy ran while the commit was open"
    arena.nats(signal.SIGCONT)
    try:
        move.result(SOON)
    except SojournError:
        pass  # whoever won is the truth; the invariants say whether it is consistent
    arena.ticks(journal)
    for other in others:
        arena.ticks(other)
    arena.until(lambda: all(row.state == "running" for row in arena.ps().values()), "nobody has lost anybody")


def test_control_plane_gone_before_a_move(arena: Arena) -> None:
    """Moves refuse, starts refuse, output and signals still work, and everything is possible afterwards."""
    journal = arena.ticker("t", "n1")
    arena.nats(signal.SIGSTOP)
    with pytest.raises(Unavailable):
        arena.move("t", "n2", via="n1").result(SOON)
    with pytest.raises(Unavailable), arena.client as client:
        client.run(str(arena.program), "/dev/null", "1", "0", name="new")
    arena.ticks(journal)
    arena.ask("n2", "signal", name="t", signal=int(signal.SIGCONT))
    arena.nats(signal.SIGCONT)
    arena.until(lambda: arena.row("t").state == "running", "the unanswered mark is removed")
    assert arena.move("t", "n2").result(SOON)["to"] == "n2"


@pytest.mark.parametrize(
    ("node", "point"),
    [
        ("n1", "source.frozen"),
        ("n2", "target.before-thaw"),
        ("n2", "target.ready"),
        ("n1", "source.before-commit"),
    ],
)
def test_connection_cut(arena: Arena, node: str, point: str) -> None:
    """Before the commit the source goes on; where the commit was already on its way, exactly one of them does."""
    journal = arena.ticker("t", "n1")
    arena.hold(node, point)
    move = arena.move("t", "n2")
    arena.reached(node, point, move)
    arena.release(node, point, then="cut")
    try:
        move.result(SOON)
    except PeerError as why:
        assert isinstance(why, TransferCut)
        assert point != "source.committed"
    arena.ticks(journal)
    arena.until(lambda: arena.row("t").state == "running", "it is settled")
    elsewhere = "n3"
    assert arena.move("t", elsewhere).result(SOON)["to"] == elsewhere
    arena.ticks(journal)


def test_connection_cut_after_the_commit(arena: Arena) -> None:
    """ "Go" never arrives: the target finds the commit in the registry."""
    journal = arena.ticker("t", "n1")
    arena.hold("n1", "source.committed")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.committed", move)
    arena.release("n1", "source.committed", then="cut")
    assert move.result(SOON)["to"] == "n2"
    arena.ticks(journal)
    row = arena.row("t")
    assert (row.node, row.epoch, row.state) == ("n2", 2, "running")


def test_two_moves_at_once(arena: Arena) -> None:
    """The second is refused as busy, at once; the first is not disturbed."""
    journal = arena.ticker("t", "n1")
    arena.hold("n1", "source.frozen")
    first = arena.move("t", "n2")
    arena.reached("n1", "source.frozen", first)
    with pytest.raises(Busy):
        arena.move("t", "n3").result(SOON)
    with pytest.raises(Busy):
        arena.move("t", "n2", via="n3").result(SOON)
    arena.release("n1", "source.frozen")
    assert first.result(SOON)["to"] == "n2"
    arena.ticks(journal)


def test_process_ends_while_it_is_frozen(arena: Arena) -> None:
    """Killed from outside while it is stopped: the move ends, and the process has ended by that signal."""
    arena.ticker("t", "n1")
    arena.hold("n1", "source.frozen")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.frozen", move)
    pid = arena.row("t").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    arena.release("n1", "source.frozen")
    with pytest.raises(WrongState):
        move.result(SOON)
    arena.until(lambda: arena.row("t").state == "ended", "its end is known")
    row = arena.row("t")
    assert (row.node, row.signal) == ("n1", signal.SIGKILL)


def test_process_ends_before_it_can_be_frozen(arena: Arena) -> None:
    """It comes to its own end while the move begins."""
    journal = arena.ticker("t", "n1", count=400)
    arena.hold("n1", "source.before-freeze")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.before-freeze", move)
    arena.until(lambda: len(arena.numbers(journal)) == 400, "its last line")
    assert arena.client.process("t").wait(timeout=SOON).exit_code == 0
    arena.release("n1", "source.before-freeze")
    with pytest.raises(WrongState):
        move.result(SOON)
    row = arena.row("t")
    assert (row.state, row.exit_code) == ("ended", 0)


def test_requests_follow_a_process_that_moves(arena: Arena) -> None:
    """Signals, output and waiting go to wherever it is, asked of any node; nothing is lost in the middle of a move."""
    journal = arena.ticker("t", "n1")
    arena.hold("n1", "source.frozen")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.frozen", move)
    ended = arena._pool.submit(arena.ask, "n3", "stop", name="t", grace=5.0)
    arena.release("n1", "source.frozen")
    move.result(SOON)
    ended.result(SOON)
    row = arena.row("t")
    assert (row.node, row.state, row.signal) == ("n2", "ended", signal.SIGTERM)
    assert arena.numbers(journal)


def test_impossible_moves_are_refused_and_change_nothing(arena: Arena) -> None:
    journal = arena.ticker("t", "n1")
    for target in ("n1", "n9"):
        with pytest.raises(SojournError):
            arena.move("t", target).result(SOON)
    arena.hold("n2", "target.prepared")
    move = arena.move("t", "n2")
    arena.reached("n2", "target.prepared", move)
    arena.release("n2", "target.prepared", then="cut")
    with pytest.raises((PeerError, Refused)):
        move.result(SOON)
    row = arena.row("t")
    assert (row.node, row.epoch) == ("n1", 1)
    arena.ticks(journal)


def test_many_random_moves(arena: Arena, seed: int) -> None:
    """200 moves of 5 programs over 3 nodes, at random; the logs equal the plain run's."""
    dice = random.Random(seed)
    names = [f"p{number}" for number in range(5)]
    journals = {name: arena.ticker(name, dice.choice(arena.living), pause=0.002) for name in names}
    moves = 0
    running: dict[str, object] = {}
    while moves < 200:
        for name in names:
            future = running.get(name)
            if future is not None:
                future.result(SOON)  # type: ignore[attr-defined]
            here = arena.row(name).node
            running[name] = arena.move(name, dice.choice([node for node in arena.living if node != here]))
            moves += 1
    for future in running.values():
        future.result(SOON)  # type: ignore[attr-defined]
    rows = arena.ps()
    assert sum(rows[name].moves for name in names) == moves
    for journal in journals.values():
        arena.ticks(journal)

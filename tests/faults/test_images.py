"""Freezing and thawing while nodes die and the control plane is away: the registry and the file decide, and agree."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from sojourn.errors import NameTaken, SojournError

from .arena import SOON, Arena


def thaw(arena: Arena, image: Path, node: str) -> str:
    """Thaw it there; who goes on."""
    return arena.begin("thaw", arena.living[0], file=str(image), node=node).result(SOON)["as"]


def test_control_plane_gone_before_the_record_says_frozen(arena: Arena, tmp_path: Path) -> None:
    """The program stands still while nobody knows, and then either runs without a file or is frozen with one."""
    journal = arena.ticker("t", "n1")
    arena.hold("n1", "freeze.written")
    freeze = arena.begin("freeze", "n1", name="t", file=str(tmp_path / "image"))
    arena.reached("n1", "freeze.written", freeze)
    before = len(arena.numbers(journal))
    arena.nats(signal.SIGSTOP)
    arena.release("n1", "freeze.written")
    arena.until(lambda: "held" in freeze.stages, "it says that it is held")  # type: ignore[attr-defined]
    assert len(arena.numbers(journal)) == before, "it ran while its end was open"
    arena.nats(signal.SIGCONT)
    try:
        freeze.result(SOON)
        assert arena.row("t").state == "frozen" and (tmp_path / "image").exists()
        assert thaw(arena, tmp_path / "image", "n2") == "itself"
    except SojournError:
        arena.until(lambda: arena.row("t").state == "running", "it goes on")
        assert not (tmp_path / "image").exists()
    arena.ticks(journal)


@pytest.mark.parametrize("point", ["freeze.written", "freeze.committed"])
def test_the_node_dies_in_a_freeze(arena: Arena, tmp_path: Path, point: str) -> None:
    """The file is complete. Before the record said frozen the process is lost, and an heir goes on; else itself."""
    journal = arena.ticker("t", "n1")
    arena.hold("n1", point)
    freeze = arena.begin("freeze", "n1", name="t", file=str(tmp_path / "image"))
    arena.reached("n1", point, freeze)
    before = len(arena.numbers(journal))
    arena.kill("n1")
    with pytest.raises(SojournError):
        freeze.result(SOON)
    if point == "freeze.written":
        arena.until(lambda: arena.row("t").state == "lost", "it is declared lost")
        with pytest.raises(NameTaken, match="is lost"):
            thaw(arena, tmp_path / "image", "n2")
        arena.ask("n2", "rm", name="t")
        assert thaw(arena, tmp_path / "image", "n2") == "heir"
    else:
        assert arena.row("t").state == "frozen"
        assert thaw(arena, tmp_path / "image", "n2") == "itself"
    arena.ticks(journal)
    assert arena.numbers(journal)[: before + 1] == list(range(before + 1))


def test_the_node_dies_in_a_thaw_before_it_has_the_process(
    arena: Arena, tmp_path: Path, thorough: bool
) -> None:
    """It stays frozen, and another node takes it."""
    if not thorough:
        pytest.skip("only with --thorough")
    journal = arena.ticker("t", "n1")
    arena.begin("freeze", "n1", name="t", file=str(tmp_path / "image")).result(SOON)
    arena.hold("n2", "thaw.ready")
    first = arena.begin("thaw", "n2", file=str(tmp_path / "image"), node="n2")
    arena.reached("n2", "thaw.ready", first)
    arena.kill("n2")
    with pytest.raises(SojournError):
        first.result(SOON)
    assert arena.row("t").state == "frozen"
    assert thaw(arena, tmp_path / "image", "n3") == "itself"
    arena.ticks(journal)


def test_the_node_dies_when_it_has_the_process_and_does_not_run_it(
    arena: Arena, tmp_path: Path, thorough: bool
) -> None:
    """It is lost; the file is still there, and an heir goes on where it was frozen."""
    if not thorough:
        pytest.skip("only with --thorough")
    journal = arena.ticker("t", "n1")
    arena.begin("freeze", "n1", name="t", file=str(tmp_path / "image")).result(SOON)
    arena.hold("n2", "thaw.committed")
    first = arena.begin("thaw", "n2", file=str(tmp_path / "image"), node="n2")
    arena.reached("n2", "thaw.committed", first)
    arena.kill("n2")
    with pytest.raises(SojournError):
        first.result(SOON)
    arena.until(lambda: arena.row("t").state == "lost", "it is declared lost")
    arena.ask("n1", "rm", name="t")
    assert thaw(arena, tmp_path / "image", "n3") == "heir"
    arena.ticks(journal)


def test_two_thaw_at_once_on_different_nodes(arena: Arena, tmp_path: Path) -> None:
    """Both have it complete; one gets it."""
    journal = arena.ticker("t", "n1")
    arena.begin("freeze", "n1", name="t", file=str(tmp_path / "image")).result(SOON)
    attempts = []
    for node in ("n2", "n3"):
        arena.hold(node, "thaw.ready")
        attempts.append(arena.begin("thaw", node, file=str(tmp_path / "image"), node=node))
        arena.reached(node, "thaw.ready", attempts[-1])
    for node in ("n2", "n3"):
        arena.release(node, "thaw.ready")
    failed = [attempt.exception(SOON) for attempt in attempts]
    assert [type(why) for why in failed if why is not None] == [NameTaken]
    winner = ("n2", "n3")[failed.index(None)]
    arena.until(lambda: arena.row("t").state == "running", "it runs")
    assert (arena.row("t").node, arena.row("t").epoch) == (winner, 2)
    arena.ticks(journal)

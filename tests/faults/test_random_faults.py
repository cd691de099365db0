"""Moves over three nodes, each with a fault by random choice in a random stage. The seed is in the header (`--seed`).

Faults: the connection is cut at a fault point; a node, or the control plane, stands still for a moment; the source or
the target is killed, and started again at once or when the others have noticed. Afterwards each process is where `FATE`
says, or lost and said to be; what runs can be moved; and the invariants of `Arena.check` (each number once in the
journal, the whole log, nothing left over) hold at the end.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter

import pytest

from sojourn.errors import SojournError
from sojourn.mobility.points import POINTS

from .arena import SOON, Arena

PROGRAMS = 4
PAUSE = 0.005
STILL = 1.0  # seconds that somebody stands still; a lease is 3
CUTTABLE = [point for point in POINTS if point.split(".")[0] in ("source", "target")]
FAULTS = ["none", "none", "cut", "cut", "node", "registry"]

# Where the process is after the source was killed, or the target, while the move was held there.
FATE = {
    "source.marked": ("lost", "source"),
    "source.before-freeze": ("lost", "source"),
    "source.frozen": ("lost", "source"),
    "source.before-commit": ("lost", "source"),
    "source.committed": ("target", "source"),
    "source.running": ("target", "lost"),
    "target.prepared": ("lost", "source"),
    "target.before-thaw": ("lost", "source"),
    "target.ready": ("lost", "source"),
    "target.before-start": ("target", "source"),
    "target.before-running": ("target", "source"),  # which does again what the target did in between
    "target.before-confirm": ("target", "lost"),
}


def test_every_stage_has_a_fate() -> None:
    assert set(FATE) == set(CUTTABLE)


@pytest.mark.parametrize("when", ["at once", "afterwards"])
@pytest.mark.parametrize("victim", ["n1", "n2"])
@pytest.mark.parametrize("point", CUTTABLE)
def test_killed_in_every_stage(
    point: str, victim: str, when: str, request: pytest.FixtureRequest, thorough: bool
) -> None:
    """By either side, which is started again before the others can notice, or when they have."""
    if not thorough:
        pytest.skip("only with --thorough")
    arena: Arena = request.getfixturevalue("arena")
    arena.ticker("t", "n1", pause=PAUSE)
    arena.ticker("o", "n2", pause=PAUSE)
    for name in _kill(arena, "t", "n1", "n2", point, victim, at_once=when == "at once"):
        arena.anew(name, "n3", pause=PAUSE)
    target = {"n1": "n2", "n2": "n1", "n3": "n1"}[arena.row("t").node]
    assert arena.move("t", target).result(SOON)["to"] == target


def test_moves_with_faults_by_random_choice(arena: Arena, seed: int, thorough: bool) -> None:
    dice = random.Random(seed)
    names = [f"p{number}" for number in range(PROGRAMS)]
    for name in names:
        arena.ticker(name, dice.choice(arena.living), pause=PAUSE)
    faults = [*FAULTS, "kill"] * 72 if thorough else [*FAULTS * 3, "kill", "kill"]
    dice.shuffle(faults)
    moved, story = Counter[str](), list[str]()
    for fault in faults:
        name = dice.choice(names)
        here = arena.row(name).node
        there = dice.choice([node for node in arena.living if node != here])
        story.append(f"{name} {here}->{there} {fault}")
        try:
            if fault == "kill":
                point, victim, at_once = dice.choice(CUTTABLE), dice.choice([here, there]), dice.random() < 0.5
                story[-1] += f" {victim} at {point}, and back {'at once' if at_once else 'afterwards'}"
                for each in _kill(arena, name, here, there, point, victim, at_once=at_once):
                    arena.anew(each, dice.choice(arena.living), pause=PAUSE)
                    moved[each] = 0
            else:
                moved[name] += _move(arena, dice, name, here, there, fault, story)
            arena.until(lambda name=name: arena.row(name).state == "running", "it is settled")
        except AssertionError as why:
            raise AssertionError(f"seed {seed}, {len(story)} moves, last: {story[-5:]}: {why}") from why
    rows = arena.ps()
    assert moved.total()
    assert all(rows[name].moves >= moved[name] for name in names)
    assert all(row.state == "running" for row in rows.values())


def _move(
    arena: Arena, dice: random.Random, name: str, here: str, there: str, fault: str, story: list[str]
) -> bool:
    """One move under a fault; whether it came through."""
    point = dice.choice(CUTTABLE)
    at = here if point.startswith("source") else there
    if fault == "cut":
        arena.hold(at, point)
    move = arena.move(name, there)
    if fault == "cut":
        story[-1] += f" at {point}"
        try:
            arena.reached(at, point, move)
        except AssertionError:
            if not move.done():
                raise
        arena.release(at, point, then="cut")
    elif fault != "none":
        node = dice.choice([here, there])
        _pass_by(dice.uniform(0, 0.1))
        _signal(arena, node, fault, signal.SIGSTOP)
        _pass_by(dice.uniform(0.1, STILL))
        _signal(arena, node, fault, signal.SIGCONT)
    try:
        move.result(2 * SOON)
    except SojournError:
        return False
    return True


def _kill(
    arena: Arena, name: str, here: str, there: str, point: str, victim: str, *, at_once: bool
) -> list[str]:
    """One move whose source or target is killed in the middle, and started again; who is lost, and said to be."""
    at = here if point.startswith("source") else there
    arena.hold(at, point)
    move = arena.move(name, there)
    arena.reached(at, point, move)
    lost = [row.name for row in arena.ps().values() if row.node == victim and row.name != name]
    arena.kill(victim)
    if point == "target.before-running" and victim == there:
        arena.repeats[name] += 1
    if victim != at:
        arena.release(at, point)
    if at_once:
        arena.revive()
    fate = FATE[point][victim == there]
    if fate == "lost":
        lost.append(name)
    else:
        node = {"source": here, "target": there}[fate]
        arena.until(
            lambda: (arena.row(name).node, arena.row(name).state) == (node, "running"), f"{name} runs at {node}"
        )
    for each in lost:
        arena.until(lambda each=each: arena.row(each).state == "lost", f"{each} is said to be lost")
    try:
        move.result(2 * SOON)
    except SojournError:
        pass  # who was asked was killed, or says what became of it
    if not at_once:
        arena.revive()
    return lost


def _signal(arena: Arena, node: str, fault: str, number: int) -> None:
    if fault == "node":
        os.kill(arena.pids[node], number)
    else:
        arena.nats(number)


def _pass_by(seconds: float) -> None:
    """A part of the fault, and no way to wait for something: so long somebody stands still, or is left alone."""
    threading.Event().wait(seconds)

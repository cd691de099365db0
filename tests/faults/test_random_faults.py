"""Moves over three nodes, each with a fault by random choice in a random stage. The seed is in the header (`--seed`).

Faults: the connection is cut at a fault point; a node, or the control plane, stands still for a moment. Whatever each
move answers, afterwards the process runs at exactly one node and can be moved; the invariants of `Arena.check` (each
number once in the journal, the whole log, nothing left over) are checked at the end.
"""

from __future__ import annotations

import os
import random
import signal
import threading

from sojourn.errors import SojournError
from sojourn.mobility.points import POINTS

from .arena import SOON, Arena

PROGRAMS = 4
STILL = 1.0  # seconds that somebody stands still; a lease is 3
CUTTABLE = [point for point in POINTS if point.split(".")[0] in ("source", "target")]


def test_moves_with_faults_by_random_choice(arena: Arena, seed: int, thorough: bool) -> None:
    dice = random.Random(seed)
    names = [f"p{number}" for number in range(PROGRAMS)]
    for name in names:
        arena.ticker(name, dice.choice(arena.living), pause=0.005)
    moved, story = 0, []
    for _ in range(500 if thorough else 40):
        name = dice.choice(names)
        here = arena.row(name).node
        there = dice.choice([node for node in arena.living if node != here])
        fault = dice.choice(["none", "none", "cut", "cut", "node", "registry"])
        story.append(f"{name} {here}->{there} {fault}")
        try:
            moved += _move(arena, dice, name, here, there, fault, story)
        except AssertionError as why:
            raise AssertionError(f"seed {seed}, last: {story[-5:]}: {why}") from why
        arena.until(
            lambda name=name: arena.row(name).state == "running", f"seed {seed}: {story[-5:]} is settled"
        )
    rows = arena.ps()
    assert moved and sum(row.moves for row in rows.values()) >= moved
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


def _signal(arena: Arena, node: str, fault: str, number: int) -> None:
    if fault == "node":
        os.kill(arena.pids[node], number)
    else:
        arena.nats(number)


def _pass_by(seconds: float) -> None:
    """A part of the fault, and no way to wait for something: so long somebody stands still, or is left alone."""
    threading.Event().wait(seconds)

"""Draining a node: which of its processes goes where next, how many at a time, and when it is done. No I/O.

Concepts. Each process is in one `Step`. What becomes of an attempt is an `On`; the table says what follows. A target
that will not have a process is not asked again for the same one; what holds a process at its source (a pin, an object
that cannot travel) no other target would change, so it stays at once.

Guarantees. Never more than `limit` attempts at a time. A process is never sent twice to one target, so the drain ends.
Every process ends in exactly one of MOVED, STAYS, GONE; one that stays has all the reasons it was given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sojourn.model.placement import Candidate, place

AT_ONCE = 4  # moves under way, when nobody says


class Step(StrEnum):
    WAITING = "waiting"
    MOVING = "moving"
    MOVED = "moved"
    STAYS = "stays"  # nobody would take it, or nothing could
    GONE = "gone"  # it ended, or somebody else moved it


class On(StrEnum):
    """What became of one attempt."""

    MOVED = "moved"
    TARGET_REFUSED = "target refused"
    HELD = "held"  # by something that it has here, wherever it is to go
    LEFT = "left"  # it is not here any more
    DELAYED = "delayed"  # somebody else has it in hands; try again later


TABLE: dict[tuple[Step, On], Step] = {
    (Step.MOVING, On.MOVED): Step.MOVED,
    (Step.MOVING, On.TARGET_REFUSED): Step.WAITING,
    (Step.MOVING, On.HELD): Step.STAYS,
    (Step.MOVING, On.LEFT): Step.GONE,
    (Step.MOVING, On.DELAYED): Step.WAITING,
}

OUTCOMES = frozenset({Step.MOVED, Step.STAYS, Step.GONE})
NOBODY = "no other node takes processes"


@dataclass
class Passenger:
    """One process and what has been tried with it."""

    id: str
    name: str
    step: Step = Step.WAITING
    target: str = ""
    tried: set[str] = field(default_factory=set[str])
    reasons: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Start:
    """Move this process to that node now."""

    id: str
    name: str
    target: str


class Plan:
    """One drain of one node.

    Args:
        processes: (id, name) of each, in the order in which they are to go.
        limit: moves at a time.
    """

    def __init__(self, processes: Iterable[tuple[str, str]], limit: int = AT_ONCE) -> None:
        self.passengers = {id: Passenger(id, name) for id, name in processes}
        self.limit = limit

    def add(self, id: str, name: str) -> None:
        """One that has come since (it was on its way when the drain began)."""
        self.passengers.setdefault(id, Passenger(id, name))

    @property
    def done(self) -> bool:
        return all(each.step in OUTCOMES for each in self.passengers.values())

    def starts(self, candidates: Iterable[Candidate]) -> list[Start]:
        """What to begin now, spread over the candidates (without the node itself); marks them as begun.

        One that has nobody left to go to stays.
        """
        rooms = {each.name: each for each in candidates}
        moving = [each for each in self.passengers.values() if each.step is Step.MOVING]
        for each in moving:  # the count of a target lags behind what is on its way to it
            if each.target in rooms:
                room = rooms[each.target]
                rooms[each.target] = replace(room, processes=room.processes + 1)
        begun: list[Start] = []
        for each in self.passengers.values():
            if each.step is not Step.WAITING or len(moving) + len(begun) >= self.limit:
                continue
            target = place((room for name, room in rooms.items() if name not in each.tried), "")
            if target is None:
                each.step = Step.STAYS
                each.reasons = each.reasons or [NOBODY]
                continue
            rooms[target] = replace(rooms[target], processes=rooms[target].processes + 1)
            each.step, each.target = Step.MOVING, target
            begun.append(Start(each.id, each.name, target))
        return begun

    def heard(self, id: str, on: On, reasons: Iterable[str] = ()) -> Passenger:
        """What became of the attempt with this process."""
        each = self.passengers[id]
        each.step = TABLE[each.step, on]
        if on is On.TARGET_REFUSED:
            each.tried.add(each.target)
            each.reasons += [f"{each.target}: {reason}" for reason in reasons]
        elif on is On.HELD:
            each.reasons = list(reasons)
        return each

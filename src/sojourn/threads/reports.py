"""Who blocks, where and for how long: upcalls while it happens, a report afterwards.

    threads.upcall("blocked", lambda call: print(call))     # 'fetch-7 blocked 0.0 s in recvfrom, client.py:31 in get'
    print(threads.report())
"""

from __future__ import annotations

import _thread
from enum import StrEnum
from types import FrameType
from typing import Any, NamedTuple

from sojourn.threads.thread import Thread
from sojourn.threads.verdicts import Verdict


class Event(StrEnum):
    """What the program can be called up for."""

    BLOCKED = "blocked"  # a thread blocks its LWP, whose processor was handed on
    UNBLOCKED = "unblocked"  # it has come back
    PREEMPTED = "preempted"  # it has computed for so long that its processor was handed on


class BlockingWarning(RuntimeWarning):
    """A call blocked for longer than `Scheduler(warn=…)` says."""


class Place(NamedTuple):
    """A line of the program."""

    file: str
    line: int
    function: str

    @classmethod
    def of(cls, frame: FrameType | None) -> Place:
        if frame is None:
            return cls("?", 0, "?")
        return cls(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


class Sighting:
    """What the monitor has seen of an LWP, and notes before it takes its processor."""

    __slots__ = (
        "call_name", "caught_at", "cpu_at", "cpu_last", "looked_at", "mistaken", "place", "preempted", "since",
        "switches", "thread", "told", "verdict",
    )  # fmt: skip

    def __init__(self) -> None:
        self.thread: Thread[Any] | None = None
        self.switches = 0  # of the thread
        self.since = 0.0
        self.looked_at = 0.0
        self.cpu_at: float | None = None
        self.cpu_last: float | None = None
        self.caught_at = 0.0  # when the slice was first seen that was told
        self.preempted = False  # the LWP was robbed because it computes
        self.mistaken = False  # it was robbed when it had just gone on
        self.told = False  # that this slice blocks
        self.place: Place | None = None
        self.verdict: Verdict | None = None
        self.call_name = ""


class Upcall(NamedTuple):
    """One event, told to the program."""

    event: Event
    thread: Thread[Any]
    place: Place
    frame: FrameType | None  # with `unblocked`: None, since the thread has left it
    seconds: float  # so far; with `unblocked` the whole time
    call: str  # the system call, where the kernel tells
    verdict: Verdict

    def __str__(self) -> str:
        call = f" in {self.call}" if self.call else ""
        return f"{self.thread.name} {self.event} {self.seconds:.3f} s{call}, {self.place}"


class Row:
    """What was seen at one line."""

    def __init__(self, verdict: Verdict, call: str) -> None:
        self.verdict = verdict
        self.call = call
        self.times = 0
        self.seconds = 0.0
        self.longest = 0.0
        self.threads: set[str] = set()  # names of some of those that were there

    def add(self, seconds: float, name: str) -> None:
        self.times += 1
        self.seconds += seconds
        self.longest = max(self.longest, seconds)
        if len(self.threads) < 4:
            self.threads.add(name)


class Report:
    """Which lines of the program have kept an LWP for themselves, the worst first."""

    def __init__(self) -> None:
        self._guard = _thread.allocate_lock()
        self._rows: dict[Place, Row] = {}
        self.handed_on = 0  # processors
        self.pinned = 0  # threads that were given an LWP of their own

    def add(self, place: Place, verdict: Verdict, call: str, seconds: float, name: str) -> None:
        with self._guard:
            row = self._rows.get(place)
            if row is None:
                row = self._rows[place] = Row(verdict, call)
            row.add(seconds, name)

    def rows(self) -> list[tuple[Place, Row]]:
        with self._guard:
            return sorted(self._rows.items(), key=lambda item: -item[1].seconds)

    def __str__(self) -> str:
        lines = [f"{self.handed_on} processors handed on, {self.pinned} threads pinned"]
        rows = self.rows()
        if rows:
            lines.append(f"{'times':>7} {'seconds':>9} {'longest':>9}  what")
        for place, row in rows:
            what = f"{row.verdict} in {row.call}" if row.call else str(row.verdict)
            numbers = f"{row.times:7} {row.seconds:9.3f} {row.longest:9.3f}"
            lines.append(f"{numbers}  {what}: {place} ({', '.join(sorted(row.threads))})")
        return "\n".join(lines)

"""Fault points: named places in a move at which a test can hold it, look around, break something, and let
it go on.

Off unless the cluster was started with `--faults`; then a point costs a dictionary look-up. Nodes offer
them as the control operations `testing.hold`, `testing.reached` and `testing.release`; `POINTS` is the
list.

A test holds a point, starts a move, waits until the move has reached it, does its damage, and releases the
point: `then="go"` lets the move go on, `then="cut"` cuts its connection first.
"""

from __future__ import annotations

import asyncio

from sojourn.errors import UsageError

POINTS = (
    "source.marked",  # the record says moving; no offer is out
    "source.before-freeze",
    "source.frozen",  # stopped, image complete, nothing sent
    "source.before-commit",  # the target is ready
    "source.committed",  # the commit won, "go" is not out
    "source.running",  # the target said that it runs; the source copy still exists
    "target.prepared",
    "target.before-thaw",
    "target.ready",  # held copy complete, not said so
    "target.before-start",  # told to go, nothing runs
    "target.before-running",  # it runs, and nobody was told
    "target.before-confirm",  # the source was told
    # of a freeze into a file, and of a thaw out of one
    "freeze.written",  # the file is complete, the record says nothing of it
    "freeze.committed",  # the record says frozen, the stopped host is still there
    "thaw.ready",  # held copy complete, nothing written
    "thaw.committed",  # the record says that it runs here; it does not yet
    # of a clone; its targets pass target.prepared, target.before-thaw and target.ready too
    "origin.reserved",  # the copy's name is taken; no offer is out
    "origin.before-freeze",  # every target has made a place
    "origin.frozen",  # the image is complete, the original still stands
    "origin.before-send",  # the original goes on
    "origin.withdrawing",
    "copy.before-commit",
    "copy.committed",  # nothing runs
    "copy.before-running",  # it runs, and nobody was told
    # of a renaming: before each of its writes
    "rename.claiming",
    "rename.removing",
    # of carrying the control plane over to three servers
    "plane.held",  # the first server has ended, nothing is in the new ones
    "plane.committed",  # it is written down, and no member has heard of it
)


class _Hold:
    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.released = asyncio.Event()
        self.then = "go"


class Points:
    """The points of one node. A hold catches one move and is then used up."""

    def __init__(self, *, enabled: bool = False) -> None:
        self.enabled = enabled
        self._holds: dict[str, _Hold] = {}

    async def reach(self, point: str) -> bool:
        """A move has come to `point`. Returns True when its connection is to be cut."""
        hold = self._holds.get(point)
        if hold is None or hold.reached.is_set():
            return False
        hold.reached.set()
        await hold.released.wait()
        self._holds.pop(point, None)
        return hold.then == "cut"

    def hold(self, point: str) -> None:
        """Hold the next move that comes to `point`."""
        self._known(point)
        self._holds[point] = _Hold()

    async def reached(self, point: str) -> None:
        """Wait until a move is held at `point`."""
        await self._hold(point).reached.wait()

    def release(self, point: str, then: str = "go") -> None:
        """Let it go on."""
        hold = self._hold(point)
        if then not in ("go", "cut"):
            raise UsageError(f"a point is released to go or to cut, not to {then!r}")
        hold.then = then
        hold.released.set()
        if not hold.reached.is_set():
            del self._holds[point]

    def _known(self, point: str) -> None:
        if not self.enabled:
            raise UsageError("this cluster has no fault points", advice="start it with `up --faults`")
        if point not in POINTS:
            raise UsageError(f"there is no point {point!r}", advice=f"they are: {', '.join(POINTS)}")

    def _hold(self, point: str) -> _Hold:
        self._known(point)
        try:
            return self._holds[point]
        except KeyError:
            raise UsageError(f"nobody holds {point!r}") from None

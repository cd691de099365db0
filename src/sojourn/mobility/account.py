"""The account of one move: when each stage began, how long the program stood still, what travelled.

Downtime is from the last instruction at the source to the first at the target. Both are readings of `_util.clock`,
which can be compared when both sides run under the same kernel; else the time until "running" was heard is a bound
from above.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sojourn._util import clock
from sojourn.image.stream import length_on_wire
from sojourn.machines.base import Frozen
from sojourn.mobility.link import boot_id
from sojourn.names.registry import Record
from sojourn.wire import peer

Report = Callable[[str], None]


class Account:
    """Kept by the source. `report` is told of each stage."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._began = time.monotonic_ns()
        self._stages: dict[str, int] = {}
        self._downtime = 0  # nanoseconds
        self._one_clock = False

    def stage(self, stage: str) -> None:
        """A stage begins, and the one before it ends."""
        self._stages[stage] = time.monotonic_ns()
        self._report(stage)

    def ran(self, stopped_at: int, running: peer.Running) -> None:
        """The target said when its first instruction was."""
        self._one_clock = running.boot == boot_id()
        self._downtime = (running.first_at if self._one_clock else clock.monotonic_ns()) - stopped_at
        self.stage("running")

    def facts(
        self, *, frozen: Frozen | None, record: Record, target: str, resources: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """What `move --json` prints. `record` is as before the commit."""
        now = time.monotonic_ns()
        ends = [*list(self._stages.values())[1:], now]
        spans = zip(self._stages.items(), ends, strict=True)
        return {
            "name": record.name,
            "id": record.id,
            "from": record.node,
            "to": target,
            "epoch": record.epoch + 1,
            "strategy": "stop-and-copy",
            "downtime_ms": _ms(self._downtime),
            "downtime_measured": "one clock" if self._one_clock else "bounded by a round trip",
            "total_ms": _ms(now - self._began),
            "bytes": length_on_wire(frozen.size) if frozen else 0,
            "image_bytes": frozen.size if frozen else 0,
            "frames": frozen.frames if frozen else 0,
            "rounds": 1,
            "stages_ms": {stage: _ms(end - began) for (stage, began), end in spans},
            "resources": resources,
        }


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)

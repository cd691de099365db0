from __future__ import annotations

import asyncio

import pytest

from sojourn.errors import UsageError
from sojourn.mobility.points import POINTS, Points


def test_a_hold_catches_one_move() -> None:
    async def main() -> None:
        points = Points(enabled=True)
        point = POINTS[0]
        assert not await points.reach(point)
        points.hold(point)
        move = asyncio.create_task(points.reach(point))
        await points.reached(point)
        assert not await points.reach(point), "a second one passes"
        points.release(point, "cut")
        assert await move
        assert not await points.reach(point)
        with pytest.raises(UsageError):
            points.release(point)

    asyncio.run(main())


def test_a_hold_that_nobody_came_to_is_taken_back() -> None:
    async def main() -> None:
        points = Points(enabled=True)
        points.hold(POINTS[0])
        points.release(POINTS[0])
        assert not await points.reach(POINTS[0])

    asyncio.run(main())


def test_unknown_points_and_clusters_without_them() -> None:
    with pytest.raises(UsageError):
        Points(enabled=True).hold("nowhere")
    with pytest.raises(UsageError):
        Points().hold(POINTS[0])

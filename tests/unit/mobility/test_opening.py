"""A link that is opened ahead: used once, never left open, never relied on when it is old."""

from __future__ import annotations

import asyncio
import socket

import pytest

from sojourn.errors import NodeLost
from sojourn.mobility import link
from sojourn.mobility.link import Link, Opening
from sojourn.trust.connection import Connection


class Caller:
    """Opens links to itself; `theirs` are the other ends."""

    def __init__(self) -> None:
        self.theirs: list[socket.socket] = []
        self.let = asyncio.Event()
        self.let.set()

    async def call(self) -> Link:
        ours, theirs = socket.socketpair()
        self.theirs.append(theirs)
        made = Link(Connection(ours))
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            made.close()
            raise
        return made

    def ended(self) -> list[bool]:
        """Of each link, whether it was closed."""
        seen: list[bool] = []
        for each in self.theirs:
            each.setblocking(False)
            try:
                seen.append(each.recv(1) == b"")
            except BlockingIOError:
                seen.append(False)
        return seen

    def close(self) -> None:
        for each in self.theirs:
            each.close()


@pytest.fixture
def caller() -> Caller:
    return Caller()


def test_it_is_taken_once_and_is_the_takers_then(caller: Caller) -> None:
    async def main() -> None:
        async with Opening(caller.call) as opening:
            first = await opening.take()
            second = await opening.take()
            assert len(caller.theirs) == 2, "who takes a second one gets another"
        assert caller.ended() == [False, False]
        first.close()
        second.close()

    asyncio.run(main())
    caller.close()


def test_one_that_nobody_took_is_closed(caller: Caller) -> None:
    async def main() -> None:
        async with Opening(caller.call):
            while not caller.theirs:
                await asyncio.sleep(0)
        assert caller.ended() == [True]
        caller.let.clear()
        async with Opening(caller.call):
            while len(caller.theirs) < 2:
                await asyncio.sleep(0)
        assert caller.ended() == [True, True], "in the middle of a handshake, too"

    asyncio.run(main())
    caller.close()


def test_an_old_one_is_not_relied_on(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(link, "FRESH", 0.0)
        async with Opening(caller.call) as opening:
            taken = await opening.take()
            assert caller.ended() == [True, False]
            taken.close()

    asyncio.run(main())
    caller.close()


def test_a_call_that_fails_is_told_to_who_takes_it_and_to_nobody_else() -> None:
    async def fails() -> Link:
        raise NodeLost("node n2 is not there")

    async def main() -> None:
        async with Opening(fails) as opening:
            with pytest.raises(NodeLost):
                await opening.take()
        async with Opening(fails):
            await asyncio.sleep(0)

    asyncio.run(main())

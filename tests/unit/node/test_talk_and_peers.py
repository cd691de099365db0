"""The control protocol between nodes, over real authenticated sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sojourn.errors import InternalError, NodeLost, NotFound, Unauthorized, UsageError
from sojourn.node.peers import Peers
from sojourn.node.talk import Channel, Emit
from sojourn.wire import handshake


class Desk:
    """Answers requests, and notes which were cancelled."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []
        self.waiting = asyncio.Event()

    async def serve(self, op: str, args: dict[str, Any], emit: Emit) -> Any:
        match op:
            case "echo":
                return args
            case "count":
                for number in range(args["to"]):
                    await emit(number)
                return "done"
            case "missing":
                raise NotFound("no such thing", advice="look elsewhere", details={"what": 1})
            case "bug":
                raise ZeroDivisionError("oops")
            case "forever":
                self.waiting.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.cancelled.append(op)
                    raise
            case _:
                raise UsageError(op)


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Desk, Channel, Peers]]:
    async def no_moves(sock: socket.socket) -> None:
        raise AssertionError("no move was announced")

    desk, secret, addresses = Desk(), os.urandom(32), dict[str, str]()
    peers = Peers(secret, desk.serve, no_moves, addresses.get)
    addresses["n"] = await peers.open()
    try:
        yield desk, await peers.channel("n"), peers
    finally:
        await peers.close()


async def collected(channel: Channel, op: str, **args: Any) -> tuple[list[Any], Any]:
    items: list[Any] = []

    async def emit(item: Any) -> None:
        items.append(item)

    return items, await channel.ask(op, args, emit)


def run(test: Any) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


def test_requests_interleave_and_streams_keep_their_order() -> None:
    async def main() -> None:
        async with connected() as (_, channel, peers):
            assert await peers.channel("n") is channel, "one connection for all"
            asked = [collected(channel, "count", to=2000) for _ in range(5)]
            echoes = [channel.ask("echo", {"n": n, "data": b"\x00" * 1000}) for n in range(50)]
            for items, end in await asyncio.gather(*asked):
                assert items == list(range(2000)) and end == "done"
            assert [answer["n"] for answer in await asyncio.gather(*echoes)] == list(range(50))

    run(main)


def test_errors_arrive_as_what_they_were() -> None:
    async def main() -> None:
        async with connected() as (_, channel, _peers):
            with pytest.raises(NotFound) as caught:
                await channel.ask("missing", {})
            assert caught.value.advice == "look elsewhere" and caught.value.details == {"what": 1}
            with pytest.raises(InternalError, match="ZeroDivisionError"):
                await channel.ask("bug", {})
            assert await channel.ask("echo", {}) == {}

    run(main)


def test_who_stops_waiting_cancels() -> None:
    async def main() -> None:
        async with connected() as (desk, channel, _):
            asked = asyncio.create_task(channel.ask("forever", {}))
            await desk.waiting.wait()
            asked.cancel()
            while not desk.cancelled:
                await channel.ask("echo", {})

    run(main)


def test_a_node_that_goes_away_is_told_to_all_who_wait() -> None:
    async def main() -> None:
        async with connected() as (desk, channel, peers):
            asked = [asyncio.create_task(channel.ask("forever", {})) for _ in range(3)]
            await desk.waiting.wait()
            await peers.close()
            for each in asked:
                with pytest.raises(NodeLost):
                    await each
            with pytest.raises(NodeLost):
                await channel.ask("echo", {})

    run(main)


def test_only_who_knows_the_secret_is_answered() -> None:
    async def main() -> None:
        async with connected() as (_, _channel, peers):
            address = peers._address("n")  # pyright: ignore[reportPrivateUsage]
            outsider = Peers(b"x" * 32, Desk().serve, lambda _: asyncio.sleep(0), lambda _: address)
            with pytest.raises((NodeLost, Unauthorized)):
                await outsider.call("n", handshake.CONTROL)
            with pytest.raises(NodeLost):
                await Peers(b"x" * 32, Desk().serve, lambda _: asyncio.sleep(0), lambda _: None).call(
                    "n", b"c"
                )

    run(main)

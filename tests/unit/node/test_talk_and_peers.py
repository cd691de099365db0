"""The control protocol between members, over real TLS; and who is not let in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sojourn.errors import InternalError, NodeLost, NotFound, Unauthorized, UsageError
from sojourn.names.directory import Directory
from sojourn.node.membership import Membership
from sojourn.node.peers import Peers
from sojourn.node.talk import Channel, Emit
from sojourn.trust.connection import Connection
from sojourn.trust.identity import CLIENT, KEEPER, NATS, Identity
from sojourn.wire import greeting
from tests.circle import Circle


class Desk:
    """Answers requests, and notes which were cancelled."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []
        self.asked_by: list[Identity] = []
        self.waiting = asyncio.Event()

    async def serve(self, who: Identity, op: str, args: dict[str, Any], emit: Emit) -> Any:
        self.asked_by.append(who)
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


async def no_moves(connection: Connection) -> None:
    raise AssertionError("no move was announced")


class Pair:
    """Two nodes, n and m, that know each other; m asks n."""

    def __init__(self, folder: Path) -> None:
        self.circle = Circle(folder)
        self.desk = Desk()
        self.addresses: dict[str, str] = {}
        self.known = {name: Directory() for name in ("n", "m")}
        for directory in self.known.values():
            for name in ("n", "m"):
                self.circle.told(directory, self.circle.who(name))
        self.n, self.m = (
            Peers(
                self.circle.membership(name, self.known[name]), self.desk.serve, no_moves, self.addresses.get
            )
            for name in ("n", "m")
        )

    def stranger(self, who: Identity) -> Peers:
        """Somebody with that certificate, who calls n."""
        directory = Directory()
        self.circle.told(directory, self.circle.who("n"))
        membership = Membership(who, self.circle.trusted, self.circle.credentials(who), directory)
        return Peers(membership, self.desk.serve, no_moves, self.addresses.get)


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    made = Pair(folder)
    made.addresses["n"] = await made.n.open()
    try:
        yield made
    finally:
        await made.m.close()
        await made.n.close()


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[tuple[Desk, Channel, Peers]]:
    async with pair(folder) as made:
        yield made.desk, await made.m.channel("n"), made.m


async def collected(channel: Channel, op: str, **args: Any) -> tuple[list[Any], Any]:
    items: list[Any] = []

    async def emit(item: Any) -> None:
        items.append(item)

    return items, await channel.ask(op, args, emit)


def run(test: Any) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


def test_requests_interleave_and_streams_keep_their_order(tmp_path: Path) -> None:
    async def main() -> None:
        async with connected(tmp_path) as (_, channel, peers):
            assert await peers.channel("n") is channel, "one connection for all"
            asked = [collected(channel, "count", to=2000) for _ in range(5)]
            echoes = [channel.ask("echo", {"n": n, "data": b"\x00" * 1000}) for n in range(50)]
            for items, end in await asyncio.gather(*asked):
                assert items == list(range(2000)) and end == "done"
            assert [answer["n"] for answer in await asyncio.gather(*echoes)] == list(range(50))

    run(main)


def test_errors_arrive_as_what_they_were(tmp_path: Path) -> None:
    async def main() -> None:
        async with connected(tmp_path) as (_, channel, _peers):
            with pytest.raises(NotFound) as caught:
                await channel.ask("missing", {})
            assert caught.value.advice == "look elsewhere" and caught.value.details == {"what": 1}
            with pytest.raises(InternalError, match="ZeroDivisionError"):
                await channel.ask("bug", {})
            assert await channel.ask("echo", {}) == {}

    run(main)


def test_who_stops_waiting_cancels(tmp_path: Path) -> None:
    async def main() -> None:
        async with connected(tmp_path) as (desk, channel, _):
            asked = asyncio.create_task(channel.ask("forever", {}))
            await desk.waiting.wait()
            asked.cancel()
            while not desk.cancelled:
                await channel.ask("echo", {})

    run(main)


def test_a_node_that_goes_away_is_told_to_all_who_wait(tmp_path: Path) -> None:
    async def main() -> None:
        async with connected(tmp_path) as (desk, channel, peers):
            asked = [asyncio.create_task(channel.ask("forever", {})) for _ in range(3)]
            await desk.waiting.wait()
            await peers.close()
            for each in asked:
                with pytest.raises(NodeLost):
                    await each
            with pytest.raises(NodeLost):
                await channel.ask("echo", {})

    run(main)


def test_who_asks_is_whom_the_certificate_names(tmp_path: Path) -> None:
    async def main() -> None:
        async with pair(tmp_path) as made:
            await (await made.m.channel("n")).ask("echo", {})
            assert [(who.role, who.name) for who in made.desk.asked_by] == [("node", "m")]

    run(main)


def test_tls_sessions_are_resumed(tmp_path: Path) -> None:
    async def main() -> None:
        async with pair(tmp_path) as made:
            first = await made.m.call("n", greeting.MOVE)
            again = await made.m.call("n", greeting.CONTROL)
            sock: Any = again._sock  # pyright: ignore[reportPrivateUsage]
            assert sock.session_reused and again.peer == first.peer
            first.close()
            again.close()

    run(main)


def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with pair(tmp_path / "ours") as made:
            theirs = Circle(tmp_path / "theirs")
            directory = Directory()
            outsider = Peers(theirs.membership("m", directory), made.desk.serve, no_moves, made.addresses.get)
            with pytest.raises(Unauthorized):
                await outsider.call("n", greeting.CONTROL)
            # Who trusts anybody still is refused by the other side.
            trusting = Peers(
                Membership(
                    theirs.who("m"), made.circle.trusted, theirs.credentials(theirs.who("m")), made.known["m"]
                ),
                made.desk.serve,
                no_moves,
                made.addresses.get,
            )
            with pytest.raises(Unauthorized):
                await trusting.call("n", greeting.CONTROL)
            assert not made.desk.asked_by

    (tmp_path / "ours").mkdir()
    run(main)


@pytest.mark.parametrize("role", [NATS, KEEPER])
def test_a_certificate_of_another_role_opens_nothing(tmp_path: Path, role: str) -> None:
    async def main() -> None:
        async with pair(tmp_path) as made:
            with pytest.raises(Unauthorized, match="no member"):
                await made.stranger(made.circle.who("m", role)).call("n", greeting.CONTROL)

    run(main)


def test_a_command_line_may_ask_but_not_move(tmp_path: Path) -> None:
    async def main() -> None:
        async with pair(tmp_path) as made:
            afar = made.circle.who("laptop", CLIENT)
            made.circle.told(made.known["n"], afar)
            peers = made.stranger(afar)
            await (await peers.channel("n")).ask("echo", {})
            with pytest.raises(Unauthorized, match="may not move"):
                await peers.call("n", greeting.MOVE)
            await peers.close()

    run(main)


def test_nobody_is_somebody_else(tmp_path: Path) -> None:
    """At the address of n sits x, with a valid certificate of its own."""

    async def main() -> None:
        async with pair(tmp_path) as made:
            x = made.stranger(made.circle.who("x"))
            made.addresses["n"] = await x.open()
            with pytest.raises(Unauthorized, match="node x answered at the address of node n"):
                await made.m.call("n", greeting.MOVE)
            await x.close()

    run(main)


def test_an_expelled_member_is_cut_off_and_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with pair(tmp_path) as made:
            channel = await made.m.channel("n")
            asked = asyncio.create_task(channel.ask("forever", {}))
            await made.desk.waiting.wait()
            m = made.circle.who("m")
            made.circle.told(made.known["n"], m, expelled=1.0)
            made.n.expelled(Identity(m.cluster, m.role, m.name, made.circle.serials[m]))
            with pytest.raises(NodeLost):
                await asked
            for purpose in (greeting.CONTROL, greeting.MOVE):
                with pytest.raises(Unauthorized, match="was expelled"):
                    await made.m.call("n", purpose)
            made.circle.told(made.known["m"], made.circle.who("n"), expelled=1.0)
            with pytest.raises(Unauthorized, match="was expelled"):
                await made.m.call("n", greeting.MOVE)

    run(main)


def test_an_older_certificate_of_a_member_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with pair(tmp_path) as made:
            m = made.circle.who("m")
            made.circle.serials[m] = "1234"
            made.circle.told(made.known["n"], m)
            with pytest.raises(Unauthorized, match="not the one it was given"):
                await made.m.call("n", greeting.MOVE)

    run(main)


def test_a_node_without_a_lease_is_not_called(tmp_path: Path) -> None:
    async def main() -> None:
        async with pair(tmp_path) as made:
            with pytest.raises(NodeLost):
                await made.n.call("m", greeting.CONTROL)

    run(main)

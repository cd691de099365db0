"""Who may come in: sockets and files are their owner's alone, and a stranger is refused before anything is decoded."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import psutil
import pytest

from sojourn.errors import PeerError, Unauthorized, Unavailable
from sojourn.names.nats_kv import NatsRegistry
from sojourn.names.server import Server
from sojourn.node.peers import Peers
from sojourn.wire import handshake

from .arena import Arena


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def address(arena: Arena) -> tuple[str, int]:
    host, _, port = arena.cluster.nodes[0].address.rpartition(":")
    return host, int(port)


def test_files_and_sockets_are_private(arena: Arena) -> None:
    assert mode(arena.home) == 0o700
    for path in (arena.home / "cluster.json", arena.home / "secret", arena.home / "nats" / "nats.conf"):
        assert mode(path) == 0o600, path
    for place in arena.cluster.nodes:
        assert mode(Path(place.socket)) == 0o600
        assert mode(Path(place.socket).parent) == 0o700


def test_everything_listens_on_loopback(arena: Arena) -> None:
    for pid in (*arena.pids.values(), arena.cluster.nats.pid):
        connections = psutil.Process(pid).net_connections("inet")
        listening = [c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN]
        assert listening and set(listening) == {"127.0.0.1"}


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\n\r\n" * 20, os.urandom(handshake.RESPONSE), b"\0" * 4096]
)
def test_a_stranger_at_the_data_plane_is_refused(arena: Arena, said: bytes) -> None:
    with socket.create_connection(address(arena)) as stranger:
        greeting = stranger.recv(handshake.GREETING)
        assert greeting.startswith(handshake.MAGIC)
        if said:
            stranger.sendall(said)
        else:
            stranger.shutdown(socket.SHUT_WR)
        stranger.settimeout(10)
        try:
            assert stranger.recv(1) == b"", "nothing is answered"
        except ConnectionResetError:
            pass
    assert arena.ask("n1", "hello")["node"] == "n1"


def test_many_silent_strangers_do_not_keep_members_out(arena: Arena) -> None:
    strangers = [socket.create_connection(address(arena)) for _ in range(200)]
    try:
        arena.ticker("t", "n2")
        arena.until(lambda: _moves(arena), "members come in again when the strangers' time is over")
    finally:
        for stranger in strangers:
            stranger.close()


def _moves(arena: Arena) -> bool:
    try:
        return arena.move("t", "n1").result(30)["to"] == "n1"
    except PeerError:
        return False


def test_a_member_of_another_cluster_is_refused(arena: Arena) -> None:
    async def main() -> None:
        async def nothing(*_: object) -> None:
            raise AssertionError("nobody should come here")

        host, port = address(arena)
        outsider = Peers(os.urandom(32), nothing, nothing, lambda _: f"{host}:{port}")
        with pytest.raises((Unauthorized, PeerError)):
            await outsider.call("n1", handshake.CONTROL)

    asyncio.run(main())


def test_the_control_plane_wants_credentials(arena: Arena) -> None:
    async def main() -> None:
        for server in (
            Server(url=arena.cluster.nats.url),
            Server(url=arena.cluster.nats.url, user=arena.cluster.nats.user, password="wrong"),
        ):
            with pytest.raises(Unavailable):
                await NatsRegistry.connect(server, "x")

    asyncio.run(main())


def test_garbage_on_the_control_socket_hurts_nobody(arena: Arena) -> None:
    path = arena.cluster.nodes[0].socket
    for said in (b"\xff" * 100, b"\0\0\0\x05hello", b"\0\0\0\x01\x80", b"\x7f\xff\xff\xff"):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(path)
            stranger.sendall(said)
            stranger.settimeout(10)
            assert stranger.recv(1) == b"", "the connection is closed"
    assert arena.ask("n1", "hello")["node"] == "n1"

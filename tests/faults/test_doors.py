"""Who may come in: sockets and files are their owner's alone, and a stranger is refused before anything is decoded."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import psutil

from sojourn.errors import PeerError

from .arena import Arena


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def address(arena: Arena) -> tuple[str, int]:
    host, _, port = arena.cluster.nodes[0].address.rpartition(":")
    return host, int(port)


def test_files_and_sockets_are_private(arena: Arena) -> None:
    assert mode(arena.home) == 0o700
    for folder in (arena.home / "authority", arena.home / "nats"):
        assert mode(folder) == 0o700
    private = [
        arena.home / "cluster.json",
        *(path for path in (arena.home / "authority").iterdir()),
        *arena.home.rglob("*.key"),
        *arena.home.rglob("*.conf"),
    ]
    assert len(private) > 10
    for path in private:
        assert mode(path) == 0o600, path
    for place in arena.cluster.nodes:
        assert mode(Path(place.socket)) == 0o600
        assert mode(Path(place.socket).parent) == 0o700


def test_everything_listens_on_loopback(arena: Arena) -> None:
    for pid in (*arena.pids.values(), arena.nats_pid):
        connections = psutil.Process(pid).net_connections("inet")
        listening = [c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN]
        assert listening and set(listening) == {"127.0.0.1"}


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


def test_garbage_on_the_control_socket_hurts_nobody(arena: Arena) -> None:
    path = arena.cluster.nodes[0].socket
    for said in (b"\xff" * 100, b"\0\0\0\x05hello", b"\0\0\0\x01\x80", b"\x7f\xff\xff\xff"):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(path)
            stranger.sendall(said)
            stranger.settimeout(10)
            assert stranger.recv(1) == b"", "the connection is closed"
    assert arena.ask("n1", "hello")["node"] == "n1"

"""Joining, expulsion, and every door against strangers, expired tokens, expelled members and hostile bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from sojourn.client import connect, embedded
from sojourn.client.calls import Call
from sojourn.errors import (
    NameTaken,
    NodeLost,
    NotFound,
    ProtocolError,
    SojournError,
    Unauthorized,
    Unavailable,
    UsageError,
    WrongState,
)
from sojourn.names import server as servers
from sojourn.names.directory import Directory
from sojourn.names.nats_kv import NatsRegistry
from sojourn.names.registry import Change, Member
from sojourn.node import config
from sojourn.node.membership import Membership
from sojourn.node.peers import Peers
from sojourn.testing.leaks import SCRATCH
from sojourn.trust import contexts, tokens
from sojourn.wire import greeting

from .arena import SOON, Arena


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """The home of another machine."""
    home = Path(tempfile.mkdtemp(prefix="sojourn-", dir=SCRATCH))
    yield home
    with contextlib.suppress(SojournError):
        embedded.down(home)
    shutil.rmtree(home, ignore_errors=True)


def invitation(arena: Arena, **how: Any) -> str:
    """A token; the door opens a moment after `up`."""
    end = time.monotonic() + SOON
    while True:
        try:
            return arena.ask("n1", "token", **how)["token"]
        except Unavailable:
            assert time.monotonic() < end


def test_a_further_machine_joins_and_takes_processes(arena: Arena, elsewhere: Path) -> None:
    text = invitation(arena)
    answer = embedded.join(elsewhere, text, name="far")
    assert [node["name"] for node in answer["nodes"]] == ["far"]
    journal = arena.ticker("t", "n1")
    assert arena.move("t", "far").result(SOON)["to"] == "far"
    arena.ticks(journal)
    with connect(elsewhere) as there:
        assert {row.name for row in there.nodes()} == {"far", "n1", "n2", "n3"}
        with pytest.raises(UsageError, match="not on this machine"):
            there.token()
    assert not (elsewhere / "authority").exists()
    with pytest.raises(WrongState, match="control plane of far is on this machine"):
        embedded.down(arena.home)
    assert arena.move("t", "n2", via="n1").result(SOON)["to"] == "n2"
    embedded.down(elsewhere)
    assert embedded.start(elsewhere)["nodes"][0]["name"] == "far", "it stays a member"
    with pytest.raises(Unauthorized, match="used already"), tempfile.TemporaryDirectory() as other:
        embedded.join(Path(other), text)
    embedded.down(elsewhere)


def test_the_join_door_is_shut_to_who_has_no_valid_token(arena: Arena, elsewhere: Path) -> None:
    token = tokens.read(invitation(arena))
    forged = msgspec.structs.replace(token, secret="x" * 43).text()
    with pytest.raises(Unauthorized, match="not one of this cluster"):
        embedded.join(elsewhere, forged)
    foreign = msgspec.structs.replace(token, authority="0" * 64).text()
    with pytest.raises(Unauthorized, match="not the one that the token is for"):
        embedded.join(elsewhere, foreign)
    for name in ("n1", "N1"):
        with pytest.raises((NameTaken, UsageError)):
            embedded.join(elsewhere, token.text(), name=name)
    brief = invitation(arena, expires=0.001)
    with pytest.raises(Unauthorized, match="expired"):
        embedded.join(elsewhere, brief)
    with pytest.raises(UsageError, match="not for a node"):
        embedded.join(elsewhere, invitation(arena, role="client"))
    assert not (elsewhere / "cluster.json").exists()
    assert {row.name for row in arena.client.nodes()} == {"n1", "n2", "n3"}


def test_a_command_line_from_afar(arena: Arena, elsewhere: Path) -> None:
    arena.ticker("t", "n1")
    embedded.login(elsewhere, invitation(arena, role="client"), name="laptop")
    with connect(elsewhere) as afar:
        process = afar.process("t")
        assert process.move("n2").target == "n2"
        assert b"".join(chunk.data for chunk in process.logs()).startswith(b"line 0")
        for op in ("token", "expel", "down", "testing.hold"):
            with pytest.raises(Unauthorized, match="own machine"):
                afar.link.ask(Call(op, {"name": "n3", "point": "x"}, object))
    arena.ask("n1", "expel", name="laptop")
    with pytest.raises(Unauthorized, match="was expelled"):
        connect(elsewhere)


class Rogue:
    """A node that was expelled and goes on talking: it has its certificate, and heeds nobody."""

    def __init__(self, arena: Arena, home: Path, name: str) -> None:
        cluster = config.read(home)
        assert cluster is not None
        self.cluster, self.me = cluster, config.member(cluster, name)
        self.trusted, self.mine = config.trusted(home), config.credentials(home, name)
        directory = Directory()
        for number, member in enumerate(msgspec.json.decode(
            (arena.home / "authority" / "members.json").read_bytes(), type=list[Member]
        )):  # fmt: skip
            directory.apply(Change(number, "member", member.key, member))
        addresses = {place.name: place.address for place in arena.cluster.nodes}
        self.peers = Peers(
            Membership(self.me, self.trusted, self.mine, directory), self.nothing, self.nothing, addresses.get
        )

    async def nothing(self, *_: object) -> None:
        raise AssertionError("nobody speaks to it")

    async def at_nats(self) -> NatsRegistry:
        tls = contexts.calling(self.trusted, self.mine, names=True)
        return await NatsRegistry.connect(self.cluster.nats, self.me, tls=tls)


def test_an_expelled_node_goes_on_talking(arena: Arena, elsewhere: Path) -> None:
    """It is refused at each door, by every node; its processes are lost; its connections have ended."""
    joined = embedded.join(elsewhere, invitation(arena), name="far")["nodes"][0]
    arena.ticker("t", "n1")
    arena.move("t", "far").result(SOON)
    os.kill(joined["pid"], signal.SIGSTOP)  # it cannot hear that it is expelled
    try:
        rogue = Rogue(arena, elsewhere, "far")

        async def before() -> None:
            registry, channel = await rogue.at_nats(), await rogue.peers.channel("n2")
            with pytest.raises(SojournError):
                await channel.ask("no such thing", {})
            arena.ask("n1", "expel", name="far")
            await asyncio.wait_for(channel.closed.wait(), SOON)
            async with asyncio.timeout(SOON):
                while not registry.client.is_reconnecting:
                    await asyncio.sleep(0)
            await registry.close()

        asyncio.run(before())
        arena.until(lambda: arena.row("t").state == "lost", "its process is lost")
        assert "far" not in {row.name for row in arena.client.nodes() if row.state == "up"}

        async def after() -> None:
            for node in ("n1", "n2", "n3"):
                for purpose in (greeting.CONTROL, greeting.MOVE):
                    with pytest.raises(Unauthorized, match="was expelled"):
                        await rogue.peers.call(node, purpose)
            with pytest.raises(Unauthorized):
                await rogue.at_nats()

        asyncio.run(after())
        with pytest.raises(SojournError):
            arena.client.run(str(arena.program), node="far")
    finally:
        os.kill(joined["pid"], signal.SIGCONT)
    with pytest.raises(NameTaken), tempfile.TemporaryDirectory() as other:
        embedded.join(Path(other), invitation(arena), name="far")


def test_an_expelled_node_that_hears_of_it_ends(arena: Arena) -> None:
    fd = os.pidfd_open(arena.pids["n3"])
    arena.ask("n1", "expel", name="n3")
    os.close(fd)
    arena._killed.add("n3")
    arena.until(lambda: not psutil.pid_exists(arena.pids["n3"]) or _zombie(arena.pids["n3"]), "n3 has ended")
    assert {row.name for row in arena.client.nodes()} == {"n1", "n2"}


def _zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def test_nats_killed_is_started_again(arena: Arena) -> None:
    """Same port, same store, nothing lost; what runs goes on; and the next host does it when the first one dies."""
    journal = arena.ticker("t", "n2")
    for killed in (None, "n1"):
        host = next(name for name in arena.living if _holds(arena.pids[name], arena.home / "host.lock"))
        if killed:
            arena.kill(host)
        before, rows = arena.nats_pid, set(arena.ps())
        os.kill(before, signal.SIGKILL)
        arena.ticks(journal)
        arena.until(
            lambda before=before: servers.running(config.nats_folder(arena.home)) not in (None, before),
            "NATS runs again",
        )
        arena.until(lambda host=host: _moved(arena, but=host), "moves work again")
        assert set(arena.ps()) == rows
        arena.ticks(journal)


def _holds(pid: int, path: Path) -> bool:
    inode = path.stat().st_ino
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(
        "FLOCK" in lock and str(pid) in lock and lock[-3].endswith(f":{inode}") and "->" not in lock
        for lock in locks
    )


def _moved(arena: Arena, but: str) -> bool:
    """To a node that lives, and is not the host: that one will be killed."""
    here = arena.row("t").node
    there = next(name for name in arena.living if name not in (here, but))
    try:
        return arena.move("t", there, via=here).result(SOON)["to"] == there
    except (Unavailable, NodeLost, NotFound, WrongState):  # a short lease may have run out, and is taken anew
        return False


def hostile(seed: int) -> list[bytes]:
    dice = random.Random(seed)
    noise = [dice.randbytes(dice.randrange(1, 3000)) for _ in range(12)]
    return [
        *noise,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
        b"\x16\x03\x01\x40\x00" + dice.randbytes(200),  # a TLS record that announces more than it has
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + dice.randbytes(100),  # a cut hello
        struct.pack(">I", 2**32 - 1) + bytes(100),
        b"CONNECT {" + b"a" * 100_000,
        bytes(1 << 20),
    ]


def test_hostile_bytes_at_every_listening_socket(arena: Arena, seed: int) -> None:
    """Random, truncated, oversized, silent: refused; nobody crashes, grows, or keeps a descriptor."""
    invitation(arena)  # the join door is open
    journal = arena.ticker("t", "n1")
    processes = [psutil.Process(pid) for pid in (*arena.pids.values(), arena.nats_pid)]
    doors = {
        (connection.laddr.ip, connection.laddr.port)
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert len(doors) == 5, "three data planes, the join door, NATS"
    sockets = [place.socket for place in arena.cluster.nodes]
    for _ in range(2):  # what the first round warms up is no growth
        for door in doors:
            for said in hostile(seed):
                _say(door, said)
        for path in sockets:
            for said in hostile(seed):
                _say(path, said)
        arena.until(lambda: all(_quiet(process) for process in processes), "strangers are hung up on")
        before = [(process.num_fds(), process.memory_info().rss) for process in processes]
    silent = [socket.create_connection(door) for door in doors for _ in range(20)]
    try:
        arena.ticks(journal)
    finally:
        for each in silent:
            each.close()
    for door in doors:
        for said in hostile(seed + 1):
            _say(door, said)
    arena.until(lambda: all(_quiet(process) for process in processes), "strangers are hung up on")
    for process, (descriptors, memory) in zip(processes, before, strict=True):
        arena.until(lambda p=process, d=descriptors: p.num_fds() <= d + 2, "no descriptor is kept")
        assert process.memory_info().rss < memory + (48 << 20)
    assert [process.pid for process in processes if not process.is_running()] == []
    assert arena.move("t", "n2").result(SOON)["to"] == "n2"


def _say(door: Any, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX if isinstance(door, str) else socket.AF_INET) as stranger:
        stranger.settimeout(10)
        with contextlib.suppress(OSError):  # hung up on in the middle of it
            stranger.connect(door)
            stranger.sendall(said)
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(4096):
                pass


def _quiet(process: psutil.Process) -> bool:
    """No caller is at a door that has not been let in: every connection's other end is one of ours."""
    return not [c for c in process.net_connections("inet") if c.status == psutil.CONN_CLOSE_WAIT]


def test_a_stranger_inside_tls_is_refused(arena: Arena) -> None:
    """The join door lets anybody speak TLS: what is then not a question is refused, in bounded time."""
    host, port = tokens.read(invitation(arena)).url.rsplit(":", 1)
    context = contexts.newcomer(None)
    for said in (os.urandom(500), struct.pack(">I", 1 << 30), struct.pack(">I", 5) + b"hello", b"\0\0"):
        with (
            socket.create_connection((host, int(port)), timeout=10) as plain,
            context.wrap_socket(plain) as tls,
        ):
            tls.sendall(said)
            with contextlib.suppress(OSError):
                assert tls.recv(100) == b""
    node = arena.cluster.nodes[1].address.rsplit(":", 1)
    with (
        socket.create_connection((node[0], int(node[1])), timeout=10) as plain,
        context.wrap_socket(plain) as tls,
        contextlib.suppress(ssl.SSLError, ConnectionResetError),
    ):
        tls.sendall(greeting.greeting(greeting.MOVE))
        assert tls.recv(100) == b"", "a member shows a certificate"


def test_a_nats_server_of_the_users_own(tmp_path: Path, elsewhere: Path) -> None:
    folder = tmp_path / "nats"
    folder.mkdir()
    (folder / "own.conf").write_text(
        f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}"\njetstream {{ store_dir: "{folder}/js" }}\n'
        "authorization { user: me, password: something-long }\n"
    )
    own = subprocess.Popen([servers.binary(), "-c", folder / "own.conf"], stderr=subprocess.DEVNULL)
    try:
        ports = folder / f"nats-server_{own.pid}.ports"
        end = time.monotonic() + SOON
        while not ports.exists() or not ports.read_text():
            assert time.monotonic() < end
        url = json.loads(ports.read_bytes())["nats"][0].replace("//", "//me:something-long@")
        embedded.up(elsewhere, nodes=2, nats=url)
        with connect(elsewhere) as cluster:
            assert [row.name for row in cluster.nodes()] == ["n1", "n2"]
            process = cluster.run(module="http.server", name="web", node="n1", python=sys.executable)
            process.kill()
            assert cluster.expel("n2").name == "n2"
            assert [row.name for row in cluster.nodes()] == ["n1"]
        with pytest.raises((Unavailable, Unauthorized, ProtocolError)):
            embedded.up(tmp_path / "other", nats=url.replace("something", "anything"))
        embedded.down(elsewhere)
        assert own.poll() is None, "it is not ours to end"
    finally:
        own.kill()
        own.wait()

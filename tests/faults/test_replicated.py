"""The control plane on three machines: it is carried over while it is in use, and any one of them may die."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sojourn.client import connect, embedded
from sojourn.client.calls import Call
from sojourn.errors import SojournError, UsageError, WrongState
from sojourn.names import server as servers

from .arena import SOON
from .machines import Machines, machines


@pytest.fixture
def only_thorough(thorough: bool) -> None:
    """Asked for by a mark, so that nothing is started for a test that is skipped."""
    if not thorough:
        pytest.skip("with --thorough")


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Machines]:
    with machines(tmp_path, "b") as here:
        yield here


@contextlib.contextmanager
def commuting(here: Machines, name: str, *nodes: str) -> Iterator[list[int]]:
    """A process that is moved from one of these nodes to the next, all the time; how often that worked."""
    done: list[int] = []
    stop = threading.Event()

    def commute() -> None:
        for node in itertools.cycle(nodes):
            if stop.is_set():
                return
            with contextlib.suppress(SojournError):  # the control plane may be away for a moment
                with connect(here.home_of(nodes[0])) as client:
                    client.process(name).move(node)
                done.append(1)

    thread = threading.Thread(target=commute)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join(SOON)
        assert not thread.is_alive()


def test_the_hosts_machine_dies_in_the_middle_of_moves(three: Machines, thorough: bool) -> None:
    """Joining the third machine carries a registry over that is being written; then the first machine dies."""
    here = three
    with pytest.raises(WrongState, match="the control plane of b is on this machine"):
        embedded.down(here.home)
    with connect(here.home) as client:
        assert "the control plane of b is on this machine" in client.drain("n1").warnings[0]
        client.undrain("n1")
    steady, roaming = here.ticker("steady", "b"), here.ticker("roaming", "b")
    arriving = here.ticker("arriving", "b")
    here.ticker("there", "n1")
    with commuting(here, "roaming", "b", "n1") as moves:
        here.join("c")
        here.replicated()
        begun = len(moves)
        here.until(lambda: len(moves) > begun + 1, "moves go on at the new servers")
    here.until(lambda: here.row("roaming").state == "running", "the last move is over")
    if here.row("roaming").node == "n1":
        here.moves("roaming", "b", via="n1")
    rows = here.ps()
    here.hold("n1", "target.ready")
    arrival = here.move("arriving", "n1")
    here.reached("n1", "target.ready", arrival)
    with commuting(here, "roaming", "b", "c") as moves:
        here.until(lambda: len(moves) > 1, "it goes to and fro")
        here.power_off("n1")
        for journal in (steady, roaming):
            here.ticks(journal)
        begun = len(moves)
        here.until(lambda: len(moves) > begun + 1, "moves go on without the host")
    with pytest.raises(SojournError):
        arrival.result(SOON)
    here.ticks(arriving)
    here.until(lambda: here.row("there").state == "lost", "what was there is lost")
    after = here.ps()
    assert after.keys() == rows.keys()
    assert all(after[name].id == row.id and after[name].epoch >= row.epoch for name, row in rows.items())
    here.until(lambda: "2 of 3 up" in here.plane("b").told, "it is said that one is missing")
    with pytest.raises(UsageError, match="while that machine is away nobody joins"):
        here.ask("b", "token")
    here.until(lambda: here.plane("c").fatal, "the other one knows it, too")
    with pytest.raises(WrongState, match="loses its majority"):
        embedded.down(here.home_of("c"))
    here.ticker("new", "c")
    if thorough:
        comes_back(here)


def comes_back(here: Machines) -> None:
    """The first machine is started again: its server catches up, its authority lets in newcomers, and now another one
    may die.
    """
    with pytest.raises(UsageError, match="goes on on other machines"):
        embedded.up(here.home)
    here.starts("n1")
    here.replicated()
    here.join("d")
    here.moves("new", "d", via="b")
    assert here.plane("d").servers == ["the host", "b", "c"]
    here.power_off("c")
    here.until(lambda: "2 of 3 up" in here.plane("d").told, "it is said that one is missing")
    here.moves("new", "n1", via="d")
    here.until(
        lambda: all(row.node != "c" or row.state == "lost" for row in here.ps().values()),
        "what was there is lost",
    )


@pytest.mark.usefixtures("only_thorough")
@pytest.mark.parametrize("point", ["plane.held", "plane.committed"])
def test_the_host_dies_while_it_carries_the_control_plane_over(three: Machines, point: str) -> None:
    """Before the commit the first server goes on as it was, after it the new ones do; nothing is lost."""
    here = three
    journal = here.ticker("t", "b")
    here.hold("n1", point)
    here.join("c")
    here.at("n1").ask(Call("testing.reached", {"point": point}, object))
    here.ticks(journal)
    here.lose("n1")
    here.starts("n1")
    here.replicated()
    assert here.row("t").state == "running"
    here.moves("t", "c", via="b")
    here.moves("t", "n1", via="c")
    here.ticks(journal)


@pytest.mark.usefixtures("only_thorough")
def test_a_machine_with_a_server_is_expelled(three: Machines) -> None:
    """It cannot hear of it, and its server goes on: the other two speak to it no more, nor does any node."""
    here = three
    here.join("c")
    here.replicated()
    here.ticker("t", "n1")
    server = psutil.Process(here.server("b"))
    _, port = servers.place(here.sites["b"].route)
    os.kill(here.pids["b"], signal.SIGSTOP)
    try:
        here.ask("n1", "expel", name="b")
        here.until(lambda: "b" not in here.plane("c").servers, "it is no server any more")

        def cut_off() -> bool:
            ends = [one.raddr.port for one in server.net_connections("inet") if one.status == "ESTABLISHED"]
            routes = {servers.place(site.route)[1] for site in here.sites.values()} | {port}
            return not routes & set(ends) and not [
                one for one in server.net_connections("inet")
                if one.laddr.port == port and one.status == "ESTABLISHED"
            ]  # fmt: skip

        here.until(cut_off, "no other server has a connection with it")
        assert server.is_running()
        here.moves("t", "c", via="n1")
    finally:
        os.kill(here.pids["b"], signal.SIGCONT)
    here.outcast("b")

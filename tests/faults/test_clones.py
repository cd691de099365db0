"""Clones under faults: the original goes on unharmed whatever becomes of its copies, and a copy runs once or never.

The programs write numbered lines into a journal of their own, named by their pid, so that original and copies are told
apart.
"""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from sojourn.client.calls import Call
from sojourn.client.sync import Link
from sojourn.errors import Busy, NameTaken, NotFound, PeerError, Refused, SojournError, UsageError

from .arena import SOON, Arena

TWIN = """\
import os, sys, time
number = 0
while True:
    fd = os.open(os.path.join(sys.argv[1], str(os.getpid())), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, b"%d\\n" % number)
    os.close(fd)
    number += 1
    time.sleep(0.005)
"""


class Twins:
    """One program, its copies, and what they wrote."""

    def __init__(self, arena: Arena, name: str, node: str) -> None:
        self.arena, self.name = arena, name
        self.folder = arena.scratch / f"{name}.journals"
        self.folder.mkdir()
        program = arena.scratch / f"{name}.py"
        program.write_text(TWIN)
        with arena.client as client:
            client.run(str(program), str(self.folder), name=name, node=node, python=sys.executable)
        self.goes_on(name)

    def journal(self, name: str) -> Path:
        return self.folder / str(self.arena.row(name).pid)

    def goes_on(self, name: str) -> None:
        """It runs, and writes what comes next, once."""
        arena = self.arena
        arena.until(lambda: arena.row(name).state == "running", f"{name} runs")
        arena.until(lambda: self.journal(name).exists(), f"{name} writes")
        arena.ticks(self.journal(name))
        numbers = arena.numbers(self.journal(name))
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    def clone(self, *nodes: str, **more: Any) -> Future[Any]:
        via = self.arena.row(self.name).node

        def run() -> Any:
            link = Link(self.arena.home, via)
            try:
                stream = link.stream(Call("clone", {"name": self.name, "nodes": list(nodes), **more}, object))
                while True:
                    next(stream)
            except StopIteration as end:
                return end.value
            finally:
                link.close()

        return self.arena._pool.submit(run)

    def only(self, *names: str) -> None:
        """These processes there are, and no others."""
        arena = self.arena
        arena.until(lambda: set(arena.ps()) == set(names), f"there are {names}")

    def end(self) -> None:
        """Kill and remove all of them; nothing is left for `Arena.check` to find."""
        for name, row in self.arena.ps().items():
            with self.arena.client as client:
                process = client.process(name)
                if row.state == "running":
                    process.kill()
                process.rm()


def test_names_turns_and_refusals(arena: Arena) -> None:
    twins = Twins(arena, "t", "n1")
    both = [twins.clone("n2"), twins.clone("n3")]
    made = {future.result(SOON)["copies"][0]["name"] for future in both}
    assert made == {"t-2", "t-3"}, "two clones at once take turns"
    assert twins.clone(copy="other").result(SOON)["copies"][0]["node"] == "n1"
    for name in ("t", "t-2", "t-3", "other"):
        twins.goes_on(name)
    for wrong, more, kind in (
        (["n9"], {}, NotFound),
        (["n2", "n3"], {"copy": "x"}, UsageError),
        (["n2"], {"copy": "t-2"}, NameTaken),
        (["n2"], {"copy": "-"}, UsageError),
    ):
        with pytest.raises(kind):
            twins.clone(*wrong, **more).result(SOON)
    twins.only("t", "t-2", "t-3", "other")
    rows = arena.ps()
    assert len({row.id for row in rows.values()}) == 4
    assert {(row.epoch, row.moves) for row in rows.values()} == {(1, 0)}

    arena.hold("n1", "source.before-freeze")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.before-freeze", move)
    with pytest.raises(Busy):
        twins.clone("n3").result(SOON)
    arena.release("n1", "source.before-freeze")
    move.result(SOON)
    arena.hold("n2", "origin.before-freeze")
    clone = twins.clone("n3")
    arena.reached("n2", "origin.before-freeze", clone)
    with pytest.raises(Busy):
        arena.move("t", "n1").result(SOON)
    arena.release("n2", "origin.before-freeze")
    assert clone.result(SOON)["copies"][0]["name"] == "t-4"
    twins.goes_on("t")
    twins.goes_on("t-4")
    assert arena.row("t").node == "n2"
    twins.end()


def test_an_original_that_is_killed_once_its_image_is_complete(arena: Arena) -> None:
    twins = Twins(arena, "t", "n1")
    arena.hold("n1", "origin.before-send")
    clone = twins.clone("n2")
    arena.reached("n1", "origin.before-send", clone)
    with arena.client as client:
        client.process("t").kill()
    arena.release("n1", "origin.before-send")
    assert clone.result(SOON)["copies"][0]["node"] == "n2"
    twins.goes_on("t-2")
    assert arena.row("t").signal == signal.SIGKILL
    twins.end()


def test_a_connection_cut_anywhere_gives_one_copy_or_none(arena: Arena) -> None:
    twins = Twins(arena, "t", "n1")
    for node, point, copies in (
        ("n2", "target.prepared", 0),
        ("n1", "origin.before-freeze", 0),
        ("n1", "origin.before-send", 0),
        ("n2", "target.before-thaw", None),  # from here on the commit and the withdrawal race
        ("n2", "target.ready", None),
        ("n2", "copy.before-commit", None),
        ("n2", "copy.committed", 1),
        ("n2", "copy.before-running", 1),
    ):
        arena.hold(node, point)
        clone = twins.clone("n2", "n3")
        arena.reached(node, point, clone)
        arena.release(node, point, then="cut")
        if point == "target.prepared":  # until every target has said yes it is all or nothing
            with pytest.raises(PeerError):
                clone.result(SOON)
            twins.only("t")
        else:
            done = clone.result(SOON)
            names = [copy["name"] for copy in done["copies"]]
            assert len(names) + len(done["failed"]) == 2
            if copies is not None:
                assert len(names) == copies + 1, point
            twins.only("t", *names)
            for name in names:
                twins.goes_on(name)
                with arena.client as client:
                    client.process(name).kill()
                    client.process(name).rm()
        twins.goes_on("t")
    assert (arena.row("t").epoch, arena.row("t").node) == (1, "n1")
    twins.end()


def test_a_target_that_dies(arena: Arena) -> None:
    """Before the commit there is no copy; after it the copy is lost with its node. The original is the same."""
    twins = Twins(arena, "t", "n1")
    arena.hold("n2", "copy.before-commit")
    clone = twins.clone("n2")
    arena.reached("n2", "copy.before-commit", clone)
    arena.kill("n2")
    with pytest.raises(SojournError):
        clone.result(SOON)
    twins.only("t")
    twins.goes_on("t")
    arena.hold("n3", "copy.committed")
    clone = twins.clone("n3")
    arena.reached("n3", "copy.committed", clone)
    arena.kill("n3")
    assert clone.result(SOON)["copies"][0]["latency_ms"] is None, "it never said that it runs"
    arena.until(lambda: arena.row("t-2").state == "lost", "it is declared lost")
    twins.goes_on("t")
    with pytest.raises((NotFound, Refused)):
        twins.clone("n3").result(SOON)
    assert twins.clone().result(SOON)["copies"][0]["node"] == "n1"
    twins.end()


def test_an_origin_that_dies(arena: Arena) -> None:
    """With an image that is not whole there is no copy; with one that is, the copy runs without its original."""
    twins, others = Twins(arena, "t", "n1"), Twins(arena, "u", "n1")
    arena.hold("n1", "origin.before-send")
    arena.hold("n3", "copy.before-commit")
    one = twins.clone("n2")
    arena.reached("n1", "origin.before-send", one)
    two = others.clone("n3")
    arena.reached("n3", "copy.before-commit", two)
    arena.kill("n1")
    arena.release("n3", "copy.before-commit")
    for clone in (one, two):
        with pytest.raises(SojournError):
            clone.result(SOON)
    twins.only("t", "u", "u-2")
    others.goes_on("u-2")
    arena.until(lambda: arena.row("t").state == arena.row("u").state == "lost", "the originals went with n1")
    twins.end()


def test_the_control_plane_is_away_at_the_commit(arena: Arena) -> None:
    """The original does not wait for it. The copy does, and runs once."""
    twins = Twins(arena, "t", "n1")
    arena.hold("n2", "copy.before-commit")
    clone = twins.clone("n2")
    arena.reached("n2", "copy.before-commit", clone)
    arena.nats(signal.SIGSTOP)
    arena.release("n2", "copy.before-commit")
    arena.ticks(twins.folder / str(arena.row("t").pid), 200)
    assert not clone.done() and len(os.listdir(twins.folder)) == 1
    arena.nats(signal.SIGCONT)
    assert clone.result(SOON)["copies"][0]["name"] == "t-2"
    twins.goes_on("t-2")
    twins.goes_on("t")
    assert len(os.listdir(twins.folder)) == 2
    twins.end()

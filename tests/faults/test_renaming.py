"""Renaming: the process is the same, under one name at a time, whatever stops in the middle."""

from __future__ import annotations

import signal
import sys
from concurrent.futures import Future
from typing import Any

import pytest

from sojourn.client.calls import Call
from sojourn.client.sync import Link
from sojourn.errors import Busy, NameTaken, NotFound, SojournError, UsageError

from .arena import SOON, Arena

NAMED = """
import sys, sojourn
print(sojourn.here().name, flush=True)
for line in sys.stdin:
    pass
while sojourn.here().name == sys.argv[1]:
    pass
print(sojourn.here().name)
"""


def rename(arena: Arena, name: str, to: str, *, via: str) -> Future[Any]:
    def run() -> Any:
        link = Link(arena.home, via)
        try:
            return link.ask(Call("rename", {"name": name, "to": to}, dict))
        finally:
            link.close()

    return arena._pool.submit(run)


def test_a_running_process_gets_another_name(arena: Arena) -> None:
    """What waits for it, what follows its output and what it is told of itself go on; it moves under the new name."""
    program = arena.scratch / "named.py"
    program.write_text(NAMED)
    with arena.client as client:
        process = client.run(str(program), "first", name="first", node="n1", python=sys.executable)
        other = client.run(str(program), "other", name="other", node="n2", python=sys.executable)
        ended = arena._pool.submit(client.process("first").wait, SOON)
        log = arena._pool.submit(lambda: list(client.process(process.id).logs(follow=True)))
        for wrong, kind in (("other", NameTaken), ("first", UsageError), ("-", UsageError)):
            with pytest.raises(kind):
                process.rename(wrong)
        assert rename(arena, "first", "second", via="n3").result(SOON) == {
            "name": "second", "id": process.id, "before": "first",
        }  # fmt: skip
        assert set(arena.ps()) == {"second", "other"} and arena.row("second").id == process.id
        with pytest.raises(NotFound):
            client.process("first")
        assert process.move("n3").name == "second"
        process.rename("third")
        assert process.name == "third" and arena.row("third").node == "n3"
        process.write_stdin(b"", eof=True)
        assert ended.result(SOON).exit_code == 0
        written = b"".join(chunk.data for chunk in log.result(SOON)).split()
        assert written[0] == b"first" and written[-1] in (b"second", b"third")
        arena.until(lambda: arena.row("third").state == "ended", "its end is known")
        process.rename("over")
        assert set(arena.ps()) == {"over", "other"}
        process.rm()
        again = client.run(str(program), "first", name="first", node="n2", python=sys.executable)
        for one in (other, again):
            one.kill()
            one.rm()


def test_an_owner_that_dies_in_the_middle(arena: Arena) -> None:
    """While the old record is there the process is lost under its old name, and the claimed one is free."""
    arena.ticker("t", "n1")
    arena.hold("n1", "rename.removing")
    renaming = rename(arena, "t", "u", via="n2")
    arena.reached("n1", "rename.removing", renaming)
    assert set(arena.ps()) == {"t"}, "a claim is nobody's name"
    with arena.client as client:
        for taken in ("t", "u"):
            with pytest.raises(NameTaken):
                client.run(str(arena.program), "x", "1", "0", name=taken, node="n3", python=sys.executable)
    with pytest.raises(Busy):
        arena.move("t", "n2").result(SOON)
    arena.kill("n1")
    with pytest.raises(SojournError):
        renaming.result(SOON)
    arena.until(lambda: arena.row("t").state == "lost", "it is lost with its node")

    def free() -> bool:
        try:
            arena.ticker("u", "n3")
        except NameTaken:
            return False
        return True

    arena.until(free, "the claimed name is free again")
    assert arena.row("u").id != arena.row("t").id


def test_the_control_plane_is_away_in_the_middle(arena: Arena) -> None:
    """The program goes on; when it is back the renaming is completed, once."""
    journal = arena.ticker("t", "n1")
    arena.hold("n1", "rename.removing")
    renaming = rename(arena, "t", "u", via="n1")
    arena.reached("n1", "rename.removing", renaming)
    arena.nats(signal.SIGSTOP)
    arena.release("n1", "rename.removing")
    arena.ticks(journal, 300)  # longer than one call to the registry waits
    assert not renaming.done()
    arena.nats(signal.SIGCONT)
    assert renaming.result(SOON)["name"] == "u"
    arena._tickers["u"] = arena._tickers.pop("t")
    arena.repeats["u"] = arena.repeats.pop("t")
    assert arena.move("u", "n2").result(SOON)["to"] == "n2"
    arena.ticks(journal)

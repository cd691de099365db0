"""Being attached, from Python: over moves, and over the loss of the node one goes through."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from sojourn.client import connect, connect_async
from sojourn.client.terminals import Attachment
from sojourn.errors import UsageError, WrongState
from sojourn.testing import LocalCluster

ECHO = """
import sys
print("on", flush=True)
for line in sys.stdin:
    print("got", line, end="", flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "echo.py"
    path.write_text(ECHO)
    return path


def until(attachment: Attachment, text: bytes, shown: bytes = b"") -> bytes:
    """All that comes, until this has come."""
    while text not in shown:
        shown += next(iter(attachment)).data
    return shown


def test_attached_while_it_moves(local_cluster: LocalCluster, program: Path) -> None:
    process = local_cluster.client.run(program, python=sys.executable, node="n1", terminal=True)
    with process.attach(tail=None) as attachment:
        shown = until(attachment, b"on\r\n")
        for number, node in enumerate(("n2", "n3", "n1")):
            process.move(node)
            attachment.write(b"line %d\r" % number)
            shown = until(attachment, b"got line %d\r\n" % number, shown)
        attachment.write(b"", eof=True)
        shown += b"".join(chunk.data for chunk in attachment)
    assert shown == b"on\r\n" + b"".join(b"line %d\r\ngot line %d\r\n" % (n, n) for n in range(3))
    assert process.wait().exit_code == 0
    assert b"".join(chunk.data for chunk in process.logs()) == shown
    with pytest.raises(WrongState):
        attachment.write(b"late")
    process.rm()


def test_only_the_last_of_what_was_written(local_cluster: LocalCluster, tmp_path: Path) -> None:
    program = tmp_path / "many.py"
    program.write_text(
        "for n in range(100_000): print('line', n)\nprint('end', flush=True)\ninput()\n"
    )
    process = local_cluster.client.run(program, python=sys.executable, node="n1")
    with process.attach(tail=None) as attachment:
        until(attachment, b"end\n")
    process.move("n2")
    with process.attach(tail=100) as attachment:
        shown = until(attachment, b"end\n")
        assert b"line 99999\n" in shown and len(shown) < 300_000
    process.kill()
    process.rm()


def test_a_terminal_has_a_size_and_other_processes_none(local_cluster: LocalCluster, program: Path) -> None:
    with pytest.raises(UsageError):
        local_cluster.client.run(program, python=sys.executable, terminal=(0, 80))
    process = local_cluster.client.run(program, python=sys.executable)
    with process.attach() as attachment, pytest.raises(WrongState):
        attachment.resize(10, 20)
    process.kill()
    process.rm()


def test_the_node_one_goes_through_dies(own_cluster: LocalCluster, program: Path) -> None:
    """Output goes on behind what has come; what is typed meanwhile is typed once."""
    with connect(own_cluster.home, node="n1") as cluster:
        process = cluster.run(program, python=sys.executable, node="n2", terminal=True)
        with process.attach(tail=None) as attachment:
            attachment.write(b"before\r")
            shown = until(attachment, b"got before\r\n")
            own_cluster.kill_node("n1")
            attachment.write(b"after\r")
            shown = until(attachment, b"got after\r\n", shown)
            process.move("n3")
            attachment.write(b"", eof=True)
            shown += b"".join(chunk.data for chunk in attachment)
        assert shown == b"on\r\nbefore\r\ngot before\r\nafter\r\ngot after\r\n"


def test_for_asyncio(local_cluster: LocalCluster, program: Path) -> None:
    async def work() -> bytes:
        shown = b""
        async with await connect_async(local_cluster.home) as cluster:
            process = await cluster.run(program, python=sys.executable, node="n1", terminal=(20, 60))
            async with process.attach(tail=None) as attachment:
                async for chunk in attachment:
                    assert chunk.stream == "terminal"
                    shown += chunk.data
                    if shown == b"on\r\n":
                        await process.move("n2")
                        await attachment.resize(30, 50)
                        await attachment.write(b"line\r")
                    elif shown.endswith(b"got line\r\n"):
                        await attachment.write(b"", eof=True)
            assert (await process.wait()).exit_code == 0
            await process.rm()
        return shown

    assert asyncio.run(work()) == b"on\r\nline\r\ngot line\r\n"


def test_a_copy_has_a_terminal_of_its_own(local_cluster: LocalCluster, program: Path) -> None:
    """With what had been typed: from there on each is typed to, and writes, by itself."""
    process = local_cluster.client.run(program, python=sys.executable, node="n1", terminal=(20, 60))
    with process.attach(tail=None) as attachment:
        attachment.write(b"half ")
        shown = until(attachment, b"half ")
        copy = local_cluster.client.process(process.clone("n2").copies[0].name)
        with copy.attach(tail=None) as other:
            other.write(b"copied\r")
            assert until(other, b"got half copied\r\n").count(b"got") == 1
            attachment.write(b"kept\r")
            assert until(attachment, b"got half kept\r\n", shown).count(b"got") == 1
    for each in (process, copy):
        each.kill()
        each.rm()


def test_frozen_and_thawed_with_what_had_been_typed(
    local_cluster: LocalCluster, program: Path, tmp_path: Path
) -> None:
    """Its transcript, size and unfinished line are in the file, for itself and for a copy."""
    image = tmp_path / "image"
    process = local_cluster.client.run(program, python=sys.executable, node="n1", terminal=(20, 60))
    with process.attach(tail=None) as attachment:
        until(attachment, b"on\r\n")
        attachment.write(b"half ")
        until(attachment, b"half ")
    process.freeze(image)
    thawed = [
        local_cluster.client.thaw(image, node="n3", name="typed-copy").process,
        local_cluster.client.thaw(image, node="n2").process,
    ]
    for number, each in enumerate(thawed):
        with each.attach(tail=None) as attachment:
            attachment.write(b"line %d\r" % number)
            shown = until(attachment, b"got half line %d\r\n" % number)
            assert shown == b"on\r\nhalf line %d\r\ngot half line %d\r\n" % (number, number)
            attachment.write(b"", eof=True)
        assert each.wait(60).exit_code == 0
        assert each.output() == (shown, b"")
        each.rm()

"""The disk under a node's logs fills up: what the program writes waits, the program is not harmed, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn.errors import Refused
from sojourn.wire import events

from .arena import SOON, Arena

WRITER = """\
import sys
for number in range(int(sys.argv[1])):
    print("line", number, "x" * 1000, flush=True)
open(sys.argv[2], "w").write("done")
"""


@pytest.fixture
def full(arena: Arena) -> Iterator[Path]:
    """The log folder of n1 on a disk of 2 MB, with a file on it that can be deleted."""
    folder = arena.home / "nodes" / "n1" / "logs"
    folder.mkdir(mode=0o700, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk takes a mount, which is not permitted: {mounted.stderr.strip()}")
    ballast = folder / ".ballast"
    ballast.write_bytes(bytes(1 << 20))
    try:
        yield ballast
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_program_that_writes_waits_until_there_is_room(arena: Arena, full: Path, tmp_path: Path) -> None:
    program, done = tmp_path / "writer.py", tmp_path / "done"
    program.write_text(WRITER)
    lines = 1500  # 1.5 MB, where there is 1 MB
    with arena.client as client:
        process = client.run(str(program), str(lines), str(done), name="w", node="n1", python=sys.executable)
        stream = client.events(follow=True, process="w", since=0.0)
        trouble = next(event for event in stream if isinstance(event, events.Trouble))
        assert "ENOSPC" in trouble.what and "nothing is lost" in trouble.what
        assert (trouble.process, trouble.id) == ("w", process.id)
        assert arena.row("w").state == "running" and not done.exists(), (
            "it waits, like in front of a full pipe"
        )
        os.unlink(full)
        mended = next(event for event in stream if isinstance(event, events.Mended))
        assert mended.id == process.id
        assert process.wait(SOON).exit_code == 0
        out, _ = process.output()
        assert out == b"".join(b"line %d %s\n" % (number, b"x" * 1000) for number in range(lines))
        process.rm()


def test_a_move_is_refused_while_output_waits_and_goes_when_it_does_not(
    arena: Arena, full: Path, tmp_path: Path
) -> None:
    program, done = tmp_path / "writer.py", tmp_path / "done"
    program.write_text(WRITER.replace("range(int(sys.argv[1]))", "__import__('itertools').count()"))
    with arena.client as client:
        process = client.run(str(program), "0", str(done), name="w", node="n1", python=sys.executable)
        stream = client.events(follow=True, process="w", since=0.0)
        next(event for event in stream if isinstance(event, events.Trouble))
        with pytest.raises(Refused):
            process.move("n2", deadline=1.0)
        arena.until(lambda: arena.row("w").state == "running", "the record says that it runs")
        assert arena.row("w").node == "n1"
        process.kill()
        out, _ = process.output()
        numbers = [int(line.split()[1]) for line in out.splitlines() if line.endswith(b"x" * 1000)]
        assert numbers == list(range(len(numbers))), "what is in the log is the beginning of what it wrote"
        process.rm()

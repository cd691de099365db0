"""Files without a name: what is taken of them, and what is made of that. Each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SETUP = """
import json, os, sys, tempfile
from sojourn.errors import Refused
from sojourn.resources import files, unlinked
streams = files.Streams()

def round():
    "What the target would have in place of every descriptor."
    entries, reasons = files.capture(streams, lambda fd: "", whole=True)
    assert reasons == [], reasons
    for number in {entry["fd"] for entry in entries} - {0, 1, 2}:
        os.close(number)
    entries = [entry for entry in json.loads(json.dumps(entries)) if entry["fd"] > 2]
    files.restore([{"fd": n, "kind": "stream", "of": n, "inheritable": True} for n in (0, 1, 2)] + entries)
    return entries
"""


def run(program: str, folder: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", SETUP + program], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path), "TMPDIR": str(folder)},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr.decode()


def test_content_places_and_openings_are_as_they_were(tmp_path: Path) -> None:
    run(
        """
file = tempfile.TemporaryFile("w+", buffering=100)
file.write("text that waits in two buffers ü")
one = file.fileno()
other = os.open(f"/proc/self/fd/{one}", os.O_WRONLY | os.O_APPEND)
twin = os.dup(other)
before = os.fstat(one).st_mode
entries = round()
assert [entry["kind"] for entry in entries] == ["unlinked", "unlinked", "same"]
assert sum("content" in entry for entry in entries) == 1
assert os.pread(one, 100, 0) == "text that waits in two buffers ü".encode() and os.lseek(one, 0, 1) == 33
os.write(twin, b"!")
assert os.pread(one, 100, 33) == b"!" and os.lseek(other, 0, 1) == 34 and os.lseek(one, 0, 1) == 33
assert os.fstat(one).st_nlink == 0 and os.fstat(one).st_mode == before
assert os.listdir() == []
""",
        tmp_path,
    )


def test_the_folder_need_not_be_there_and_memory_stays_memory(tmp_path: Path) -> None:
    run(
        """
os.mkdir("gone")
file = os.open("gone/file", os.O_RDWR | os.O_CREAT)
os.write(file, bytes(range(256)) * 5000)
os.unlink("gone/file")
os.rmdir("gone")
memory = os.memfd_create("of the program")
os.write(memory, b"abc")
round()
assert os.pread(file, 1 << 21, 0) == bytes(range(256)) * 5000 and os.fstat(file).st_nlink == 0
assert os.readlink(f"/proc/self/fd/{memory}") == "/memfd:of the program (deleted)" and os.pread(memory, 9, 0) == b"abc"
""",
        tmp_path,
    )


def test_what_is_too_large_or_locked_is_refused_by_name(tmp_path: Path) -> None:
    run(
        """
import fcntl
large, locked = tempfile.TemporaryFile(), tempfile.TemporaryFile()
large.truncate(unlinked.MOST + 1)
fcntl.flock(locked, fcntl.LOCK_EX)
_, reasons = files.capture(streams, lambda fd: "variable `f`")
assert len(reasons) == 2, reasons
assert "unlinked file of 64 MB, and 64 travel" in reasons[0] and "held by variable `f`" in reasons[0]
assert "is locked, and a lock does not travel" in reasons[1]
""",
        tmp_path,
    )

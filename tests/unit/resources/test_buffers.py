"""Buffers that cannot be filled again go through the heap with their content. (Descriptors stay open: same process.)"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sojourn.frames import heap
from sojourn.resources import fileobjects

LINES = [f"{number},näme {number * number % 977}\n" for number in range(9000)]
TEXT = "".join(LINES)
assert fileobjects.in_a_pipe  # it has entered what it reduces


def moved(thing: Any) -> Any:
    return heap.load(heap.dump(thing))


@pytest.mark.parametrize("opener", [gzip.open, bz2.open], ids=["gzip", "bzip2"])
@pytest.mark.parametrize("way", ["loop", "lines", "read"])
def test_text_of_a_compressed_file_goes_on(tmp_path: Path, opener: Any, way: str) -> None:
    path = tmp_path / "file"
    with opener(path, "wt", encoding="utf-8") as file:
        file.write(TEXT)
    file = opener(path, "rt", encoding="utf-8")
    if way == "read":
        seen = [file.read(30_000)]
    else:
        seen = [next(file) if way == "loop" else file.readline() for _ in range(3000)]
    place = file.tell() if way == "lines" else None
    again = moved(file)
    if place is not None:
        assert again.tell() == place
    assert "".join([*seen, *again]) == TEXT
    assert (again.encoding, again.closed, file.errors) == ("utf-8", False, again.errors)


@pytest.mark.parametrize("opener", [gzip.open, bz2.open], ids=["gzip", "bzip2"])
def test_writing_a_compressed_file_goes_on(tmp_path: Path, opener: Any) -> None:
    path = tmp_path / "file"
    file = opener(path, "wt", encoding="utf-8", newline="")
    for line in LINES[:5000]:
        file.write(line)
    again = moved(file)
    again.writelines(LINES[5000:])
    again.close()
    with opener(path, "rt", encoding="utf-8", newline="") as whole:
        assert whole.read() == TEXT


def test_members_of_archives_go_on(tmp_path: Path) -> None:
    inside, zipped, tarred = TEXT.encode(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        for way in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
            archive.writestr(f"member {way}", inside, way)
    source = tmp_path / "member"
    source.write_bytes(inside)
    with tarfile.open(fileobj=tarred, mode="w:gz") as archive:
        archive.add(source, "one")
        archive.add(source, "two")
    opened = zipfile.ZipFile(zipped)
    members = [opened.open(name) for name in opened.namelist()]
    rows = csv.reader(io.TextIOWrapper(opened.open("member 8"), "utf-8"))
    tarred.seek(0)
    packed = tarfile.open(fileobj=tarred)  # noqa: SIM115  (it is moved while it is open)
    one = packed.extractfile("one")
    assert one is not None and [next(rows) for _ in range(2500)]
    seen = [each.read(40_000) for each in (*members, one)]
    opened, members, rows, packed, one = moved((opened, members, rows, packed, one))
    for first, each in zip(seen, (*members, one), strict=True):
        assert first + each.read() == inside
    assert list(rows) == [line.strip().split(",") for line in LINES[2500:]]
    assert packed.extractfile("two").read() == inside and opened.testzip() is None


def test_buffers_over_objects_made_of_python_go_on() -> None:
    packed = gzip.compress(TEXT.encode())

    def opened() -> Any:
        return gzip.open(io.BytesIO(packed))

    text = io.TextIOWrapper(io.BufferedReader(opened(), 50), "utf-8")
    reading = io.BufferedReader(opened(), 100)
    closed = io.BufferedReader(opened())
    closed.close()
    sink = io.BytesIO()
    writing = io.BufferedWriter(gzip.GzipFile(fileobj=sink, mode="wb"), 64)  # type: ignore[arg-type]
    seen, words = reading.read(30), text.readline()
    reading.peek()
    for part in (b"a" * 60, b"b" * 30):
        writing.write(part)
    reading, writing, text, closed, sink = moved((reading, writing, text, closed, sink))
    assert seen + reading.read() == TEXT.encode() and closed.closed
    assert [words, *text] == LINES
    writing.close()
    assert gzip.decompress(sink.getvalue()) == b"a" * 60 + b"b" * 30


def test_buffers_over_pipes_go_on() -> None:
    reading, writing = os.pipe()
    source, sink = open(reading, "rb", closefd=False), open(writing, "wb", closefd=False)  # noqa: SIM115
    sink.write(b"one\ntwo\nthree\n")
    sink.flush()
    assert source.readline() == b"one\n"
    sink.write(b"four\n")
    former = sink
    source, sink = moved((source, sink))
    former.raw.close()  # what it still has is the other one's now
    assert source.readline() == b"two\n"
    sink.close()
    os.close(writing)
    assert source.read() == b"three\nfour\n"
    source.close()
    os.close(reading)


def test_text_over_a_pipe_goes_on() -> None:
    reading, writing = os.pipe()
    os.write(writing, "ä\r\nb\r\nrest".encode("utf-16"))
    os.close(writing)
    file = open(reading, encoding="utf-16")  # noqa: SIM115
    assert next(file) == "ä\n"
    again = moved(file)
    assert list(again) == ["b\n", "rest"]
    again.close()

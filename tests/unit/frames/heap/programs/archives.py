"""Compressed files and members of archives in the middle of being read and written; buffers over own objects."""

import bz2
import csv
import gzip
import io
import tarfile
import zipfile

LINES = [f"{number},näme {number * number % 977}\n" for number in range(4000)]
TEXT = "".join(LINES)


class Slow(io.RawIOBase):
    """A source that gives little at a time."""

    def __init__(self, data):
        self.data = data

    def readable(self):
        return True

    def readinto(self, buffer):
        part = self.data[: min(len(buffer), 7)]
        buffer[: len(part)] = part
        self.data = self.data[len(part) :]
        return len(part)


class Own(io.BufferedReader):
    def __init__(self, raw, note):
        super().__init__(raw, 64)
        self.note = note


class Taking(io.RawIOBase):
    def __init__(self):
        self.taken = []

    def writable(self):
        return True

    def write(self, data):
        self.taken.append(bytes(data))
        return len(data)


def make():
    inside = TEXT.encode()
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("one", inside, zipfile.ZIP_DEFLATED)
        archive.writestr("two", inside, zipfile.ZIP_BZIP2)
    with tarfile.open(fileobj=tarred, mode="w:gz") as archive:
        member = tarfile.TarInfo("one")
        member.size = len(inside)
        archive.addfile(member, io.BytesIO(inside))
    tarred.seek(0)
    opened, packed = zipfile.ZipFile(zipped), tarfile.open(fileobj=tarred)
    loops = [
        gzip.open(io.BytesIO(gzip.compress(inside)), "rt", encoding="utf-8"),
        bz2.open(io.BytesIO(bz2.compress(inside)), "rt", encoding="utf-8"),
        io.TextIOWrapper(opened.open("one"), "utf-8"), io.TextIOWrapper(opened.open("two"), "utf-8"),
        io.TextIOWrapper(packed.extractfile("one"), "utf-8"), io.TextIOWrapper(Own(Slow(inside), "kept"), "utf-8"),
    ]
    seen = [[next(each) for _ in range(1500)] for each in loops]
    rows = csv.reader(io.TextIOWrapper(opened.open("one"), "utf-8"))
    first = [next(rows) for _ in range(700)]
    told = io.TextIOWrapper(gzip.open(io.BytesIO(gzip.compress(inside))), "utf-8")
    told.readline()
    sinks = [io.BytesIO(), io.BytesIO()]
    writers = [gzip.open(sinks[0], "wt", encoding="utf-8"), bz2.open(sinks[1], "wt", encoding="utf-8")]
    for each in writers:
        each.writelines(LINES[:2500])
    taking = Taking()
    held = io.BufferedWriter(taking, 64)
    held.write(b"a" * 60)
    adding = tarfile.open(fileobj=io.BytesIO(), mode="w:gz")
    adding.addfile(member, io.BytesIO(inside))
    return loops, seen, rows, first, (told, told.tell()), sinks, writers, (held, taking), adding, member


def check(made):
    loops, seen, rows, first, (told, place), sinks, writers, (held, taking), adding, member = made
    for begun, rest in zip(seen, loops, strict=True):
        assert [*begun, *rest] == LINES, rest
    assert loops[-1].buffer.note == "kept" and type(loops[-1].buffer) is Own
    assert [*first, *rows] == [line.strip().split(",") for line in LINES]
    assert told.tell() == place and told.read() == "".join(LINES[1:])
    told.seek(place)
    assert told.readline() == LINES[1]
    for sink, each, unpack in zip(sinks, writers, (gzip.decompress, bz2.decompress), strict=True):
        each.writelines(LINES[2500:])
        each.close()
        assert unpack(sink.getvalue()).decode() == TEXT
    assert taking.taken == [] and held.raw is taking
    held.flush()
    assert b"".join(taking.taken) == b"a" * 60
    adding.addfile(member, io.BytesIO(TEXT.encode()))
    below = adding.fileobj.fileobj
    adding.close()
    below.seek(0)
    assert [each.size for each in tarfile.open(fileobj=below)] == [len(TEXT.encode())] * 2

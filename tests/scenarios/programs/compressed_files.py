"""Compressed files and archives, and streams of zlib and bzip2, in the middle of being written and read."""

import bz2
import csv
import gzip
import io
import tempfile
import zipfile
import zlib

folder = tempfile.TemporaryDirectory()
path = f"{folder.name}/log.gz"
packing, unpacking = zlib.compressobj(9), zlib.decompressobj()
burrowing = bz2.BZ2Compressor(1)
packed, unpacked, burrowed, source = b"", b"", b"", b""
with gzip.open(path, "wt", encoding="utf-8") as log:
    for step in range(150):
        line = f"{step},näme {step * step % 977},{'x' * (step % 7)}\n"
        log.write(line * 20)
        piece = line.encode() * 30
        source += piece
        packed += packing.compress(piece)
        burrowed += burrowing.compress(piece)
        for _ in range(150_000):
            pass
packed += packing.flush()
burrowed += burrowing.flush()
with zipfile.ZipFile(f"{folder.name}/zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.write(path, "log.gz")
    archive.writestr("source", source)
total, rows = 0, 0
with zipfile.ZipFile(f"{folder.name}/zip") as archive, archive.open("log.gz") as inner:
    member = io.TextIOWrapper(archive.open("source"), "utf-8")
    for row in csv.reader(gzip.open(inner, "rt", encoding="utf-8")):
        rows += 1
        total += int(row[0]) + len(row[1]) + len(row[2])
        if rows % 20 == 0:
            unpacked += unpacking.decompress(packed[rows : rows + 20] if rows > 20 else packed[: rows + 20])
            total += len(member.readline())
            for _ in range(150_000):
                pass
unpacked += unpacking.decompress(packed[rows + 20 :])
print(rows, total, unpacked == source, unpacking.eof, bz2.decompress(burrowed) == source, len(packed), len(burrowed))
member.close()
folder.cleanup()

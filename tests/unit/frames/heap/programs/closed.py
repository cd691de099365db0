"""What is closed stays closed, whatever it was."""

import bz2
import gzip
import io
import mmap
import tempfile
from pathlib import Path


def make():
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "file")
    made = [io.BytesIO(b"bytes"), io.StringIO("text"), mmap.mmap(-1, 4096), tempfile.SpooledTemporaryFile()]
    made[0].word = "of its own"
    under = io.BytesIO(b"under")
    made += [under, io.TextIOWrapper(under), io.BufferedReader(io.BytesIO(b"read"))]
    made += [open(path, "w+"), open(path, "rb", 0)]
    made += [bz2.open(path, "wt"), gzip.open(path, "wt"), bz2.open(path, "wb")]
    for each in made:
        each.close()
    folder.cleanup()
    return made


def check(made):
    assert all(each.closed for each in made)
    assert made[0].word == "of its own" and made[5].closed
    for each in (*made[:2], *made[4:]):
        try:
            each.read(1)
        except ValueError:
            continue
        raise AssertionError(each)

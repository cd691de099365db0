"""Large memory goes out of band, without a copy; and is the program's own again whatever becomes of the dump."""

from __future__ import annotations

import os
import sys

import pytest

from sojourn.errors import Unmovable
from sojourn.frames import file, heap
from sojourn.frames.heap.dumper import LARGE


def test_it_is_pinned_until_it_is_released() -> None:
    data, buffers = bytearray(b"x" * (LARGE + 5)), []
    dumped = heap.dump([data], buffers=buffers)
    assert len(dumped) < LARGE and [each.raw().nbytes for each in buffers] == [LARGE + 5]
    with pytest.raises(BufferError):
        data.append(1)
    heap.release(buffers)
    data.append(1)


def test_it_arrives_and_can_grow() -> None:
    data, buffers = bytearray(os.urandom(LARGE)), []
    view = memoryview(data)[3:9]  # it must be whole when this is made
    dumped = heap.dump([data, [data], view], buffers=buffers)
    sent = [bytes(each.raw()) for each in buffers]
    heap.release(buffers)
    made, (again,), seen = heap.load(dumped, [memoryview(each) for each in sent])
    assert made == data and made is again and seen == view and seen.obj is made
    del seen
    made += b"more"
    assert len(made) == LARGE + 4


def test_in_band_it_is_copied() -> None:
    data = bytearray(LARGE)
    dumped = heap.dump([data])
    data.append(1)
    assert heap.load(dumped) == [bytearray(LARGE)]


def test_a_dump_that_is_refused_lets_go() -> None:
    data = bytearray(LARGE)
    with pytest.raises(Unmovable) as caught:
        heap.dump([data, sys._getframe()], buffers=[])
    data.append(1)  # while the error is held
    assert "belongs to" in str(caught.value)


def test_an_image_that_cannot_be_written_lets_go() -> None:
    data = bytearray(LARGE)
    fd = os.open(os.devnull, os.O_RDONLY)
    with pytest.raises(OSError) as caught:
        file.write(fd, [("heap", b"heap"), ("buffer0", data)], {})
    os.close(fd)
    data.append(1)
    assert caught.traceback

"""The container: what is written is read, and bytes from outside do nothing but raise BadImage or Refused."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sojourn.errors import BadImage, Refused
from sojourn.frames import api, file, heap
from sojourn.frames.file import Image, Origin


def _written(segments: list[tuple[str, bytes]]) -> bytes:
    fd = os.memfd_create("image")
    try:
        size = file.write(fd, segments, {"carried": {"a": 1}})
        data = os.pread(fd, size + 1, 0)
        assert len(data) == size
        return data
    finally:
        os.close(fd)


HEAP = heap.dump({"numbers": [1, 2, {"x": (3, frozenset("ab"))}]})
WHOLE = _written([("heap", HEAP), ("baseline", b"b"), ("buffer0", b"x" * 100)])


@given(st.lists(st.binary(max_size=300_000), max_size=4))
@settings(max_examples=40, deadline=None)
def test_segments_come_back(parts: list[bytes]) -> None:
    image = Image.parse(
        memoryview(bytearray(_written([(f"buffer{i}", part) for i, part in enumerate(parts)])))
    )
    assert [bytes(view) for view in image.buffers()] == parts
    assert image.header["carried"] == {"a": 1}


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_damaged_images_are_refused_by_type(data: st.DataObject) -> None:
    damaged = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    cut = damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged
    try:
        image = Image.parse(memoryview(cut))
        assert heap.load(image.segment("heap")) == {"numbers": [1, 2, {"x": (3, frozenset("ab"))}]}
    except (BadImage, Refused):
        pass


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_refused_by_type(data: bytes) -> None:
    for bytes_ in (data, WHOLE[:16] + data, WHOLE[: len(WHOLE) // 2] + data):
        with pytest.raises(BadImage):
            Image.parse(memoryview(bytearray(bytes_)))


def test_lies_about_sizes() -> None:
    header = WHOLE[16 : 16 + int.from_bytes(WHOLE[8:12], "little")]
    for old, new in ((b'"heap",0', b'"heap",-8'), (b'"segments"', b'"segmemts"'), (b'"heap"', b'"heap","x"')):
        assert old in header
        lie = header.replace(old, new)
        raw = b"SOJOURN1" + len(lie).to_bytes(4, "little") + file.zlib.crc32(lie).to_bytes(4, "little") + lie
        with pytest.raises(BadImage):
            Image.parse(memoryview(bytearray(raw + WHOLE[len(raw) :])))


def test_another_interpreter_is_named_on_both_sides() -> None:
    mine = Origin.here()
    other = Origin(mine.implementation, "3.99.1final0", "pdp11", mine.build, mine.probe)
    with pytest.raises(Refused) as refusal:
        other.check()
    assert any("3.99" in reason and mine.version[:4] in reason for reason in refusal.value.reasons)
    assert any("pdp11" in reason and mine.arch in reason for reason in refusal.value.reasons)
    seeded = Origin(mine.implementation, mine.version, mine.arch, mine.build, mine.probe + 1)
    assert "hash seed" in seeded.reasons(mine)[0]


def test_large_buffers_are_mapped_and_private() -> None:
    fd = os.memfd_create("image")
    file.write(fd, [("heap", b"h"), ("buffer0", bytes(1 << 20))], {})
    image = api.Image.open(fd)
    view = image.segment("buffer0")
    view[0] = 7
    assert (
        os.pread(fd, 1, image.segments["buffer0"].offset) == b"\0"
        and image.segments["buffer0"].offset % 4096 == 0
    )
    os.close(fd)
    assert view[0] == 7

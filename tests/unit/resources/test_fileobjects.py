"""File objects go through the heap and stand where they stood. (The descriptors stay open here: same process.)"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sojourn.errors import Unmovable
from sojourn.frames import heap
from sojourn.resources import fileobjects


def moved(thing: Any) -> Any:
    return heap.load(heap.dump(thing))


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(alphabet="aé漢😀\n\r", max_size=300),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "shift_jis", "gb18030"]),
    newline=st.sampled_from([None, "", "\n", "\r", "\r\n"]),
    steps=st.lists(st.one_of(st.integers(0, 40), st.just("line"), st.just("next")), max_size=5),
    chunk=st.integers(1, 50),
)
def test_reading_text_goes_on(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    encoding: str,
    newline: Any,
    steps: list[Any],
    chunk: int,
) -> None:
    path = tmp_path_factory.mktemp("text") / "file"
    path.write_bytes(text.encode(encoding, "replace"))
    with open(path, encoding=encoding, newline=newline) as file:
        file._CHUNK_SIZE = chunk  # so that decoding stops everywhere  # type: ignore[attr-defined]
        for step in steps:
            if step == "line":
                file.readline()
            elif step == "next":
                next(file, None)
            else:
                file.read(step)
        again = moved(file)
        rest = again.read()  # first: both stand on one descriptor
        with open(path, encoding=encoding, newline=newline) as plain:
            plain._CHUNK_SIZE = chunk  # type: ignore[attr-defined]
            for step in steps:
                plain.readline() if step == "line" else next(plain, None) if step == "next" else plain.read(
                    step
                )
            assert rest == plain.read()
        assert fileobjects.newline_of(again) == newline
        assert (again.name, again.mode, again.encoding) == (file.name, file.mode, file.encoding)


@pytest.mark.parametrize("mode", ["rb", "rb+", "wb", "ab", "ab+", "wb+", "r", "r+", "w", "a", "a+"])
def test_every_mode_keeps_its_content_and_place(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    binary = "b" in mode
    file: Any = open(path, mode)  # noqa: SIM115  (what `again` becomes shares its descriptor)
    if "w" in mode:
        file.write(b"0123456789" if binary else "0123456789")
    file.seek(3)
    if file.readable():
        file.read(2)
    again = moved(file)
    assert path.stat().st_size == 10
    assert (type(again), again.mode, again.name) == (type(file), file.mode, file.name)
    assert again.tell() == (5 if file.readable() else 3)
    if file.readable():
        assert again.read(1) == (b"5" if binary else "5")
    if file.writable():
        again.seek(again.tell())
        again.write(b"X" if binary else "X")
        again.flush()
        expected = b"0123456789X" if "a" in mode else b"012345X789" if file.readable() else b"012X456789"
        assert path.read_bytes() == expected
    again.close()
    with pytest.raises(OSError):
        file.close()  # it was one descriptor


def test_buffered_output_is_written_out_once(tmp_path: Path) -> None:
    file = open(tmp_path / "file", "w", buffering=100_000)  # noqa: SIM115
    file.write("before ")
    again = moved(file)
    assert (tmp_path / "file").read_text() == "before "
    again.write("after")
    again.close()
    assert (tmp_path / "file").read_text() == "before after"
    os.open(os.devnull, os.O_RDONLY)  # the number is `file`'s to close


@pytest.mark.parametrize("mode", ["r", "rb", "w", "ab+"])
def test_closed_files_stay_closed(tmp_path: Path, mode: str) -> None:
    (tmp_path / "file").touch()
    with open(tmp_path / "file", mode) as file:
        pass
    again = moved(file)
    assert again.closed
    assert again.name == file.name
    assert type(again) is type(file)
    with pytest.raises(ValueError):
        again.read()


def test_layers_stay_the_same_objects(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("abc\ndef\n")
    with open(tmp_path / "file") as file:
        next(file)
        text, buffer, raw, table = moved([file, file.buffer, file.buffer.raw, {file: 1}])  # type: ignore[attr-defined]
        assert text.buffer is buffer
        assert buffer.raw is raw
        assert table[text] == 1
        assert text.read() == "def\n"


def test_text_over_memory(tmp_path: Path) -> None:
    wrapper = io.TextIOWrapper(io.BytesIO("déjà\nvu\n".encode()), "utf-8")
    wrapper.readline()
    assert moved(wrapper).read() == "vu\n"


@settings(max_examples=100, deadline=None)
@given(
    pieces=st.lists(st.text(alphabet="aé漢😀\udcff\n\r", max_size=20), min_size=1, max_size=4),
    before=st.booleans(),
    encoding=st.sampled_from(["utf-8", "ascii", "utf-16", "utf-8-sig", "latin-1"]),
    errors=st.sampled_from(["xmlcharrefreplace", "surrogateescape"]),
    newline=st.sampled_from([None, "", "\n", "\r", "\r\n"]),
    first=st.sampled_from(["buffer", "wrapper"]),
)
def test_what_waits_for_memory_stays_waiting(
    pieces: list[str], before: bool, encoding: str, errors: str, newline: Any, first: str
) -> None:
    def begin() -> tuple[Any, Any]:
        buffer = io.BytesIO()
        wrapper = io.TextIOWrapper(buffer, encoding, errors, newline)
        if before:
            wrapper.write("before")
            wrapper.flush()
        for piece in pieces:
            try:
                wrapper.write(piece)
            except UnicodeEncodeError:  # a mark at the beginning is then never written
                assume("utf" not in encoding)
        return buffer, wrapper

    buffer, wrapper = begin()
    untouched = buffer.getvalue()
    try:
        if first == "buffer":
            buffer2, wrapper2 = moved((buffer, wrapper))
        else:
            wrapper2, buffer2 = moved((wrapper, buffer))
    except Unmovable:
        wrapper2, buffer2 = wrapper, buffer
    assert buffer.getvalue() == untouched
    assert buffer2.getvalue() == untouched
    plain, text = begin()
    for each in (wrapper2, text):
        each.write("after")
        each.flush()
    assert buffer2.getvalue() == plain.getvalue()


def test_what_waits_for_memory_is_carried_at_all() -> None:
    buffer = io.BytesIO()
    wrapper = io.TextIOWrapper(buffer, "utf-8", newline="\n")
    wrapper.write("déjà\nvu\n")
    buffer, wrapper = moved((buffer, wrapper))
    assert buffer.getvalue() == b""
    wrapper.write("again")
    wrapper.flush()
    assert buffer.getvalue().decode() == "déjà\nvu\nagain"


@pytest.mark.parametrize("mode", ["rb", "wb", "rb+", "w"])
def test_what_was_detached_stays_so(tmp_path: Path, mode: str) -> None:
    (tmp_path / "file").touch()
    file: Any = open(tmp_path / "file", mode)  # noqa: SIM115
    under = file.detach()
    again = moved(file)
    assert type(again) is type(file)
    with pytest.raises(ValueError, match="detached"):
        again.tell()
    under.close()


def test_what_cannot_travel_is_named(tmp_path: Path) -> None:
    scan = os.scandir(tmp_path)
    with pytest.raises(Unmovable, match="middle of a folder"):
        moved({"scan": scan})
    scan.close()

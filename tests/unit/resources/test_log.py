from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sojourn.errors import InternalError, ProtocolError
from sojourn.resources.log import ERR, KEPT_OPEN, OUT, START, Log, Position, Record, Segment


def test_streams_come_back_as_they_went_in(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", 1)
    log.append(OUT, b"one\n")
    log.append(ERR, b"two\xff")
    log.append(OUT, b"")
    log.append(OUT, b"three")
    assert log.content() == b"one\ntwo\xffthree"
    assert log.content(OUT) == b"one\nthree"
    assert log.content(ERR) == b"two\xff"
    records, position = log.read(limit=1)
    assert records == [Record(OUT, b"one\n")]
    records, position = log.read(position)
    assert records == [Record(ERR, b"two\xff"), Record(OUT, b"three")]
    assert log.read(position) == ([], position)
    log.close()


def test_many_moves_take_few_descriptors(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    log = Log(tmp_path / "log", 1)
    for epoch in range(1, 1200):
        log.begin(epoch)
        log.append(OUT, b"%d\n" % epoch)
    assert len(os.listdir("/proc/self/fd")) - before <= KEPT_OPEN
    assert log.content() == b"".join(b"%d\n" % epoch for epoch in range(1, 1200))
    log.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_new_epoch_goes_on(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", 1)
    log.append(OUT, b"a")
    log.begin(2)
    log.append(OUT, b"b")
    assert [segment.epoch for segment in log.segments()] == [1, 2]
    _, middle = log.read(limit=1)
    assert middle.epoch == 1
    assert log.read(middle)[0] == [Record(OUT, b"b")]
    with pytest.raises(InternalError):
        log.begin(1)
    log.close()
    again = Log(tmp_path / "log")
    assert again.content() == b"ab"
    again.remove()
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_crash_costs_at_most_the_last_record(tmp_path: Path, cut: int) -> None:
    log = Log(tmp_path / "log", 1)
    log.append(OUT, b"whole")
    log.append(OUT, b"broken")
    log.close()
    file = tmp_path / "log" / "1.log"
    os.truncate(file, file.stat().st_size - cut)
    again = Log(tmp_path / "log", 1)
    again.append(OUT, b" and on")
    assert again.content() == b"whole and on"
    again.close()


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_segments_are_shipped_in_any_pieces(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    source, target = Log(folder / "source", 1), Log(folder / "target")
    for part in data.draw(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8)):
        source.append(OUT, part)
    size = source.segments()[0].size
    while (have := sum(segment.size for segment in target.segments())) < size:
        start = data.draw(st.integers(0, have))  # as after a cut: some of it is sent twice
        target.adopt(1, start, source.piece(1, start, data.draw(st.integers(have - start + 1, size))))
    assert target.content() == source.content()
    with pytest.raises(ProtocolError):
        target.adopt(1, size + 1, b"x")
    with pytest.raises(ProtocolError):
        target.adopt(1, 0, b"\xff" * 3)
    target.begin(2)
    target.append(ERR, b"on")
    assert target.segments()[-1] == Segment(2, 7)
    source.close()
    target.close()


def test_followers_get_everything_and_end(tmp_path: Path) -> None:
    async def work() -> list[bytes]:
        log = Log(tmp_path / "log", 1)
        got: list[bytes] = []

        async def follow(position: Position) -> None:
            async for records in log.follow(position):
                got.extend(record.data for record in records)

        log.append(OUT, b"before")
        follower = asyncio.create_task(follow(START))
        for number in range(5):
            log.append(OUT, b"%d" % number)
            await asyncio.sleep(0)
        log.begin(2)
        log.append(OUT, b"after")
        await asyncio.sleep(0)
        log.end()
        await follower
        return got

    assert b"".join(asyncio.run(work())) == b"before01234after"


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", 1)
    log.append(OUT, b"kept")
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError):
            log.append(OUT, b"x" * 200)  # the first 91 bytes fit, and must not stay
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    log.append(OUT, b" all")
    assert log.content() == b"kept all"
    log.close()


@pytest.mark.parametrize("size", [0, 1, 999, 50_000, 300_000, 10_000_000])
def test_the_tail_begins_at_a_record_and_holds_what_was_asked_for(tmp_path: Path, size: int) -> None:
    log = Log(tmp_path / "log", 1)
    for epoch in (1, 2, 4):
        log.begin(epoch)
        for number in range(3000):
            log.append(OUT, b"%d %d\n" % (epoch, number) * (number % 7))
    whole = log.content()
    position, found = log.tail(size), b""
    while records := log.read(position)[0]:
        found += b"".join(record.data for record in records)
        position = log.read(position)[1]
    assert whole.endswith(found)
    headers = 5 * len(whole.splitlines())
    assert min(size, len(whole) + headers) <= len(found) + headers
    assert len(found) <= size + 100
    log.close()

from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path

from sojourn.resources.log import OUT, START, Log
from sojourn.resources.streams import InputFeed, OutputDrain


def test_a_writer_never_waits_for_a_reader(tmp_path: Path) -> None:
    async def work() -> None:
        log = Log(tmp_path / "log", 1)
        reading, writing = os.pipe()
        drain = OutputDrain(reading, log, OUT, print)
        text = bytes(range(256)) * 4096
        await asyncio.to_thread(lambda: (os.write(writing, text), os.close(writing)))
        await drain.ended
        assert log.content(OUT) == text
        log.close()

    asyncio.run(work())


def test_drain_takes_all_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        log = Log(tmp_path / "log", 1)
        reading, writing = os.pipe()
        drain = OutputDrain(reading, log, OUT, print)
        os.write(writing, b"now")
        assert drain.drain()
        assert log.content(OUT) == b"now"
        drain.close()
        os.close(writing)
        log.close()

    asyncio.run(work())


def test_what_comes_before_the_process_is_here_is_not_its_output(tmp_path: Path) -> None:
    async def work() -> None:
        log = Log(tmp_path / "log")
        reading, writing = os.pipe()
        drain = OutputDrain(reading, log, OUT, print)
        os.write(writing, b"of nobody")
        assert drain.drain()
        log.begin(3)
        os.write(writing, b"of the process")
        os.close(writing)
        await drain.ended
        assert log.content() == b"of the process"
        log.close()

    asyncio.run(work())


def test_a_full_disk_stops_the_drain_and_loses_nothing(tmp_path: Path) -> None:
    async def work() -> list[tuple[str, bool]]:
        log = Log(tmp_path / "log", 1)
        said: list[tuple[str, bool]] = []
        reading, writing = os.pipe()
        drain = OutputDrain(reading, log, OUT, lambda what, mended: said.append((what, mended)))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        try:
            os.write(writing, b"more than ten bytes")
            assert not drain.drain()
            os.write(writing, b", and more")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        await log.grown(START)  # it tries again by itself
        drain.drain()
        assert log.content() == b"more than ten bytes, and more"
        os.close(writing)
        drain.close()
        log.close()
        return said

    (what, mended), (_, mended_then) = asyncio.run(work())
    assert "EFBIG" in what and (mended, mended_then) == (False, True)


def test_input_waits_is_taken_back_and_given_again() -> None:
    async def work() -> None:
        feed = InputFeed()
        typed = b"".join(b"line %d\n" % number for number in range(20_000))  # more than a pipe holds
        feed.write(typed, eof=True)
        first = os.read(feed.reading, 7)
        rest = await feed.take(b"")
        assert first + rest.data == typed and rest.eof
        await feed.give(rest)
        got = [first]
        while True:
            part = await asyncio.to_thread(os.read, feed.reading, 65536)
            if not part:
                break
            got.append(part)
        assert b"".join(got) == typed
        feed.close()

    asyncio.run(work())


def test_input_after_its_end_can_be_put_back() -> None:
    async def work() -> None:
        feed = InputFeed()
        feed.write(b"all", eof=True)
        await feed.give(await feed.take(b""))
        assert os.read(feed.reading, 10) == b"all"
        assert os.read(feed.reading, 10) == b""
        feed.close()

    asyncio.run(work())

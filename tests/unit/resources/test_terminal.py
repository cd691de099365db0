"""A terminal's state, taken from one pty and given to another: what a program would read, and what it would see."""

from __future__ import annotations

import asyncio
import os
import select
import termios
from collections.abc import Awaitable, Callable, Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sojourn.errors import UsageError
from sojourn.resources.terminal import Terminal, TerminalFeed
from sojourn.resources.unread import Accepted, Piece, Size

END = b"\x04"
WITHIN = 10.0


@pytest.fixture
def pair() -> Iterator[tuple[Terminal, Terminal]]:
    both = Terminal(Size()), Terminal(Size())
    yield both
    for terminal in both:
        terminal.close()


def raw(terminal: Terminal, **changes: int) -> None:
    attributes = termios.tcgetattr(terminal.slave)
    attributes[3] &= ~(termios.ICANON | termios.ECHO)
    attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 1, 0
    termios.tcsetattr(terminal.slave, termios.TCSANOW, attributes)


def typed(terminal: Terminal, data: bytes, echo: bytes | None = None) -> None:
    """Types, and waits for the echo, which says that the kernel has processed it."""
    os.write(terminal.master, data)
    if echo is not None:
        assert output(terminal, len(echo)) == echo


def output(terminal: Terminal, size: int) -> bytes:
    found = b""
    while len(found) < size:
        assert select.select([terminal.master], [], [], WITHIN)[0]
        found += os.read(terminal.master, size - len(found))
    return found


def silent(terminal: Terminal) -> bool:
    return not select.select([terminal.master], [], [], 0)[0]


def reads(terminal: Terminal, count: int, size: int = 4096) -> list[bytes]:
    """What a program gets by that many reads."""
    found: list[bytes] = []
    for _ in range(count):
        assert select.select([terminal.slave], [], [], WITHIN)[0]
        found.append(os.read(terminal.slave, size))
    return found


def carried(source: Terminal, target: Terminal, ahead: bytes = b"") -> bytes:
    return asyncio.run(target.give(source.take(), ahead))


def test_lines_ends_and_the_line_that_is_being_typed(pair: tuple[Terminal, Terminal]) -> None:
    source, target = pair
    typed(source, b"one\rtwo" + END + END + b"thrre\x7f\x7fee\nhal", b"one\r\ntwothrre\b \b\b \bee\r\nhal")
    assert carried(source, target) == b""
    assert silent(target), "what was echoed once is not echoed again"
    assert reads(target, 4) == [b"one\n", b"two", b"", b"three\n"]
    typed(target, b"\x7f\x7fello\n", b"\b \b\b \bello\r\n")  # the rest can still be erased
    assert reads(target, 1) == [b"hello\n"]


def test_a_line_that_was_half_read(pair: tuple[Terminal, Terminal]) -> None:
    source, target = pair
    typed(source, b"hello\nyou\n", b"hello\r\nyou\r\n")
    assert reads(source, 1, 2) == [b"he"]
    carried(source, target)
    assert reads(target, 2) == [b"llo\n", b"you\n"]


def test_what_the_programs_objects_had_read_comes_first(pair: tuple[Terminal, Terminal]) -> None:
    source, target = pair
    typed(source, b"second\n", b"second\r\n")
    carried(source, target, b"fir\r\x04st\n")
    assert reads(target, 2) == [b"fir\r\x04st\n", b"second\n"]


def test_every_byte_in_raw_mode(pair: tuple[Terminal, Terminal]) -> None:
    source, target = pair
    attributes = termios.tcgetattr(source.slave)
    attributes[0] = attributes[1] = attributes[3] = 0
    termios.tcsetattr(source.slave, termios.TCSANOW, attributes)
    everything = bytes(range(256)) * 15
    os.write(source.master, everything)
    carried(source, target)
    assert target.take().typed == [Piece(everything)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=300), st.booleans()), max_size=6), st.binary(max_size=20))
def test_whatever_was_typed_is_there_after_any_number_of_moves(
    lines: list[tuple[bytes, bool]], rest: bytes
) -> None:
    """Bytes that no key gives are typed, too: `take` finds them as literal ones, and so does the next `take`."""
    pieces = [Piece(data.replace(b"\n", b""), end=True) if end else Piece(data.replace(b"\n", b"") + b"\n")
              for data, end in lines]  # fmt: skip
    last = [Piece(rest.replace(b"\n", b""))] if rest.replace(b"\n", b"") else []
    one, two = Terminal(Size()), Terminal(Size())
    try:
        state = one.take()
        wanted = msgspec.structs.replace(state, typed=pieces + last)
        asyncio.run(one.give(wanted))
        assert carried(one, two) == b""
        assert two.take().typed == wanted.typed
    finally:
        one.close()
        two.close()


def test_more_than_a_terminal_holds_is_given_back(pair: tuple[Terminal, Terminal]) -> None:
    source, target = pair
    ahead, behind = lines_of(300), [Piece(b"more %d\n" % number) for number in range(300)]
    state = msgspec.structs.replace(source.take(), typed=behind)
    over = asyncio.run(target.give(state, ahead))
    kept = b"".join(piece.data for piece in target.take().typed)
    assert kept and over and kept + over == ahead + b"".join(piece.data for piece in behind)


def test_settings_and_size(pair: tuple[Terminal, Terminal]) -> None:
    source, target = pair
    raw(source)
    attributes = termios.tcgetattr(source.slave)
    attributes[6][termios.VINTR] = b"\x07"
    attributes[1] &= ~termios.ONLCR
    termios.tcsetattr(source.slave, termios.TCSANOW, attributes)
    source.resize(Size(rows=50, columns=132))
    before = termios.tcgetattr(source.slave)
    carried(source, target)
    assert termios.tcgetattr(target.slave) == before == termios.tcgetattr(source.slave)
    assert os.get_terminal_size(target.slave) == (132, 50)


def test_output_that_was_stopped_stays_stopped_until_the_key(pair: tuple[Terminal, Terminal]) -> None:
    source, target = pair

    def writable(terminal: Terminal, wanted: bool) -> None:
        poll = select.poll()
        poll.register(terminal.slave, select.POLLOUT)
        until(lambda: bool(poll.poll(0)) is wanted)

    typed(source, b"\x13")
    writable(source, False)
    carried(source, target)
    writable(target, False)
    typed(target, b"\x11")
    writable(target, True)


def until(condition: Callable[[], bool]) -> None:
    async def wait() -> None:
        async with asyncio.timeout(WITHIN):
            while not condition():
                await asyncio.sleep(0)

    asyncio.run(wait())


def test_a_size_that_no_window_has() -> None:
    with pytest.raises(UsageError):
        Size(rows=0, columns=80).checked()


# ---- the feed ------------------------------------------------------------------------------------------------------


def with_feeds(work: Callable[[TerminalFeed, TerminalFeed], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(WITHIN):
            terminals = Terminal(Size()), Terminal(Size())
            feeds = TerminalFeed(terminals[0]), TerminalFeed(terminals[1])
            try:
                await work(*feeds)
            finally:
                for feed, terminal in zip(feeds, terminals, strict=True):
                    feed.close()
                    terminal.close()

    asyncio.run(run())


def lines_of(count: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(count))


async def read_lines(feed: TerminalFeed, count: int) -> bytes:
    found: list[bytes] = []
    for _ in range(count):
        found.append(await asyncio.to_thread(os.read, feed.terminal.slave, 4096))
    return b"".join(found)


def test_a_long_paste_is_not_cut_and_goes_on_elsewhere() -> None:
    """Far more than the line discipline holds, taken away in the middle, twice."""

    async def work(one: TerminalFeed, two: TerminalFeed) -> None:
        for feed in (one, two):
            attributes = termios.tcgetattr(feed.terminal.slave)
            attributes[3] &= ~termios.ECHO  # nobody reads it here
            termios.tcsetattr(feed.terminal.slave, termios.TCSANOW, attributes)
        everything = lines_of(5000)
        one.write(everything)
        first = await read_lines(one, 700)
        await two.give(await one.take(b""))
        second = await read_lines(two, 700)
        unread = await two.take(b"")
        await two.give(unread)
        third = await read_lines(two, 3600)
        assert first + second + third == everything

    with_feeds(work)


def test_the_end_of_input_is_a_key_where_lines_are_read() -> None:
    async def work(one: TerminalFeed, two: TerminalFeed) -> None:
        one.write(b"last", eof=True)
        assert await read_lines(one, 1) == b"last"
        one.write(b"", eof=True)
        assert await read_lines(one, 1) == b""
        raw(two.terminal)
        two.write(b"x", eof=True)
        assert await read_lines(two, 1) == b"x"
        assert two.terminal.unread() == 0

    with_feeds(work)


def test_input_that_is_sent_again_is_not_typed_twice() -> None:
    accepted = Accepted()
    assert accepted.new("me", 0, b"abc") == (b"abc", False)
    assert accepted.new("me", 0, b"abc") == (b"", False)
    assert accepted.new("you", 0, b"abc") == (b"abc", False)
    assert accepted.new("me", 1, b"bcde") == (b"de", False)
    with pytest.raises(UsageError):
        accepted.new("me", 9, b"gap")
    assert accepted.new("me", 5, b"f", eof=True) == (b"f", True)
    assert accepted.new("me", 5, b"f", eof=True) == (b"", False)
    assert accepted.new("me", 7, b"g") == (b"g", False)


def test_as_many_sessions_as_there_are() -> None:
    accepted = Accepted()
    for number in range(1000):
        assert accepted.new(str(number), 0, b"x") == (b"x", False)
    assert len(accepted.known) < 100
    assert accepted.new("999", 0, b"xy") == (b"y", False)

"""Being attached to a process: its output as it comes, from where it is; what is typed, and the window's size, to it.

An attachment outlives moves, and the loss of the node it goes through. Output is asked for again from the place behind
the last batch that came; what is typed carries its place in the session, so that a piece can be sent again when nobody
has answered, and is not typed twice.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn.client import calls
from sojourn.client.calls import Call, Chunk

if TYPE_CHECKING:
    from sojourn.client import aio, sync

TAIL = 16 * 1024  # bytes of what was there before that are shown: some screens


class Batch(msgspec.Struct, frozen=True):
    """Output, and the place behind it."""

    chunks: list[tuple[calls.Stream, bytes]]
    at: tuple[int, int]


class Session:
    """What is decided for both clients: where the output and the typing stand."""

    def __init__(self, process: str, tail: int | None) -> None:
        self._process = process
        self._name = os.urandom(8).hex()
        self._typed = 0
        # Its arguments are kept up to date: a client that sends it again goes on behind what has come.
        self.output: Call[dict[str, Any]] = Call(
            "attach", {"name": process, "tail": tail}, dict, repeatable=True
        )

    def take(self, item: Any) -> list[Chunk]:
        batch = msgspec.convert(item, Batch)
        self.output.args["at"] = batch.at
        return [Chunk(stream, data) for stream, data in batch.chunks]

    def typing(self, data: bytes, *, eof: bool) -> Call[Any]:
        args = {"name": self._process, "session": self._name, "at": self._typed, "data": data, "eof": eof}
        return Call("type", args, object, repeatable=True)

    def typed(self, data: bytes, *, eof: bool) -> None:
        """That has been taken."""
        self._typed += len(data) + eof

    def resizing(self, rows: int, columns: int, *, redraw: bool) -> Call[Any]:
        args = {"name": self._process, "size": calls.window(rows, columns), "redraw": redraw}
        return Call("resize", args, object, repeatable=True)


class Attachment:
    """A process's output, to be iterated until it ends, and a way to type to it. One thread may iterate and one type.

    Leaving the loop or the `with` block detaches; the process goes on.
    """

    def __init__(self, link: sync.Link, session: Session) -> None:
        self._link = link
        self._session = session
        self._chunks = self._read()

    def __enter__(self) -> Attachment:
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def _read(self) -> Generator[Chunk, None, None]:
        for item in self._link.stream(self._session.output):
            yield from self._session.take(item)

    def write(self, data: bytes, *, eof: bool = False) -> None:
        """Type. With `eof` the input ends: a terminal is sent the key that means that. Raises WrongState at its end."""
        self._link.ask(self._session.typing(data, eof=eof))
        self._session.typed(data, eof=eof)

    def resize(self, rows: int, columns: int, *, redraw: bool = False) -> None:
        """Give its terminal another size; with `redraw` the program is told even if it is the same."""
        self._link.ask(self._session.resizing(rows, columns, redraw=redraw))

    def detach(self) -> None:
        """Listen no more. The process goes on."""
        self._chunks.close()


class AsyncAttachment:
    """As `Attachment`, for asyncio."""

    def __init__(self, link: aio.Link, session: Session) -> None:
        self._link = link
        self._session = session
        self._chunks = self._read()

    async def __aenter__(self) -> AsyncAttachment:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.detach()

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self._chunks

    async def _read(self) -> AsyncGenerator[Chunk, None]:
        async with aclosing(self._link.stream(self._session.output)) as answers:
            async for answer in answers:
                if answer.item is not msgspec.UNSET:
                    for chunk in self._session.take(answer.item):
                        yield chunk

    async def write(self, data: bytes, *, eof: bool = False) -> None:
        """Type; one piece at a time. Of one that was cancelled nobody knows whether it was typed: attach anew."""
        await self._link.ask(self._session.typing(data, eof=eof))
        self._session.typed(data, eof=eof)

    async def resize(self, rows: int, columns: int, *, redraw: bool = False) -> None:
        """Give its terminal another size."""
        await self._link.ask(self._session.resizing(rows, columns, redraw=redraw))

    async def detach(self) -> None:
        """Listen no more. The process goes on."""
        await self._chunks.aclose()


class ProcessTerminals:
    """Verbs of the blocking `Process`."""

    id: str
    _link: sync.Link

    def attach(self, *, tail: int | None = TAIL) -> Attachment:
        """Its output as it comes, over all its moves, and a way to type to it.

        Args:
            tail: about how many bytes of what it wrote before come first; None for all of them.
        """
        return Attachment(self._link, Session(self.id, tail))


class AsyncProcessTerminals:
    """Verbs of the asyncio `AsyncProcess`; see `ProcessTerminals`."""

    id: str
    _link: aio.Link

    def attach(self, *, tail: int | None = TAIL) -> AsyncAttachment:
        """Its output as it comes, over all its moves, and a way to type to it."""
        return AsyncAttachment(self._link, Session(self.id, tail))

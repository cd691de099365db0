"""Descriptors: readiness, pipes and whatever else can be waited for; and what cannot, on kernel-level threads.

Each operation tries first, and waits only if there is nothing: the edges of the poller tell of what comes, not of
what is. Files on disks are always "ready" and block all the same: they are read on a kernel-level thread (`offload`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from sojourn.threads.face import scheduler_of
from sojourn.threads.poller import READ, WRITE, Direction
from sojourn.threads.sync import Lock
from sojourn.threads.thread import Steps, Wait, operation

T = TypeVar("T")
PIECE = 1 << 16  # bytes that are read at once


@operation
def ready(direction: Direction) -> Steps[None]:
    """Wait until it may be tried again. Raises OSError if the descriptor is closed meanwhile."""
    wait = Wait(direction)
    yield wait
    if wait.value is not None:
        raise wait.value


@operation
def readable(descriptor: int) -> Steps[None]:
    """Wait until there is something to be read. For descriptors of other people's; who waits has tried before."""
    poller = scheduler_of().poller
    try:
        yield from ready(Direction(poller, descriptor, READ))
    finally:
        poller.forget(descriptor)


@operation
def writable(descriptor: int) -> Steps[None]:
    """As `readable`: until there is room."""
    poller = scheduler_of().poller
    try:
        yield from ready(Direction(poller, descriptor, WRITE))
    finally:
        poller.forget(descriptor)


@operation
def offload(function: Callable[..., T], *args: Any, **keywords: Any) -> Steps[T]:
    """Call it on a kernel-level thread; its result. Threads do without, since a blocking call stalls nobody; it saves
    the monitor the work where it is known that a call blocks.
    """
    scheduler = scheduler_of()
    return (yield from scheduler.spawn_in(scheduler.root, function, args, keywords, None).join())


class Descriptor:
    """An end of a pipe, a terminal, or any other descriptor that can be waited for. It is made non-blocking.

    `async with` closes it. Two threads may use it at once if one of them reads and the other writes.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._poller = scheduler_of().poller
        self._reading = Direction(self._poller, descriptor, READ)
        self._writing = Direction(self._poller, descriptor, WRITE)

    def fileno(self) -> int:
        return self._descriptor

    @operation
    def read(self, size: int = PIECE) -> Steps[bytes]:
        """What is there, `size` bytes at most; b"" at the end."""
        while True:
            try:
                return os.read(self._descriptor, size)
            except BlockingIOError:
                yield from ready(self._reading)

    @operation
    def read_all(self) -> Steps[bytes]:
        """Everything until the end."""
        pieces: list[bytes] = []
        while piece := (yield from self.read()):
            pieces.append(piece)
        return b"".join(pieces)

    @operation
    def write(self, data: bytes | memoryview) -> Steps[None]:
        """All of it."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                yield from ready(self._writing)

    def close(self) -> None:
        """Who waits for it gets OSError."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._poller.forget(descriptor)
            os.close(descriptor)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def pipe() -> tuple[Descriptor, Descriptor]:
    """A pipe: the end to read from, the end to write to."""
    reading, writing = os.pipe()
    return Descriptor(reading), Descriptor(writing)


class File:
    """A file on a disk. Each call is made on a kernel-level thread, one at a time."""

    def __init__(self, file: IO[Any]) -> None:
        self.raw = file
        self._lock = Lock()

    async def _call(self, function: Callable[..., T], *args: Any) -> T:
        async with self._lock:
            return await offload(function, *args)

    async def read(self, size: int = -1) -> Any:
        return await self._call(self.raw.read, size)

    async def readline(self) -> Any:
        return await self._call(self.raw.readline)

    async def write(self, data: Any) -> int:
        return await self._call(self.raw.write, data)

    async def seek(self, offset: int, whence: int = 0) -> int:
        return await self._call(self.raw.seek, offset, whence)

    async def flush(self) -> None:
        await self._call(self.raw.flush)

    async def close(self) -> None:
        await self._call(self.raw.close)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if line := await self.readline():
            return line
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


async def open_file(path: str | os.PathLike[str], mode: str = "r", **keywords: Any) -> File:
    """As `open`: `async with await threads.open_file(path) as file:`."""
    return File(await offload(open, path, mode, **keywords))

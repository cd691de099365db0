"""Images on their way between a node and a file that the node does not see: the user's, on another machine.

Concepts. The file is with the one who asks, the client: nobody else is sure to be on the user's machine. What a node
has to say (there is something to take; this part is wanted) goes over the answer to `freeze` or `thaw`, in items of a
few bytes; what is large goes in requests of the client's beside it, of at most `PART` bytes each, through the node that
the client asks. So whoever is slow holds up the other side and fills nobody's memory, and a client that goes away ends
the request whose answer it no longer reads.

| way | who asks | request | what it does |
|---|---|---|---|
| out | `Delivery` puts files | `image.take` | gives the next part of a file, waits for it; `complete` after the last |
| out | `keep` waits | `image.kept` | the file is whole, on the disk, under its name |
| in | `Lent` wants a part of a file | `image.lend` | brings a part of it |

Both wait in threads, as the code that makes and reads images does, and run their side in the node's loop. Neither
believes anything: what comes in is read as any image is (`image.opened`), documents and signature first, and what is
not wanted is refused.

Guarantees. Whoever waits `STALL` seconds for the other side in vain gives up with TransferCut. After `end` nobody
waits, and the other side is told that it is over; the reason is in the answer that it reads.

Rejected: parts in the answer itself. A node that passes them on reads from the owner as fast as it can, and would keep
a gigabyte for a client that reads slowly.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

import msgspec

from sojourn.errors import BadImage, ProtocolError, TransferCut
from sojourn.folders.layout import Seen, checked_sizes
from sojourn.folders.placing import Data
from sojourn.image.draft import Cancelled
from sojourn.node.talk import Emit

T = TypeVar("T")

PART = 2 << 20  # bytes in one request
AHEAD = 3  # parts that wait to be taken
STALL = 60.0  # seconds without a word of the other side


class Ticket(msgspec.Struct, kw_only=True):
    """Arguments of `image.take` and `image.kept`: at which node, and of which freeze."""

    node: str
    ticket: str


class Lending(Ticket, kw_only=True):
    """Arguments of `image.lend`: `data` is a part of what is `wanted`, from `at` on. First the sizes of the files."""

    wanted: int
    at: int = 0
    data: bytes = b""
    sizes: dict[str, int] = {}


class _Carried:
    """What both ways share: threads that wait for what the loop does, until it is over."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._moved = asyncio.Condition()
        self._lock = threading.Lock()
        self._waiting: set[Future[Any]] = set()  # guarded by _lock, as is what follows
        self.over = False

    def end(self) -> None:
        """Nobody waits any more. From any thread."""
        with self._lock:
            self.over = True
            waiting = list(self._waiting)
        for future in waiting:
            future.cancel()
        asyncio.run_coroutine_threadsafe(self._tell(), self._loop)

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """In a thread: what the loop makes of it. Raises CancelledError when it is over."""
        with self._lock:
            if self.over:
                work.close()
                raise CancelledError
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._waiting.add(future)
        try:
            return future.result()
        finally:
            with self._lock:
                self._waiting.discard(future)

    async def _until(self, ready: Callable[[], bool]) -> None:
        """With `_moved` held. Raises TransferCut."""
        try:
            async with asyncio.timeout(STALL):
                await self._moved.wait_for(ready)
        except TimeoutError:
            raise TransferCut(
                f"nothing was heard for {STALL:.0f} s from where the file is to be", advice="try again"
            ) from None


class Delivery(_Carried):
    """A place for an image (`image.draft.Place`) that is with the one who asked."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()  # one file after the other
        self._parts: deque[dict[str, Any]] = deque()
        self._kept = False

    def put(self, name: str, data: Iterable[Data], size: int) -> None:
        part, first = bytearray(), True
        with self._turn:
            for chunk in data:
                part += chunk
                while len(part) >= PART:
                    self._give({"name": name, "size": size, "data": bytes(part[:PART])})
                    del part[:PART]
                    first = False
            if part or first:
                self._give({"name": name, "size": size, "data": bytes(part)})

    def keep(self) -> None:
        self._give({"complete": True})
        try:
            self._wait(self._until_kept())
        except CancelledError:
            raise Cancelled from None

    def cancel(self) -> None:
        if not self._kept:
            self.end()

    def drop(self) -> None:
        """The other side has the file, and hears what became of it."""
        self.end()

    def _give(self, part: dict[str, Any]) -> None:
        try:
            self._wait(self._offer(part))
        except CancelledError:
            raise Cancelled from None

    async def _offer(self, part: dict[str, Any]) -> None:
        async with self._moved:
            await self._until(lambda: len(self._parts) < AHEAD)
            self._parts.append(part)
            self._moved.notify_all()

    async def _until_kept(self) -> None:
        async with self._moved:
            await self._until(lambda: not self._parts)
            await self._until(lambda: self._kept)

    async def take(self) -> dict[str, Any]:
        """The next part, for the other side."""
        async with self._moved:
            await self._moved.wait_for(lambda: bool(self._parts) or self.over)
            if self.over:
                return {"over": True}
            part = self._parts.popleft()
            self._moved.notify_all()
            return part

    async def kept(self) -> dict[str, Any]:
        """The other side has it."""
        async with self._moved:
            self._kept = not self.over
            self._moved.notify_all()
            return {"over": self.over}


class _Want:
    def __init__(self, into: memoryview) -> None:
        self.into = into
        self.got = 0
        self.sizes: dict[str, int] | None = None


class Lent(_Carried):
    """The files of an image (`folders.layout.Layout`) that is with the one who asked.

    Args:
        emit: says to him what is wanted.
        node: where it is to be brought.
        ticket: names this loan.
    """

    def __init__(self, emit: Emit, node: str, ticket: str) -> None:
        super().__init__()
        self._emit = emit
        self._said = {"node": node, "ticket": ticket}
        self._wanted: dict[int, _Want] = {}
        self._last = 0
        self._sizes: dict[str, int] = {}

    def open(self) -> Lent:
        """Learn which files there are. Raises BadImage, TransferCut."""
        self._fetched("", memoryview(b""))
        return self

    def size(self, name: str) -> int:
        try:
            return self._sizes[name]
        except KeyError:
            raise BadImage(f"the image has no {name}") from None

    def sizes(self) -> dict[str, int]:
        return self._sizes

    def read(self, name: str, into: memoryview, seen: Seen | None = None) -> None:
        if len(into) > (size := self.size(name)):
            raise BadImage(f"{name} of the image has {size} bytes, not {len(into)}")
        if len(into):
            self._fetched(name, into)
            if seen is not None:
                seen(into)

    def close(self) -> None:
        self.end()

    def _fetched(self, name: str, into: memoryview) -> None:
        try:
            self._wait(self._fetch(name, into))
        except CancelledError:
            raise TransferCut("whoever brought the image went away before it was here") from None

    async def _fetch(self, name: str, into: memoryview) -> None:
        self._last = number = self._last + 1
        want = self._wanted[number] = _Want(into)
        try:
            await self._emit({"want": {**self._said, "wanted": number, "name": name, "size": len(into)}})
            async with self._moved:
                if not name:
                    await self._until(lambda: want.sizes is not None)
                    self._sizes = want.sizes or {}
                while (before := want.got) < len(into):
                    await self._until(lambda: want.got > before)
        finally:
            del self._wanted[number]

    async def lend(self, brought: Lending) -> dict[str, Any]:
        """A part from the other side. Raises ProtocolError, BadImage."""
        async with self._moved:
            want = self._wanted.get(brought.wanted)
            if self.over or want is None:
                return {"over": True}
            if brought.at != want.got or want.got + len(brought.data) > len(want.into):
                raise ProtocolError("a part of an image was brought that nobody has asked for")
            if len(want.into):
                want.into[want.got : want.got + len(brought.data)] = brought.data
                want.got += len(brought.data)
            else:
                want.sizes = checked_sizes(brought.sizes)
            self._moved.notify_all()
            return {"over": False}

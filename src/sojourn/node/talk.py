"""The control protocol over one connection: the answering side and the asking side. Both are protocols, not
streams (a third of the cost for each small message), and run over a unix socket or an authenticated
connection between nodes.

Guarantees. Every request gets exactly one last answer, if the connection lives. A slow reader holds up the
requests that send to it, and nothing else. What a peer sends that is not the protocol ends the connection;
nothing of that message is carried out. When a connection ends, the requests it still had are cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from sojourn.errors import InternalError, NodeLost, ProtocolError, SojournError, UsageError, from_wire
from sojourn.wire import control
from sojourn.wire.control import CANCEL, CAP, Answer, Request
from sojourn.wire.framing import Frames

log = logging.getLogger(__name__)

Emit = Callable[[Any], Awaitable[None]]
Serve = Callable[[str, dict[str, Any], Emit], Awaitable[Any]]
"""An operation by name: its arguments, and a way to send elements of a streaming answer."""


class _Connection(asyncio.Protocol):
    """What both sides share: frames in, frames out, and waiting while the other side does not read."""

    def __init__(self) -> None:
        self._frames = Frames(CAP)
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue]

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        self._writable.set()
        self._transport = None

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                self.frame(body)
        except ProtocolError as why:
            log.warning("a connection is closed: %s", why)
            self.close()

    def frame(self, body: bytes) -> None:
        raise NotImplementedError

    def write(self, message: Request | Answer) -> None:
        if self._transport is not None:
            self._transport.write(control.encode(message))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Session(_Connection):
    """The answering side. `serve` carries out one request."""

    def __init__(self, serve: Serve, sessions: set[Session]) -> None:
        super().__init__()
        self._serve = serve
        self._sessions = sessions
        self._running: dict[int, asyncio.Task[None]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._sessions.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._sessions.discard(self)
        for task in self._running.values():
            task.cancel()

    def frame(self, body: bytes) -> None:
        request = control.request(body)
        if request.op == CANCEL:
            if task := self._running.get(request.id):
                task.cancel()
        elif request.id in self._running:
            raise ProtocolError(f"request {request.id} is still running")
        else:
            self._running[request.id] = asyncio.create_task(self._answer(request))

    async def _answer(self, request: Request) -> None:
        async def emit(item: Any) -> None:
            self.write(Answer(request.id, item=item))
            await self._writable.wait()

        try:
            answer = Answer(request.id, ok=await self._serve(request.op, request.args, emit))
        except SojournError as why:
            answer = Answer(request.id, error=why.to_wire())
        except asyncio.CancelledError:
            answer = Answer(request.id, error=SojournError("cancelled").to_wire())
        except msgspec.ValidationError as why:
            answer = Answer(request.id, error=UsageError(f"{request.op}: {why}").to_wire())
        except Exception as why:
            log.exception("operation %s failed", request.op)
            answer = Answer(
                request.id, error=InternalError(f"{request.op}: {type(why).__name__}: {why}").to_wire()
            )
        finally:
            self._running.pop(request.id, None)
        try:
            self.write(answer)
        except SojournError as why:  # larger than the other side would take
            self.write(Answer(request.id, error=why.to_wire()))


class Channel(_Connection):
    """The asking side, for any number of requests at once."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node
        self._asked: dict[int, asyncio.Queue[Answer | None]] = {}
        self._last = 0

    def frame(self, body: bytes) -> None:
        answer = control.answer(body)
        if queue := self._asked.get(answer.id):
            queue.put_nowait(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for queue in self._asked.values():
            queue.put_nowait(None)

    async def ask(self, op: str, args: dict[str, Any], emit: Emit | None = None) -> Any:
        """The answer to one request; elements of a streaming one go to `emit`. Raises NodeLost, or what the other
        raised.
        """
        if self.closed.is_set():
            raise NodeLost(f"node {self._node} went away")
        self._last = number = self._last + 1
        queue = self._asked[number] = asyncio.Queue[Answer | None]()
        finished = False
        try:
            self.write(Request(number, op, args))
            while True:
                answer = await queue.get()
                if answer is None:
                    finished = True
                    raise NodeLost(f"node {self._node} went away during {op!r}", details={"node": self._node})
                if answer.item is not msgspec.UNSET:
                    if emit is not None:
                        await emit(answer.item)
                    continue
                finished = True
                if not isinstance(answer.error, msgspec.UnsetType):
                    raise from_wire(answer.error)
                return answer.ok
        finally:
            del self._asked[number]
            if not finished:
                self.write(Request(number, CANCEL))

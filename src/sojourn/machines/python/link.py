"""The node's end of a channel: asyncio over the frames of `_util.channel`.

A `Link` matches answers to requests by their number and hands everything else to `heard`. When the other end
goes away every open request fails with `LinkClosed`; descriptors that nobody asked for are closed.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from sojourn._util import channel
from sojourn.errors import from_wire


class LinkClosed(Exception):
    """The other end is gone."""


class Link:
    """Owns `sock`. `heard` gets each message that is no answer."""

    def __init__(self, sock: socket.socket, heard: Callable[[dict[str, Any]], None]) -> None:
        self._socket = sock
        self._heard = heard
        self._framer = channel.Framer()
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()
        self._requests: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self.closed: asyncio.Future[None] = self._loop.create_future()
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._readable)

    def hand_over(self, heard: Callable[[dict[str, Any]], None]) -> None:
        """From here on somebody else hears what is no answer."""
        self._heard = heard

    async def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Sends the whole message. Raises LinkClosed."""
        frame = memoryview(channel.encode(message, len(fds)))
        ancillary = channel.rights(fds)
        async with self._sending:
            while frame:
                if self.closed.done():
                    raise LinkClosed
                try:
                    sent = self._socket.sendmsg([frame], ancillary)
                except BlockingIOError:
                    await self._writable()
                except OSError:
                    self.close()
                    raise LinkClosed from None
                else:
                    frame, ancillary = frame[sent:], []

    async def request(
        self, op: str, fds: Sequence[int] = (), **arguments: Any
    ) -> tuple[int, asyncio.Future[Any]]:
        """Sends a request; its number, and the future of its answer (or error)."""
        self._number += 1
        number = self._number
        answer = self._requests[number] = self._loop.create_future()
        answer.add_done_callback(lambda _: self._requests.pop(number, None))
        try:
            await self.send({"op": op, "id": number, **arguments}, fds)
        except LinkClosed:
            answer.cancel()
            raise
        return number, answer

    def close(self) -> None:
        if self.closed.done():
            return
        self.closed.set_result(None)
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._framer.close()
        self._socket.close()
        for answer in list(self._requests.values()):
            if not answer.done():
                answer.set_exception(LinkClosed())
                answer.exception()  # whoever waits sees it; nobody has to

    async def _writable(self) -> None:
        ready = self._loop.create_future()
        self._loop.add_writer(self._socket.fileno(), lambda: ready.done() or ready.set_result(None))
        try:
            await asyncio.wait((ready, self.closed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not self.closed.done():
                self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        try:
            data, ancillary, _, _ = self._socket.recvmsg(channel.CHUNK, 4096, channel.MSG_CMSG_CLOEXEC)
            self._framer.feed(data, ancillary)
            while (message := self._framer.take()) is not None:
                self._message(*message)
        except BlockingIOError:
            return
        except (OSError, channel.ChannelError):
            data = b""
        if not data:
            self.close()

    def _message(self, message: dict[str, Any], fds: list[int]) -> None:
        for fd in fds:  # the inside sends none
            os.close(fd)
        if "answer" not in message:
            self._heard(message)
            return
        answer = self._requests.get(message["answer"])
        if answer is None or answer.done():
            return
        if (error := message.get("error")) is not None:
            answer.set_exception(from_wire(error))
        else:
            answer.set_result(message.get("ok"))

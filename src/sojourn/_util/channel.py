"""A channel: JSON messages with descriptors over one end of a unix stream socket pair.

A frame is a header of two 32-bit big-endian numbers (length of the body, number of descriptors) and the JSON
body; the descriptors ride on the frame's first byte. The kernel hands descriptors out in the order of the
bytes they rode on, so a receiver only has to queue them and take as many as each header says.

`Framer` turns bytes into messages and knows no socket; `Channel` adds the blocking and the non-blocking
receive that the inside needs. The outside's asyncio form is `machines.python.link`.

Inside code: `_socket`, since `socket` would drag `selectors` and `enum` into every host.
"""

from __future__ import annotations

import json
import os
import struct
from _socket import CMSG_LEN, MSG_DONTWAIT, SCM_RIGHTS, SOL_SOCKET, socket
from collections.abc import Sequence
from typing import Any, cast

Message = tuple[dict[str, Any], list[int]]

HEADER = struct.Struct(">II")
MAX_BODY = 64 * 1024 * 1024
MAX_DESCRIPTORS = 16
CHUNK = 64 * 1024
MSG_CMSG_CLOEXEC = 0x40000000
_ROOM = CMSG_LEN(4 * MAX_DESCRIPTORS) * 2


class ChannelError(Exception):
    """The other end sent what is not a frame."""


def encode(message: dict[str, Any], descriptors: int) -> bytes:
    """One frame, ready to be sent."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return HEADER.pack(len(body), descriptors) + body


def rights(fds: Sequence[int]) -> list[tuple[int, int, bytes]]:
    """The ancillary data that carries `fds`."""
    return [(SOL_SOCKET, SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else []


class Framer:
    """Bytes and descriptors in, messages out."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._fds: list[int] = []

    def feed(self, data: bytes, ancillary: Sequence[tuple[int, int, bytes]]) -> None:
        self._bytes += data
        for level, kind, payload in ancillary:
            if level == SOL_SOCKET and kind == SCM_RIGHTS:
                self._fds.extend(struct.unpack(f"{len(payload) // 4}i", payload[: len(payload) // 4 * 4]))

    def take(self) -> Message | None:
        """The next whole message, or None."""
        if len(self._bytes) < HEADER.size:
            return None
        length, count = HEADER.unpack_from(self._bytes)
        if length > MAX_BODY or count > MAX_DESCRIPTORS:
            raise ChannelError(f"a frame of {length} bytes with {count} descriptors")
        end = HEADER.size + length
        if len(self._bytes) < end:
            return None
        body = bytes(self._bytes[HEADER.size : end])
        if len(self._fds) < count:
            raise ChannelError(f"{count} descriptors announced, {len(self._fds)} came")
        del self._bytes[:end]
        fds, self._fds = self._fds[:count], self._fds[count:]
        try:
            message: Any = json.loads(body)
        except ValueError as error:
            raise ChannelError(f"a body that is not JSON: {error}") from None
        if not isinstance(message, dict):
            raise ChannelError("a body that is not an object")
        return cast("dict[str, Any]", message), fds

    def close(self) -> None:
        """Closes the descriptors that came without their message."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()


class Channel:
    """The blocking end, used inside."""

    def __init__(self, fd: int) -> None:
        self._socket = socket(fileno=fd)
        self._framer = Framer()
        self.closed = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self.closed = True
        self._framer.close()
        self._socket.close()

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Sends the whole message, however long it takes. Raises BrokenPipeError when nobody listens."""
        frame = memoryview(encode(message, len(fds)))
        sent = self._socket.sendmsg([frame], rights(fds))
        while sent < len(frame):
            sent += self._socket.send(frame[sent:])

    def receive(self) -> Message | None:
        """The next message; None when the other end is gone."""
        while (message := self._framer.take()) is None:
            if not self._read(0):
                return None
        return message

    def ready(self) -> list[Message]:
        """Every message that is here now, without waiting; `closed` is set when the other end is gone."""
        while not self.closed:
            try:
                if not self._read(MSG_DONTWAIT):
                    break
            except BlockingIOError:
                break
        messages: list[Message] = []
        while (message := self._framer.take()) is not None:
            messages.append(message)
        return messages

    def _read(self, flags: int) -> bool:
        try:
            data, ancillary, _, _ = self._socket.recvmsg(CHUNK, _ROOM, flags | MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            data, ancillary = b"", []
        self._framer.feed(data, ancillary)
        if not data:
            self.closed = True
        return bool(data)

"""The node's half of a program's standard streams.

Output: two pipes that are drained to the log whenever there is something in them, so that a program never
waits for a reader and a blocked write is never carried over a move. When the disk refuses, the drain stops
(the pipe fills, the program waits, nothing is lost), says so, and tries again. What comes before the log has an epoch
is not the process's: a program that is built here, and may never run, is silent until it goes on.

Input: a pipe that the node writes what clients send. The node keeps a read end of its own, so that it can
take back what a frozen program has not read: `take` empties the pipe and gives all that waits, `give` puts it
back. (A program with a terminal has `terminal.TerminalFeed` in its place.)
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import struct
import termios
from collections.abc import Callable
from typing import Protocol

from sojourn.resources.log import Log
from sojourn.resources.unread import Accepted, Unread

CHUNK = 256 * 1024
RETRY = 0.5  # seconds between two tries to write to a full disk
SHOWN = 2000  # bytes
log = logging.getLogger(__name__)

Said = Callable[[str, bool], None]
"""Told what is wrong, and whether that is over."""


class Feed(Protocol):
    """Where clients' input goes."""

    accepted: Accepted

    def write(self, data: bytes, *, eof: bool = False) -> None: ...
    async def take(self, ahead: bytes) -> Unread: ...
    async def give(self, unread: Unread) -> None: ...
    def close(self) -> None: ...


class OutputDrain:
    """Drains one pipe, or a terminal, into the log. Owns `fd` (the read end; the terminal's master)."""

    def __init__(self, fd: int, log: Log, stream: int, said: Said) -> None:
        self._fd = fd
        self._log = log
        self._stream = stream
        self._said = said
        self._held = b""  # read from the pipe, refused by the disk
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None
        self.ended: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._readable)

    def drain(self) -> bool:
        """Everything in the pipe now goes to the log. False when the disk refuses and something is left."""
        while not self.ended.done():
            if self._held and not self._keep():
                return False
            try:
                self._held = self._read()
            except BlockingIOError:
                return True
            if not self._held:
                self._end()
        return True

    def close(self) -> None:
        """Takes what is there and closes the pipe."""
        self.drain()
        self._end()

    def _readable(self) -> None:
        # One chunk a turn: a program that writes without end must not starve the node's other work.
        try:
            self._held += self._read()
        except BlockingIOError:
            return
        if not self._held:
            self._end()
        else:
            self._keep()

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, CHUNK)
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal that nobody has open any more
                raise
            return b""

    def _keep(self) -> bool:
        if not self._log.begun:
            log.warning("a host that is no process wrote: %s", self._held[:SHOWN].decode(errors="replace"))
            self._held = b""
            return True
        try:
            self._log.append(self._stream, self._held)
        except OSError as error:
            if self._retry is None:
                reason = errno.errorcode.get(error.errno or 0, "error")
                self._said(
                    f"its log takes no more output ({reason}: {error.strerror}): what it writes waits, nothing is lost",
                    False,
                )
                self._loop.remove_reader(self._fd)
            self._retry = self._loop.call_later(RETRY, self._again)
            return False
        self._held = b""
        return True

    def _again(self) -> None:
        if not self.ended.done() and self._keep():
            self._retry = None
            self._said("its log takes output again", True)
            self._loop.add_reader(self._fd, self._readable)

    def _end(self) -> None:
        if self.ended.done():
            return
        if self._retry is not None:
            self._retry.cancel()
        else:
            self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self.ended.set_result(None)


class InputFeed:
    """Feeds the program's standard input. Owns both ends of the pipe; the program has a copy of `reading`."""

    def __init__(self) -> None:
        self.accepted = Accepted()
        self.reading, self._writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._writing, False)
        self._loop = asyncio.get_running_loop()
        self._waiting = bytearray()
        self._eof = False
        self._watched = False
        self._held = False

    @property
    def eof(self) -> bool:
        return self._eof

    def write(self, data: bytes, *, eof: bool = False) -> None:
        """What a client typed. After `eof` nothing more is taken (as a closed terminal would not)."""
        if not self._eof:
            self._waiting += data
            self._eof = eof
            self._flush()

    async def take(self, ahead: bytes) -> Unread:
        """Everything the program has not read, out of the pipe; nothing flows until `give`.

        `ahead` is what its own objects had read ahead of it.
        """
        self._held = True
        self._unwatch()
        size = struct.unpack("i", fcntl.ioctl(self.reading, termios.FIONREAD, b"\0\0\0\0"))[0]
        unread = os.read(self.reading, size) if size else b""
        waiting, self._waiting = bytes(self._waiting), bytearray()
        return Unread(ahead=ahead, data=unread + waiting, eof=self._eof, accepted=self.accepted.known)

    async def give(self, unread: Unread) -> None:
        """Puts back what `take` gave (here or on another node), ahead of what came since."""
        self._held = False
        self.accepted.known |= unread.accepted
        self._waiting[:0] = unread.ahead + unread.data
        self._eof = self._eof or unread.eof
        self._flush()

    def close(self) -> None:
        self._unwatch()
        for end in (self.reading, self._writing):
            if end >= 0:
                os.close(end)
        self.reading = self._writing = -1
        self._waiting.clear()

    def _flush(self) -> None:
        if self._held or self.reading < 0:
            return
        if self._writing < 0 and self._waiting:  # closed after the last byte, and then something came back
            self._writing = os.open(
                f"/proc/self/fd/{self.reading}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
            )
        while self._waiting:
            try:
                del self._waiting[: os.write(self._writing, self._waiting[:CHUNK])]
            except BlockingIOError:
                if not self._watched:
                    self._watched = True
                    self._loop.add_writer(self._writing, self._flush)
                return
        self._unwatch()
        if self._eof and self._writing >= 0:
            os.close(self._writing)
            self._writing = -1

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.remove_writer(self._writing)

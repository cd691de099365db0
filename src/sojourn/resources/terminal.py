"""The node's half of a program's terminal: a pty whose master the node holds, and always drains.

Theory. Everything a terminal is to its program stands in the kernel, behind the master: the settings (termios), the
window's size, whether output is stopped, and the *line discipline*, which keeps what has been typed and not been read:
whole lines, marks of end-of-file, and the line that is still being typed. A program that is frozen stands still, so
`take` can empty the discipline by reading the slave, line by line in canonical mode, and then, with the settings raw
for a moment, the rest. `give` puts it back, into another pty or the same one: the bytes have been processed already
(erased, translated, echoed), so they are written with all processing off but the one for lines, in slices small enough
to leave some byte values unused: one of them is the end-of-file character of the moment, another stops the output,
which the slave's side can see. That is how we know that the kernel's worker, which nobody can wait for, has come to
the end of the slice.

What is typed faster than it is read waits in the node (`_waiting`), so that the discipline never overflows: the kernel
would throw input away, or hold it where nobody can take it back.

Guarantees. Not a byte of output is read here: that is the drain's. After `take` the discipline is empty and the
settings are as they were. `give` echoes nothing. `release` and `close` may be called in any state.

Rejected: TIOCSTI (needs rights, and newer kernels refuse it); leaving unread input in the node until the program asks
for it (select and FIONREAD would say that there is nothing); packet mode (it says when settings change, but changes
what the master reads).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
import struct
import termios
import time
from typing import cast

from sojourn.errors import InternalError
from sojourn.resources.unread import Accepted, Piece, Size, State, Unread

CHUNK = 1024  # bytes that are typed at a time
ROOM = 1024  # bytes of whole input that wait in the discipline before the rest waits here
SLICE = 128  # bytes put back at a time: so few that there are byte values among them that do not occur
CAPACITY = 4000  # of the line discipline, which holds 4095, without what marks the end of a slice
PACE = (0.002, 0.02)  # seconds between looks whether the program has read, at first and at most
SETTLED = 5.0  # seconds for the kernel's worker to take a slice
_NUL = b"\0"  # as a control character: none
_IUTF8 = 0o40000  # not in the standard library's table

Attributes = list[int | list[bytes | int]]


class Terminal:
    """A pty. Owns both ends; `slave` is what the program gets a copy of."""

    def __init__(self, size: Size) -> None:
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        # A description of its own: the program's may be set to block or not as it likes.
        self._looking = os.open(
            os.ttyname(self.slave), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        )
        attributes = _attributes(self.master)
        attributes[0] = cast("int", attributes[0]) | _IUTF8
        _set(self.master, attributes)
        self.resize(size)

    @property
    def size(self) -> Size:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(self.master, termios.TIOCGWINSZ, bytes(8)))
        return Size(rows=rows, columns=columns)

    def resize(self, size: Size) -> None:
        """The kernel sends SIGWINCH to the foreground group when it is another size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))

    def unread(self) -> int:
        """Bytes that a program could read now."""
        return struct.unpack("i", fcntl.ioctl(self._looking, termios.FIONREAD, bytes(4)))[0]

    def end_of_input(self) -> bytes:
        """What has to be typed for the program to find the end of its input; nothing where no key means that."""
        attributes = _attributes(self.master)
        return _control(attributes)[termios.VEOF : termios.VEOF + 1] if _canonical(attributes) else b""

    def take(self) -> State:
        """Everything, with the line discipline emptied. The program must stand still."""
        attributes = _attributes(self.master)
        stopped = not select.select([], [self._looking], [], 0)[1]
        typed = list(self._whole_lines(attributes)) if _canonical(attributes) else []
        _set(self.master, _plain(attributes, canonical=False))
        if rest := b"".join(iter(self._read, None)):
            typed.append(Piece(rest))
        _set(self.master, attributes)
        flags = cast("tuple[int, int, int, int, int, int]", tuple(attributes[:6]))
        return State(flags=flags, control=_control(attributes), size=self.size, stopped=stopped, typed=typed)

    def _whole_lines(self, attributes: Attributes) -> list[Piece]:
        control = _control(attributes)
        ends = {b"\n", *(control[at : at + 1] for at in (termios.VEOL, termios.VEOL2))} - {_NUL}
        found: list[Piece] = []
        while (line := self._read()) is not None:
            found.append(Piece(line, end=line[-1:] not in ends))
        return found

    def _read(self) -> bytes | None:
        try:
            return os.read(self._looking, 4096)
        except BlockingIOError:
            return None

    async def give(self, state: State, ahead: bytes = b"") -> bytes:
        """Makes this terminal like the one that was taken; `ahead` comes before everything that was typed.

        Returns what did not fit in, to be typed again.
        """
        attributes: Attributes = [*state.flags, _cc(state.control)]
        canonical = _canonical(attributes)
        pieces = [*_lines(ahead, canonical=canonical), *state.typed]
        left = CAPACITY
        self.resize(state.size)
        while pieces and len(pieces[0].data) + pieces[0].end <= left:
            piece = pieces.pop(0)
            left -= len(piece.data) + piece.end
            for at in range(0, len(piece.data) or 1, SLICE):
                data = piece.data[at : at + SLICE]
                await self._put(attributes, data, end=piece.end and at + SLICE >= len(piece.data))
        if state.stopped and _ixon(attributes):
            await self._put(attributes, b"", end=False, go_on=False)
        _set(self.master, attributes)
        if state.stopped and not _ixon(attributes):
            termios.tcflow(self._looking, termios.TCOOFF)
        return b"".join(piece.data for piece in pieces)

    async def _put(self, attributes: Attributes, data: bytes, *, end: bool, go_on: bool = True) -> None:
        unused = [value for value in range(1, 255) if value not in data]
        eof, stop, start = (bytes((value,)) for value in unused[:3])
        kept = _cc(_control(attributes)) if _canonical(attributes) else []
        plain = _plain(attributes, canonical=_canonical(attributes))
        control = cast("list[bytes | int]", plain[6])
        if kept:
            control[termios.VEOL], control[termios.VEOL2] = kept[termios.VEOL], kept[termios.VEOL2]
        control[termios.VEOF] = eof if kept else 1  # else that place is VMIN's
        control[termios.VSTOP], control[termios.VSTART] = stop, start
        plain[0] = cast("int", plain[0]) | termios.IXON
        _set(self.master, plain)
        data += (eof if end else b"") + stop
        if os.write(self.master, data) != len(data):
            raise InternalError("a terminal that is empty takes no input")
        until = time.monotonic() + SETTLED
        while select.select([], [self._looking], [], 0)[1]:
            if time.monotonic() > until:
                raise InternalError("a terminal does not process its input")
            await asyncio.sleep(0)
        if go_on:  # the second call undoes the first and what the character did; alone it would do nothing
            termios.tcflow(self._looking, termios.TCOOFF)
            termios.tcflow(self._looking, termios.TCOON)

    def release(self) -> None:
        """Hangs up on our side of the slave, so that the master's reader finds the end when the program has."""
        for end in (self.slave, self._looking):
            if end >= 0:
                os.close(end)
        self.slave = self._looking = -1

    def close(self) -> None:
        self.release()
        if self.master >= 0:
            os.close(self.master)
        self.master = -1


class TerminalFeed:
    """What clients type, into a terminal; see `streams.InputFeed`. Does not own the terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.accepted = Accepted()
        self._loop = asyncio.get_running_loop()
        self._waiting = bytearray()
        self._ending = False  # the end of the input is to be typed behind what waits
        self._held = False
        self._pause = PACE[0]
        self._look: asyncio.TimerHandle | None = None

    def write(self, data: bytes, *, eof: bool = False) -> None:
        """Keys that were pressed; `eof`: and then the one that ends the input, where there is one."""
        self._waiting += data
        self._ending = self._ending or eof
        self._pause = PACE[0]
        self._flush()

    async def take(self, ahead: bytes) -> Unread:
        """Everything that has not been read, `ahead` of it what the program's own objects held."""
        self._held = True
        self._forget()
        state = self.terminal.take()
        waiting, self._waiting = bytes(self._waiting), bytearray()
        return Unread(
            data=waiting, ahead=ahead, eof=self._ending, terminal=state, accepted=self.accepted.known
        )

    async def give(self, unread: Unread) -> None:
        """Puts back what `take` gave, here or on another node."""
        over = b""
        if unread.terminal is not None:
            over = await self.terminal.give(unread.terminal, unread.ahead)
        self.accepted.known |= unread.accepted
        self._held = False
        self._waiting[:0] = over + unread.data
        self._ending = self._ending or unread.eof
        self._flush()

    def close(self) -> None:
        self._held = True
        self._forget()
        self._waiting.clear()

    def _flush(self) -> None:
        if self._held or self._look is not None:
            return
        if self._waiting and self.terminal.unread() < ROOM:
            try:
                del self._waiting[: os.write(self.terminal.master, self._waiting[:CHUNK])]
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EIO):  # full; nobody is there any more
                    raise
            else:
                self._pause = PACE[0]
        if self._waiting:  # the kernel does not say when a program reads: look again in a little while
            self._look = self._loop.call_later(self._pause, self._looked)
            self._pause = min(2 * self._pause, PACE[1])
        elif self._ending:
            self._ending = False
            if end := self.terminal.end_of_input():
                self._waiting += end
                self._flush()

    def _looked(self) -> None:
        self._look = None
        self._flush()

    def _forget(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None


# ---- settings, as the standard library has them: six numbers and a list of control characters --------------------


def _attributes(fd: int) -> Attributes:
    return cast("Attributes", termios.tcgetattr(fd))


def _set(fd: int, attributes: Attributes) -> None:
    termios.tcsetattr(fd, termios.TCSANOW, attributes)  # type: ignore[arg-type]


def _canonical(attributes: Attributes) -> bool:
    return bool(cast("int", attributes[3]) & termios.ICANON)


def _ixon(attributes: Attributes) -> bool:
    return bool(cast("int", attributes[0]) & termios.IXON)


def _control(attributes: Attributes) -> bytes:
    return b"".join(
        bytes((each,)) if isinstance(each, int) else each for each in cast("list[bytes | int]", attributes[6])
    )


def _cc(control: bytes) -> list[bytes | int]:
    return [bytes((value,)) for value in control]


def _plain(attributes: Attributes, *, canonical: bool) -> Attributes:
    """Settings of the same line with no processing but that of lines, if asked for; no control character means any."""
    control: list[bytes | int] = [_NUL] * len(cast("list[bytes | int]", attributes[6]))
    if not canonical:
        control[termios.VMIN], control[termios.VTIME] = 1, 0
    local = termios.ICANON if canonical else 0
    return [0, 0, attributes[2], local, attributes[4], attributes[5], control]


def _lines(data: bytes, *, canonical: bool) -> list[Piece]:
    """What a program's objects had read ahead, as the reads that would give it again."""
    if not canonical:
        return [Piece(data)] if data else []
    *whole, rest = data.split(b"\n")
    return [*(Piece(line + b"\n") for line in whole), *([Piece(rest, end=True)] if rest else [])]

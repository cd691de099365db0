"""Input at rest: what clients have sent, and the program has not read.

A client that types says at which byte of its typing each piece stands. `Accepted` knows how far each has come, also
after a move, so that a piece that is sent again because nobody answered is not typed twice.
"""

from __future__ import annotations

import msgspec

from sojourn.errors import UsageError

SESSIONS = 64  # clients whose typing is remembered
CONTROLS = 32  # of Linux's terminals


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """A window's size in characters."""

    rows: int = 24
    columns: int = 80

    def checked(self) -> Size:
        """This size. Raises UsageError where no window can have it."""
        if not (0 < self.rows < 1 << 16 and 0 < self.columns < 1 << 16):
            raise UsageError(f"there is no window of {self.rows} rows and {self.columns} columns")
        return self


class Piece(msgspec.Struct, frozen=True):
    """Input that one read gives; `end`: an end-of-file mark stands behind it."""

    data: bytes
    end: bool = False


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal at rest."""

    flags: tuple[int, int, int, int, int, int]  # input, output, control, local; speeds
    control: bytes  # the control characters, one byte each
    size: Size
    stopped: bool = False  # output was stopped, as by Ctrl-S
    typed: list[Piece] = []  # unread, in the line discipline

    def __post_init__(self) -> None:
        if len(self.control) != CONTROLS:
            raise ValueError(f"a terminal has {CONTROLS} control characters, not {len(self.control)}")


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that waits for a program."""

    data: bytes = b""  # behind all the rest; no terminal has seen it
    ahead: bytes = b""  # before all the rest: the program's own objects had read it
    eof: bool = False
    terminal: State | None = None
    accepted: dict[str, int] = {}


class Accepted:
    """How many bytes of each client's typing have been taken, by the name the client gave its session."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def new(self, session: str, at: int, data: bytes, *, eof: bool = False) -> tuple[bytes, bool]:
        """What of `data`, which stands at byte `at` of a session, and of the session's end has not been taken yet.

        Now it has.

        Raises:
            UsageError: something before it is missing.
        """
        known = self.known.get(session, at)  # one that has been forgotten goes on where it says
        if at > known:
            raise UsageError(f"input at byte {at} of a session of which {known} have come")
        end = at + len(data) + eof
        self.known.pop(session, None)
        self.known[session] = max(known, end)
        if len(self.known) > SESSIONS:
            del self.known[next(iter(self.known))]
        return data[known - at :], eof and known < end

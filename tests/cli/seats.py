"""Somebody who sits at a terminal: a command under a pty of its own, what it shows, and what is typed to it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from typing import Any

WITHIN = 60.0  # seconds; only what hangs takes that long


class Seat:
    """A command with a terminal. The terminal is kept open, so that its settings can be looked at after the end."""

    def __init__(
        self, command: list[str], env: dict[str, str], *, rows: int = 30, columns: int = 100
    ) -> None:
        self.shown = b""
        self._master, self._slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self._slave)
        self.pid = os.fork()
        if not self.pid:
            try:
                os.setsid()
                fcntl.ioctl(self._slave, termios.TIOCSCTTY, 0)
                for fd in (0, 1, 2):
                    os.dup2(self._slave, fd)
                os.execvpe(command[0], command, env | {"TERM": "xterm"})
            finally:
                os._exit(127)
        self._status: int | None = None

    def __enter__(self) -> Seat:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._slave)
        os.close(self._master)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def types(self, data: bytes) -> None:
        os.write(self._master, data)

    def shows(self, text: bytes, *, times: int = 1) -> None:
        """Waits until it has shown this."""
        until = time.monotonic() + WITHIN
        while self.shown.count(text) < times:
            assert self._read(until - time.monotonic()), f"{text!r} does not come; there is {self.shown!r}"

    def _read(self, within: float) -> bool:
        if not select.select([self._master], [], [], max(0, within))[0]:
            return False
        self.shown += os.read(self._master, 65536)
        return True

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def ends(self) -> int:
        """Waits for its end, with everything it has shown; its exit code, or minus the signal."""
        fd = os.pidfd_open(self.pid)
        try:
            until = time.monotonic() + WITHIN
            while (
                not select.select([fd, self._master], [], [], 0)[0]
                or fd not in select.select([fd], [], [], 0)[0]
            ):
                select.select([fd, self._master], [], [], max(0, until - time.monotonic()))
                self._read(0)
                assert time.monotonic() < until, f"it does not end; there is {self.shown!r}"
        finally:
            os.close(fd)
        while self._read(0):
            pass
        self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    @property
    def settings(self) -> list[Any]:
        return termios.tcgetattr(self._slave)

    def raw(self) -> bool:
        return not self.settings[3] & termios.ICANON

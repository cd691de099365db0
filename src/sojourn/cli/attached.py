"""What `sojourn run` does while the program runs: its output to ours, our input to its, Ctrl-C to it.

The main thread reads the log. A signal handler passes Ctrl-C on over a connection of its own (the client
keeps one for every request under way), and a daemon thread passes stdin on: it may sit in `read` for ever,
and nobody waits for it.

Guarantee: only Ctrl-C and a closed output touch the program; when this process is killed, the program goes
on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from sojourn.client import Chunk, Ended, Process
from sojourn.errors import SojournError, WrongState

GRACE = 5.0  # seconds between SIGTERM and SIGKILL after the second Ctrl-C


def attach(process: Process, emit: Callable[[Chunk], None]) -> Ended:
    """Stay with the process until it ends; returns how it ended."""
    previous = signal.signal(signal.SIGINT, _Interrupts(process))
    threading.Thread(target=_forward_stdin, args=(process,), name="stdin", daemon=True).start()
    try:
        for chunk in process.logs(follow=True):
            emit(chunk)
        return process.wait()
    except BrokenPipeError:  # nobody reads what it writes: like a program in a pipeline, it ends
        process.stop(GRACE)
        raise
    finally:
        signal.signal(signal.SIGINT, previous)


class _Interrupts:
    """Passes on Ctrl-C: SIGINT first, then stop, then kill."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._count = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        try:
            if self._count == 1:
                self._process.signal(signal.SIGINT)
            elif self._count == 2:
                # The grace period passes at the node: here the output must go on.
                threading.Thread(target=self._stop, name="stop", daemon=True).start()
            else:
                self._process.kill()
        except WrongState:
            pass  # it ended by itself just now
        except SojournError as why:
            print(f"sojourn: Ctrl-C did not reach {self._process.name}: {why}", file=sys.stderr)

    def _stop(self) -> None:
        try:
            self._process.stop(GRACE)
        except SojournError:
            pass  # it ended, or its node did: the log's end tells


def _forward_stdin(process: Process) -> None:
    """Our stdin to the program's, to its end. A terminal that another program has in the foreground is left
    alone.
    """
    try:
        if os.isatty(0) and os.tcgetpgrp(0) != os.getpgrp():
            return
        while data := os.read(0, 1 << 16):
            process.write_stdin(data)
    except OSError:
        pass  # no stdin at all: the same as an empty one
    except SojournError:
        return  # the program has ended
    try:
        process.write_stdin(b"", eof=True)
    except SojournError:
        pass  # it has ended

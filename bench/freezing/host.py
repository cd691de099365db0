"""`host.py COMMANDS ANSWERS PROGRAM [ARGUMENT...]`: a program that may be asked to come to a safe point, over and over.

As in a host process: a byte in the pipe COMMANDS and a signal ask, the signal is sent again until the answer is there,
and nothing runs in between. `f` asks for the program's captured stack, with all threads at rest, and lets it go on; `c`
takes that back. For comparison SIGUSR2 is answered by a plain handler. Each answer is a line of JSON with the time of
a clock that all processes share.
"""

# pyright: basic
# (what the engine takes has few static types)
from __future__ import annotations

import json
import os
import signal
import sys
import time
from types import CodeType, FrameType, ModuleType
from typing import Any

from sojourn.frames.capture import Mode, capture_stack
from sojourn.frames.safepoint import SIGNAL, SafePoint
from sojourn.frames.sites import Elsewhere, Pin
from sojourn.frames.threads import kernel
from sojourn.frames.threads.gathering import Gathering

PAUSE = 20_000_000  # as in `machines.python.commands`


class Host:
    def __init__(self, commands: int, answers: int) -> None:
        self.commands = commands
        self.answers = answers
        self.safepoint = SafePoint()
        self.gathering = Gathering()
        self.busy = False
        self.not_before = 0
        self.pins: list[str] = []
        os.set_blocking(commands, False)
        signal.signal(SIGNAL, self.signalled)
        signal.signal(signal.SIGUSR2, self.plain)

    def tell(self, **what: Any) -> None:
        os.write(self.answers, json.dumps(what).encode() + b"\n")

    def plain(self, number: int, frame: FrameType | None) -> None:
        self.tell(at=time.monotonic_ns())

    def signalled(self, number: int, frame: FrameType | None) -> None:
        if frame is None or self.busy:
            return
        self.busy = True
        try:
            command = self.command()
            if command == b"f":
                self.pins, self.not_before = [], 0
                self.safepoint.request(self.attempt, frame)
            elif command == b"c":
                self.safepoint.cancel()
                self.gathering.release()
                self.tell(at=time.monotonic_ns(), pins=self.pins[-3:])
            else:
                self.safepoint.retap(frame)
        finally:
            self.busy = False

    def command(self) -> bytes:
        try:
            return os.read(self.commands, 1)
        except BlockingIOError:
            return b""

    def attempt(self, frame: FrameType, mode: Mode) -> bool:
        if time.monotonic_ns() < self.not_before:
            raise self.late
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {SIGNAL})
        within, self.busy = self.busy, True
        try:
            self.freeze(frame, mode)
            return True
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self.busy = within

    def freeze(self, frame: FrameType, mode: Mode) -> None:
        """Brought to rest, captured, let go and told."""
        began = time.monotonic_ns()
        try:
            self.gathering.gather(frame)
            gathered = time.monotonic_ns()
            capture_stack(frame, base=base_of(frame), mode=mode, waited=self.safepoint.waited)
        except Pin as pin:
            if isinstance(pin, Elsewhere):
                self.late, self.not_before = pin, time.monotonic_ns() + PAUSE
            else:
                self.gathering.release()
            self.pins.append(pin.describe())
            raise
        captured = time.monotonic_ns()
        tasks = os.listdir("/proc/self/task")
        asked = time.monotonic_ns()
        for native in tasks * 2:
            kernel.look(int(native))
        floor = time.monotonic_ns() - asked
        self.gathering.release()
        self.tell(
            at=captured, pins=self.pins[:1], threads=len(tasks) - 1, gathering=gathered - began, floor=floor
        )


def base_of(frame: FrameType) -> FrameType | None:
    base: FrameType | None = frame
    while base is not None and base.f_code is not bottom.__code__:
        base = base.f_back
    return base


def bottom(code: CodeType, main: ModuleType) -> None:
    """The frame under the program's outermost one."""
    exec(code, main.__dict__)


def main() -> None:
    commands, answers, program, *arguments = sys.argv[1:]
    with open(program, "rb") as source:
        code = compile(source.read(), program, "exec")
    sys.argv = [program, *arguments]
    sys.path[0] = os.path.dirname(program)
    host = Host(int(commands), int(answers))
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (as long as the process lives)
    host.tell(at=time.monotonic_ns())
    while True:
        module = sys.modules["__main__"] = ModuleType("__main__")
        module.__dict__.update(__file__=program, __builtins__=__builtins__)
        bottom(code, module)


if __name__ == "__main__":
    main()

"""What the recording and the resuming process share: a stage for a program, and how its end looks in its output."""

from __future__ import annotations

import _thread
import builtins
import difflib
import io
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import worlds

DEPTH = 5_000  # frames: a random program may go deep, and whoever looks at it stands on its frames


class Stage:
    """A fresh `__main__` whose output is collected."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.out = io.StringIO()
        self.main = types.ModuleType("__main__")
        self.main.__dict__.update(__builtins__=builtins, __file__=program)

    def play(self, run: Callable[[], object]) -> None:
        """Run the program or the rest of it; how it ends is part of the output."""
        outside, limit = (sys.modules["__main__"], sys.stdout), sys.getrecursionlimit()
        sys.setrecursionlimit(DEPTH)
        sys.modules["__main__"], sys.stdout = self.main, self.out
        try:
            run()
        except BaseException as error:
            self.out.write(self.describe(error))
        finally:
            sys.modules["__main__"], sys.stdout = outside
            sys.setrecursionlimit(limit)

    def describe(self, error: BaseException) -> str:
        lines = [f"ended by {type(error).__name__}: {error}"]
        tb = error.__traceback__
        while tb is not None:
            code = tb.tb_frame.f_code
            if code.co_filename == self.program:
                lines.append(f"  {code.co_qualname}:{tb.tb_lineno}")
            tb = tb.tb_next
        return "\n".join(lines) + "\n"


def difference(expected: str, got: str) -> str:
    """A diff short enough for a report."""
    lines = difflib.unified_diff(expected.splitlines(), got.splitlines(), "expected", "got", lineterm="", n=1)
    return "\n".join(list(lines)[:24])


@contextmanager
def opcodes(covers: Callable[[CodeType], bool], event: Callable[[FrameType], None]) -> Iterator[None]:
    """Call `event(frame)` before every instruction of every frame of this thread whose code `covers` accepts."""
    if sys.version_info >= (3, 12):
        yield from _monitored(covers, event)
        return

    def trace(frame: FrameType, what: str, arg: Any) -> Any:
        if what == "call":
            if not covers(frame.f_code):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif what == "opcode":
            event(frame)
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)


def _monitored(covers: Callable[[CodeType], bool], event: Callable[[FrameType], None]) -> Iterator[None]:
    monitoring = sys.monitoring
    tool, events = 3, monitoring.events
    known: set[CodeType] = set()
    busy = False
    me = _thread.get_ident()

    def entered(code: CodeType, *_: Any) -> None:
        if code not in known and covers(code):
            known.add(code)
            monitoring.set_local_events(tool, code, events.INSTRUCTION)

    def instruction(code: CodeType, offset: int) -> None:
        nonlocal busy
        if not busy and _thread.get_ident() == me:
            busy = True
            try:
                event(sys._getframe(1))
            finally:
                busy = False

    worlds.ours(entered, instruction, covers)
    monitoring.use_tool_id(tool, "exhaustive")
    for number in (events.PY_START, events.PY_RESUME, events.PY_THROW):
        monitoring.register_callback(tool, number, entered)
    monitoring.register_callback(tool, events.INSTRUCTION, instruction)
    monitoring.set_events(tool, events.PY_START | events.PY_RESUME | events.PY_THROW)
    try:
        yield
    finally:
        monitoring.set_events(tool, 0)
        for code in known:
            monitoring.set_local_events(tool, code, 0)
        monitoring.free_tool_id(tool)

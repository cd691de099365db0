# pyright: basic
# (generators, frames and hooks of the interpreter have few static types)
"""The trigger: from a signal, which may come at any time, to an exact opcode boundary.

Theory. A signal handler must not capture by itself: up to 3.13 it cannot know whether a call has been made or not. It
*arms* an opcode event on the interrupted frame and returns; the event then says exactly "about to execute `f_lasti`".

- 3.11: set the frame's `f_trace` and `f_trace_opcodes`, and then let the thread be traced if it is not (in this order),
  in a way that `sys.gettrace` does not show (`tracing`).
  A trace function of the program that is written in Python stays in place: its events for the armed frame pass
  through us and reach it. One written in C (coverage's) never asks `f_trace`: it is a pin, by name.
- 3.12 and later: `sys.monitoring`, INSTRUCTION events of that one code object. Debuggers and coverage keep theirs.

The callback captures, or raises `Pin` with the frame that holds the stack back: the event moves there, and fires as
soon as that frame's C call returns, while the frames inside run at full speed. There are no timers in the program:
whoever sent the signal sends it again (`retap`) until it has an answer. At each such tap, a frame found inside a C
call that may be made again (`blocking.BLOCKING`) is captured in that call; an armed frame that has ended is replaced
by the one interrupted now. While other threads hold the program back (`Elsewhere`) nothing is armed in between.

The program is not to notice the signal. Calls restart by themselves (PEP 475), but `signal.pause` returns: at the end
of the handler, `keep_pausing` waits on in its place until another signal comes. Two limits are stated and not hidden:
a program that watches signals through `signal.set_wakeup_fd` reads our number there too (the C handler writes it, and
nobody can take it back); and a signal that arrives in the few microseconds between ours and `keep_pausing` has its
handler run but does not end the pause.

Guarantees. Before the first request and after `cancel` or success nothing is installed: trace functions, `f_trace`
and tool ids are as the program left them. No exception leaves an event: what the callback raises other than `Pin`
disarms, and is kept in `failure`.

Rejected: `sys.setprofile` (calls only, not positions); patching `eval_breaker` or bytecode (writes to memory); a
timer or a helper thread (the program would notice; a thread forbids forking).
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports] (no stubs)
import fcntl
import os
import select
import sys
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Protocol

from sojourn.errors import bare

from . import loops
from .analyze import VERSION
from .boundary import Pin
from .capture import Mode
from .incall import blocked_in, blocking_call
from .sites import Elsewhere
from .tracing import OURS, PYTHON_MADE, Watch, program_tracer, suspended

Callback = Callable[[FrameType, Mode], bool]

SIGNAL = _signal.SIGURG


class _Probe(Protocol):
    """Where the event is installed."""

    def arm(self, frame: FrameType) -> None: ...
    def disarm(self) -> None: ...
    def renew(self) -> None: ...


class SafePoint:
    """One request at a time to capture the running thread."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self._callback: Callback | None = None
        self._armed: FrameType | None = None
        self._pin: Pin | None = None
        self._blocked_since: float | None = None
        self._pausing: FrameType | None = None  # the program's frame that `keep_pausing` waits for
        self._probe: _Probe = _TraceProbe(self._event) if VERSION < (3, 12) else _MonitoringProbe(self._event)

    @property
    def active(self) -> bool:
        return self._callback is not None

    @property
    def waited(self) -> float:
        """Seconds since the frame was first seen inside its blocking call: a lower bound of what it has waited."""
        return 0.0 if self._blocked_since is None else time.monotonic() - self._blocked_since

    def request(self, callback: Callback, frame: FrameType) -> None:
        """Call `callback(frame, mode)` at the next exact boundary; `frame` is the one the signal interrupted.

        A frame inside a call that may be made again is captured there, at once.

        The callback returns True when done; False to be called again at the next opcode (an object that cannot travel
        is most often a temporary); or raises `Pin`.

        Raises:
            Pin: the event cannot be armed; names what stands in the way.
        """
        frame = self.program_frame(frame)
        self.cancel()
        self.failure = None
        self._callback = callback
        self._blocked_since = time.monotonic() if blocking_call(frame) else None
        try:
            self._arm(frame)
        except Pin:
            self._callback = None
            raise
        if self._blocked_since is not None:
            self._attempt(frame, "reexecute")

    def retap(self, frame: FrameType) -> None:
        """The signal came again, and has interrupted `frame`."""
        frame, armed = self.program_frame(frame), self._armed
        if self._callback is None:
            return
        if armed is not None:
            self._probe.renew()
        if frame is not armed:
            self._blocked_since = None
            if not (armed and self._pin and self._pin.frame is armed and _encloses(armed, frame)):
                self._pin = None  # the armed frame has ended, or waits, or runs something that can be captured
                self._arm_or_note(frame)
        elif blocking_call(frame):
            if self._blocked_since is None:
                self._blocked_since = time.monotonic()
            self._attempt(frame, "reexecute")
        else:
            self._blocked_since = None
            self._pin = blocked_in(frame) or self._pin

    def cancel(self) -> None:
        """Take everything back; the program goes on as if nothing had been asked."""
        self._callback = None
        self._pin = None
        self._disarm()

    def pinned(self) -> str | None:
        """What holds the stack back now: frame, line and callable; None if nothing is known to."""
        return self._pin.describe() if self._pin else None

    @property
    def pin(self) -> Pin | None:
        return self._pin

    def keep_pausing(self, frame: FrameType) -> None:
        """To be called at the end of the handler: if our signal has ended a `signal.pause`, pause on.

        Returns when another signal has come; what its handler raises goes through.
        """
        call = None if self._pausing is not None else blocking_call(frame)
        if call is None or call.row.callable is not _signal.pause:
            return
        reading, writing = _private_pipe()
        self._pausing = frame
        theirs = _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        loops.replaced_wakeup.append(theirs)
        try:
            others = b""
            while not others:
                select.select([reading], [], [])  # handlers run in here
                others = bytes(number for number in os.read(reading, 4096) if number != SIGNAL)
            if theirs != -1:
                os.write(theirs, others)
        finally:
            _signal.set_wakeup_fd(theirs)
            loops.replaced_wakeup.pop()
            self._pausing = None
            os.close(reading)
            os.close(writing)

    @property
    def pausing(self) -> bool:
        """Whether `keep_pausing` waits."""
        return self._pausing is not None

    def program_frame(self, frame: FrameType) -> FrameType:
        """The frame of the program that a signal has interrupted: not the one of `keep_pausing`."""
        return self._pausing if self._pausing is not None and _encloses(self._pausing, frame) else frame

    def _event(self, frame: FrameType) -> None:
        """The armed frame is about to execute an instruction."""
        if frame is self._armed and self._callback is not None:
            self._blocked_since = None
            self._attempt(frame, "exact")

    def _attempt(self, frame: FrameType, mode: Mode) -> None:
        callback = self._callback
        if callback is None:  # a signal came on the way here, and its handler has taken everything back
            return
        self._pin = None
        try:
            done = callback(frame, mode)
        except Pin as pin:
            if self._callback is not callback:
                return
            self._pin = bare(pin)
            if isinstance(pin, Elsewhere):
                if mode == "exact":
                    self._disarm()  # until the signal comes again: an event at each instruction would slow it down
            elif pin.frame is not frame:
                self._arm_or_note(pin.frame)
            return
        except BaseException as error:
            self.failure = error
            done = True
        if done and self._callback is callback:  # else a signal at its end has brought the next request
            self.cancel()

    def _arm_or_note(self, frame: FrameType) -> None:
        try:
            self._arm(frame)
        except Pin as pin:
            self._pin = pin

    def _arm(self, frame: FrameType) -> None:
        self._disarm()
        self._probe.arm(frame)
        self._armed = frame

    def _disarm(self) -> None:
        if self._armed is not None:
            self._armed = None
            self._probe.disarm()


def displaced_by(handler: Any) -> str | None:
    """What the program has put in the place of our signal handler; None if it is still there."""
    current = _signal.getsignal(SIGNAL)
    if current is handler:
        return None
    return getattr(current, "__qualname__", None) or repr(current)


def _private_pipe() -> tuple[int, int]:
    """A pipe out of the program's way: at 1000 and above, closed on exec, its writing end never blocking."""
    ends = os.pipe()
    try:
        reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FIRST_DESCRIPTOR) for end in ends)
    finally:
        for end in ends:
            os.close(end)
    os.set_blocking(writing, False)
    return reading, writing


_FIRST_DESCRIPTOR = 1000


def _encloses(outer: FrameType, inner: FrameType | None) -> bool:
    while inner is not None and inner is not outer:
        inner = inner.f_back
    return inner is outer


# ---- 3.11: trace functions -------------------------------------------------------------------------------------------


class _TraceProbe:
    """Opcode events by `f_trace`, with the program's own trace function left in place."""

    def __init__(self, event: Callable[[FrameType], None]) -> None:
        self._event = event
        self._frame: FrameType | None = None
        self._theirs: Any = None  # the armed frame's own trace function
        self._lines = True
        self._opcodes = False
        self._watch = Watch()

    def arm(self, frame: FrameType) -> None:
        tracer = program_tracer()
        if tracer is not None and type(tracer) not in PYTHON_MADE:
            kind = type(tracer)
            raise Pin(frame, f"a tracer written in C owns the trace function: {kind.__module__}.{kind.__qualname__}")
        self._frame = frame
        self._theirs, self._lines, self._opcodes = frame.f_trace, frame.f_trace_lines, frame.f_trace_opcodes
        frame.f_trace = self._local
        frame.f_trace_opcodes = True
        frame.f_trace_lines = self._theirs is not None and self._lines
        if tracer is None:
            self._watch.on()

    def disarm(self) -> None:
        frame = self._frame
        self._frame = None
        self._watch.off()
        if frame is None:
            return
        if self._theirs is None:
            del frame.f_trace
        else:
            frame.f_trace = self._theirs
        frame.f_trace_lines, frame.f_trace_opcodes = self._lines, self._opcodes
        self._theirs = None

    def renew(self) -> None:
        """The program may have put tracing off, with what it believed to be no trace function."""
        if program_tracer() is None and not self._watch.is_on:
            self._watch.on()

    def _local(self, frame: FrameType, event: str, arg: Any) -> Any:
        """The armed frame's trace function for as long as it is armed: ours for opcodes, then theirs."""
        theirs, wanted = self._theirs, event != "opcode" or self._opcodes
        if event == "opcode":
            self._event(frame)
        if theirs is not None and wanted:
            theirs = theirs(frame, event, arg)  # what it returns is to be the frame's trace function from now on
            if self._frame is frame:
                self._theirs = theirs if theirs is not None else self._theirs
            elif theirs is not None:
                frame.f_trace = theirs
        # The interpreter makes what we return the frame's trace function; None leaves it as `disarm` set it.
        return self._local if self._frame is frame else None


# ---- 3.12 and later: sys.monitoring ----------------------------------------------------------------------------------


_monitoring: Any = getattr(sys, "monitoring", None)


class _MonitoringProbe:
    """INSTRUCTION events of one code object, under a tool id that is held only while armed."""

    def __init__(self, event: Callable[[FrameType], None]) -> None:
        self._event = event
        self._code: CodeType | None = None
        self._tool = 0

    def arm(self, frame: FrameType) -> None:
        monitoring = _monitoring
        free = [tool for tool in (4, 3, 5, 2, 1, 0) if monitoring.get_tool(tool) is None]
        if not free:
            names = ", ".join(sorted({str(monitoring.get_tool(tool)) for tool in range(6)}))
            raise Pin(frame, f"every tool id of sys.monitoring is taken: {names}")
        self._tool = free[0]
        monitoring.use_tool_id(self._tool, OURS)
        monitoring.register_callback(self._tool, monitoring.events.INSTRUCTION, self._instruction)
        monitoring.set_local_events(self._tool, frame.f_code, monitoring.events.INSTRUCTION)
        self._code = frame.f_code

    def disarm(self) -> None:
        monitoring = _monitoring
        if self._code is not None:
            monitoring.set_local_events(self._tool, self._code, monitoring.events.NO_EVENTS)
            monitoring.register_callback(self._tool, monitoring.events.INSTRUCTION, None)
            monitoring.free_tool_id(self._tool)
            self._code = None

    def renew(self) -> None:
        """The program's trace functions are none of its concern."""

    def _instruction(self, code: CodeType, offset: int) -> None:
        frame = sys._getframe(1)
        tracer = sys.gettrace()
        if tracer is None:
            self._event(frame)
            return
        suspended.append(tracer)
        sys.settrace(None)  # or the program's debugger would see our frames
        try:
            self._event(frame)
        finally:
            sys.settrace(suspended.pop())

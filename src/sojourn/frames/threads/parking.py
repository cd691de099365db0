# pyright: basic
# (frames, hooks of the interpreter and raw memory have few static types)
"""Threads that run bytecode, brought to a stop between two instructions.

Theory. The thread that gathers holds the interpreter lock, so all others stand somewhere in between. It arms an opcode
event on the innermost frame of each; as soon as such a thread gets the lock it comes to its next instruction, is called
back there, and waits on a gate. Only one that is in a C call that runs Python of its own gets further; where its frames
cannot be captured, the frame that holds it back is armed instead, and it parks as soon as that goes on.

- 3.11: `f_trace` of the frame, and the interpreter's own trace function with nothing to call, set for that thread
  (see `tracing`). A thread that the program traces itself is left alone: it is a pin, by name.
- 3.12 and later: `sys.monitoring`, INSTRUCTION events of the frames' code objects. Any other thread that runs this code
  parks too; so does one that has just been started.

A gate opens by itself after `HOLD` seconds unless all are being gathered (`kept`), and its thread is left alone until
they are gathered again (`begin`): the program must not stand still for good because one of its threads is late.

Whether a thread *stands* is not told by what it has written down: the interpreter may have given the lock to another
one between the lines of `_arrived`, behind a gate that has opened by itself. It is told by the kernel, which shows it
waiting for its gate (`stands`); then it will see what `kept` says before it goes on.
"""

from __future__ import annotations

import _thread
import ctypes
import sys
from collections.abc import Callable, Collection
from types import CodeType, FrameType
from typing import Any, Protocol

from sojourn.frames.analyze import VERSION
from sojourn.frames.blocking import WAIT
from sojourn.frames.memory import Memory
from sojourn.frames.sites import Pin
from sojourn.frames.tracing import OURS, lower_flag, trace_place

from . import kernel
from .states import State, others

HOLD = 0.3


class _Events(Protocol):
    """How opcode events reach us."""

    def arm(self, state: State, frame: FrameType) -> None: ...
    def disarm(self, frame: FrameType) -> None: ...
    def spare(self, idents: Collection[int]) -> None: ...  # all threads but these
    def off(self) -> None: ...


class Parking:
    """Where threads other than its maker's stand. For one gathering; `clear` ends it."""

    def __init__(self) -> None:
        self.parked: dict[int, FrameType] = {}  # ident -> the program's innermost frame
        self.kept = False  # gates stay shut until they are opened
        self._maker = _thread.get_ident()
        self._armed: dict[int, FrameType] = {}
        self._gates: dict[int, Any] = {}
        self._left_alone: set[int] = set()
        self._closed = False
        self._events: _Events = _Traced(self._arrived) if VERSION < (3, 12) else _Monitored(self._arrived)

    def begin(self) -> None:
        """All are to be gathered: those whose gates have opened by themselves, too."""
        self._left_alone.clear()
        self.kept = True

    def arm(self, state: State, frame: FrameType) -> None:
        """Stop this thread where `frame` goes on. Raises Pin where it cannot be."""
        before = self._armed.get(state.ident)
        if before is frame:
            return
        self._events.arm(state, frame)
        self._armed[state.ident] = frame
        if before is not None and before not in self._armed.values():
            self._events.disarm(before)

    def stands(self, state: State, memory: Memory) -> bool:
        """Does the kernel, too, say that this thread waits for its gate? Asking lets go of the interpreter lock."""
        gate, call = self._gates.get(state.ident), kernel.look(state.native)
        return gate is not None and call is not None and kernel.waits_in(call, WAIT, id(gate), memory)

    def let_go(self, ident: int) -> None:
        """Open the gate of one; it parks again at the next event."""
        self.parked.pop(ident, None)
        gate = self._gates.pop(ident, None)
        if gate is not None:
            gate.release()

    def only(self, idents: Collection[int]) -> None:
        """Let all others go on, with nothing armed in them."""
        self.kept = False
        for ident in [ident for ident in self._armed if ident not in idents]:
            frame = self._armed.pop(ident)
            if frame not in self._armed.values():
                self._events.disarm(frame)
        self._events.spare(idents)
        for ident in set(self._gates).difference(idents):
            self.let_go(ident)

    def clear(self) -> None:
        """Take everything back: whoever is parked goes on."""
        self._closed = True
        for frame in set(self._armed.values()):
            self._events.disarm(frame)
        self._armed.clear()
        self._events.off()
        for ident in list(self._gates):
            self.let_go(ident)

    def _arrived(self, frame: FrameType) -> None:
        """In the thread that is to be stopped: it is about to execute an instruction of `frame`."""
        me = _thread.get_ident()
        if self._closed or me == self._maker or me in self.parked or me in self._left_alone:
            return
        gate = _thread.allocate_lock()
        gate.acquire()
        self._gates[me], self.parked[me] = gate, frame
        while not gate.acquire(True, HOLD):
            if not self.kept:
                break
        if self._gates.pop(me, None) is not None:  # it has opened by itself
            self.parked.pop(me, None)
            self._left_alone.add(me)


def is_arriving(frame: FrameType) -> bool:
    """Is this a frame of ours, in a thread that has just been stopped or let go?"""
    return frame.f_code in _CODES


# ---- 3.11 ------------------------------------------------------------------------------------------------------------


class _Traced:
    def __init__(self, arrived: Callable[[FrameType], None]) -> None:
        self._arrived = arrived
        self._before: dict[FrameType, tuple[Any, bool, bool]] = {}
        self._place, self._function = trace_place()
        lower_flag()

    def arm(self, state: State, frame: FrameType) -> None:
        place = state.address + self._place
        function, called = _word(place).value, _word(place + 16).value
        if function and (function != self._function or called):
            raise Pin(frame, "its thread has a trace function of its own")
        if frame not in self._before:
            self._before[frame] = frame.f_trace, frame.f_trace_lines, frame.f_trace_opcodes
            frame.f_trace, frame.f_trace_opcodes, frame.f_trace_lines = self._local, True, False
        if not function:
            _set_trace(state.address, self._function, None)

    def disarm(self, frame: FrameType) -> None:
        before = self._before.pop(frame, None)
        if before is None:
            return
        theirs, frame.f_trace_lines, frame.f_trace_opcodes = before
        if theirs is None:
            del frame.f_trace
        else:
            frame.f_trace = theirs

    def spare(self, idents: Collection[int]) -> None:
        """A thread that is traced is slow, even with nothing to call."""
        for state in others():
            if state.ident in idents:
                continue
            place = state.address + self._place
            if _word(place).value == self._function and not _word(place + 16).value:
                _set_trace(state.address, None, None)

    def off(self) -> None:
        self.spare(())

    def _local(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "opcode":
            self._arrived(frame)
        # What is returned becomes the frame's trace function; None leaves it as it is.
        return self._local if frame in self._before else None


_word = ctypes.c_size_t.from_address
_set_trace: Any = (
    ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(
        ("_PyEval_SetTrace", ctypes.pythonapi)
    )
    if VERSION < (3, 12)
    else None
)


# ---- 3.12 and later --------------------------------------------------------------------------------------------------

_monitoring: Any = getattr(sys, "monitoring", None)


class _Monitored:
    def __init__(self, arrived: Callable[[FrameType], None]) -> None:
        self._arrived = arrived
        self._codes: dict[CodeType, int] = {}  # how many armed frames run it
        self._tool = -1

    def arm(self, state: State, frame: FrameType) -> None:
        if self._tool < 0:
            self._on(frame)
        self._codes[frame.f_code] = self._codes.get(frame.f_code, 0) + 1
        _monitoring.set_local_events(self._tool, frame.f_code, _monitoring.events.INSTRUCTION)

    def _on(self, frame: FrameType) -> None:
        free = [tool for tool in (3, 4, 5, 2, 1, 0) if _monitoring.get_tool(tool) is None]
        if not free:
            raise Pin(frame, "every tool id of sys.monitoring is taken")
        self._tool = free[0]
        _monitoring.use_tool_id(self._tool, OURS)
        _monitoring.register_callback(self._tool, _monitoring.events.INSTRUCTION, self._instruction)

    def disarm(self, frame: FrameType) -> None:
        """The event goes when the last frame with this code is disarmed."""
        code = frame.f_code
        left = self._codes.get(code, 0) - 1
        if left > 0:
            self._codes[code] = left
        elif self._codes.pop(code, 0):
            _monitoring.set_local_events(self._tool, code, _monitoring.events.NO_EVENTS)

    def spare(self, idents: Collection[int]) -> None:
        """Events are of code that is armed, and cost nothing elsewhere."""

    def off(self) -> None:
        if self._tool < 0:
            return
        for code in self._codes:
            _monitoring.set_local_events(self._tool, code, _monitoring.events.NO_EVENTS)
        self._codes.clear()
        _monitoring.register_callback(self._tool, _monitoring.events.INSTRUCTION, None)
        _monitoring.free_tool_id(self._tool)
        self._tool = -1

    def _instruction(self, code: CodeType, offset: int) -> None:
        self._arrived(sys._getframe(1))


_CODES = frozenset(
    each.__code__ for each in (Parking._arrived, _Traced._local, _Monitored._instruction)
)


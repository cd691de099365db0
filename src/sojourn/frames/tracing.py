# pyright: basic
# (the interpreter's own state, and objects of any type)
"""Who watches the program, and how we watch one of its frames without being seen.

Theory. Trace and profile functions, and the tools of `sys.monitoring` (3.12), are kept by the interpreter and not by
the program: a debugger, coverage, a profiler. While a freeze is under way they stay in force beside ours (`safepoint`).
Elsewhere they would be gone, and what they had been told would be half of the story; to set them up there, events would
have to be invented for frames that have been entered long since. So a move is refused while somebody watches, and the
reason names who, and the way out (`watchers`).

On 3.11 opcode events need a trace function for the thread. What `sys.settrace` is given, `sys.gettrace` shows, and
`doctest` and others put it back later. So we set none: the C function that calls Python trace functions is installed
with nothing to call (`Watch`). It leaves new frames alone, and still calls the `f_trace` of the one that is armed.

One thing makes tracing hang there. Whoever has called `PyThreadState_SetAsyncExc` for a thread that ended first, or has
taken it back, leaves up a flag that tells all threads to look for what has come; and a traced function that finds the
flag up at its beginning looks, and finds it up. It only goes down when something is raised, so something is raised
(`lower_flag`). Not by that call: it would find a thread that has just been started by its maker's identity.
"""

from __future__ import annotations

import _thread
import ctypes
import sys
from types import FrameType, FunctionType, MethodType
from typing import Any

from sojourn.errors import InternalError

from .lookup import type_name

OURS = "sojourn"  # as a tool of sys.monitoring
_monitoring: Any = getattr(sys, "monitoring", None)
_TOOLS = 6

# The trace and the profile function of the program while we are at work, and they are put aside.
suspended: list[Any] = []
suspended_profiler: list[Any] = []
PYTHON_MADE = frozenset((FunctionType, MethodType))  # which can be put aside, and set again as they were

_ADVICE = {
    "coverage": "measure it without moving it, or stop measuring for the move: Coverage.stop() and start()",
    "pdb": "leave the debugger first: clear its breakpoints and `continue`",
    "bdb": "leave the debugger first: clear its breakpoints and `continue`",
    "pydevd": "detach the debugger first",
    "bdbtracer": "leave the debugger first: clear its breakpoints and `continue`",
    "debugpy": "detach the debugger first",
    "cProfile": "disable() the profiler for the move",
    "_lsprof": "disable() the profiler for the move",
    "profile": "run it without the profiler",
}


def watchers() -> list[str]:
    """Who watches this program, each with the way out, as reasons against a move; empty if nobody does."""
    found: list[tuple[str, str, str]] = []
    tracer = program_tracer()
    profiler = suspended_profiler[-1] if suspended_profiler else sys.getprofile()
    for what, watcher, off in (
        ("trace", tracer, "call sys.settrace(None) first"),
        ("profile", profiler, "call sys.setprofile(None) first"),
    ):
        if watcher is not None:
            name = _name(watcher)
            found.append((f"its {what} function is {name}", name, off))
    for tool in range(_TOOLS if _monitoring else 0):
        name = _monitoring.get_tool(tool)
        if name is not None and name != OURS:
            off = f"call sys.monitoring.free_tool_id({tool}) first"
            found.append((f"the tool {name!r} of sys.monitoring watches it", name, off))
    return [f"{what}, which stays here: {_advice(name, off)}" for what, name, off in found]


def program_tracer() -> Any:
    """The program's trace function, put aside or not."""
    return suspended[-1] if suspended else sys.gettrace()


def _name(watcher: Any) -> str:
    """`module.qualname` of a trace function, without calling any code of the program."""
    kind = type(watcher)
    if kind.__module__ == "builtins" and isinstance(getattr(watcher, "__qualname__", None), str):
        return f"{watcher.__module__}.{watcher.__qualname__}()"
    return type_name(kind)


def _advice(name: str, otherwise: str) -> str:
    return _ADVICE.get(name.partition(".")[0], otherwise)


# ---- 3.11 ------------------------------------------------------------------------------------------------------------

_SPAN = 64  # words of the thread's state that are searched; the trace function is in the first dozen
_WORD = 8
_TO_RAISE = 9 * _WORD  # behind the trace function: what another thread wants raised in this one
_NATIVE = 11 * _WORD  # the thread's number in the kernel
_TURNS = (0, 1, 2)
_word = ctypes.c_size_t.from_address


def lower_flag() -> None:
    """Makes sure that traced functions get past their beginning. In the thread that holds the interpreter's lock."""
    offset, _ = trace_place()
    slot = _word(_thread_state() + offset + _TO_RAISE)
    if slot.value or _word(_thread_state() + offset + _NATIVE).value != _thread.get_native_id():
        return  # something is to be raised here by right; or this interpreter is not as we know it
    _keep(_Flag)
    try:
        slot.value = id(_Flag)
        for _ in _TURNS:  # raises at one of its turns, if the flag is up
            pass
        slot.value = 0
    except _Flag:
        return
    _drop(_Flag)


class _Flag(BaseException):
    """Raised and caught by `lower_flag`."""


class Watch:
    """Lets the `f_trace` of frames be called in this thread while nobody traces it."""

    def __init__(self) -> None:
        self._place = 0  # of the thread's trace function, in C; what it is to call lies two words behind
        self._function = 0

    def on(self) -> None:
        """Nobody traces the thread now."""
        lower_flag()
        if not self._place:
            self._find()
        _set_trace(self._function, None)

    @property
    def is_on(self) -> bool:
        return bool(self._place) and _word(self._place).value == self._function and not self._called

    def off(self) -> None:
        """Take it back, if the program has not replaced it."""
        if self.is_on:
            _set_trace(None, None)

    @property
    def _called(self) -> int:
        return _word(self._place + 2 * _WORD).value

    def _find(self) -> None:
        offset, self._function = trace_place()
        self._place = _thread_state() + offset


def trace_place() -> tuple[int, int]:
    """Where a thread's state has its trace function, in C; and the one that calls those written in Python."""
    if not _found:
        state = _thread_state()
        theirs = sys.gettrace()
        found: list[tuple[int, int]] = []
        sys.settrace(_nothing)
        for place in range(state + 2 * _WORD, state + _SPAN * _WORD, _WORD):  # no function may begin here
            if _word(place).value == id(_nothing):
                found.append((place - 2 * _WORD, _word(place - 2 * _WORD).value))
        sys.settrace(theirs)
        if len(found) != 1 or not found[0][1] or (theirs is None and _word(found[0][0]).value):
            raise InternalError("this interpreter keeps trace functions where they were not expected")
        _found.append((found[0][0] - state, found[0][1]))
    return _found[0]


_found: list[tuple[int, int]] = []


def _nothing(frame: FrameType, event: str, arg: Any) -> None:
    """A trace function to be found in memory."""


_thread_state = ctypes.pythonapi["PyThreadState_Get"]
_thread_state.restype = ctypes.c_void_p
_set_trace = ctypes.pythonapi["PyEval_SetTrace"]
_set_trace.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
_set_trace.restype = None
_object = ctypes.py_object
_keep = ctypes.PYFUNCTYPE(None, _object)(("Py_IncRef", ctypes.pythonapi))
_drop = ctypes.PYFUNCTYPE(None, _object)(("Py_DecRef", ctypes.pythonapi))

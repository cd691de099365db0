# pyright: basic
# (objects in raw memory)
"""Clocks over a move: a process goes on with the clocks it had, on a machine that booted at another time.

Theory. CLOCK_MONOTONIC and CLOCK_BOOTTIME count from a machine's boot, the clocks of a process and a thread from the
host process's start. A program that keeps deadlines (asyncio, `threading`, `queue`: all in monotonic time) must find
them going on from where they were. Where the kernel lets us, the held host enters a time namespace with offsets:
everything below Python agrees then, and children too. Where it does not, and for the two processor clocks, which no
namespace shifts, the C functions of the module `time` are changed.

They are changed in place. A C function object holds a pointer to its definition (name, C function, flags) and the
object that is passed as `self`. Both are replaced: the C function becomes one of the interpreter's own that calls
`self` with the arguments, and `self` an object that, called, gives the old function's reading and the shift together.
The function object stays the same: `from time import monotonic` made anywhere, its name, its pickles and its identity
do not notice. No code is generated, and for all but `clock_gettime` no Python frame comes in between.

A clock that is not behind, and at most `SLACK` ahead, is left alone: that is a machine that was busy, and the usual
case of two nodes with one kernel. So a process that moves between them keeps its plain clock, as one that never moves.

Wall clock time is not touched. `os.times` and `resource.getrusage` tell what the kernel counted for the host process.

Rejected: functions of our own in the module (every reference made earlier, default arguments among them, would have
to be found, and a frame of ours would be on the stack); a user namespace to be permitted a time namespace (a program
would see its groups change).
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from itertools import repeat
from operator import add, index
from types import ModuleType
from typing import Any

from sojourn._util import clock, kernel
from sojourn.errors import Refused

SLACK = 10**9  # nanoseconds
SECOND = 10**9

_CLOCKS = {
    "monotonic": time.CLOCK_MONOTONIC,
    "boottime": time.CLOCK_BOOTTIME,
    "process": time.CLOCK_PROCESS_CPUTIME_ID,
    "thread": time.CLOCK_THREAD_CPUTIME_ID,
}
_FUNCTIONS = {"monotonic": ("monotonic", "perf_counter"), "process": ("process_time",), "thread": ("thread_time",)}
_BOOT = ("monotonic", "boottime")
_SAME = {  # clocks of the kernel that a shift of one of ours shifts
    "monotonic": (time.CLOCK_MONOTONIC, time.CLOCK_MONOTONIC_RAW, 6),  # 6: CLOCK_MONOTONIC_COARSE
    "boottime": (time.CLOCK_BOOTTIME,),
    "process": (time.CLOCK_PROCESS_CPUTIME_ID,),
    "thread": (time.CLOCK_THREAD_CPUTIME_ID,),
}

# Of a C function object, behind its head: its definition and `self`. Of a definition: name, C function, flags.
_DEFINITION, _SELF = 16, 24
_NAME, _CODE, _FLAGS = 0, 8, 16
_NOARGS, _O, _VARARGS = 4, 8, 1
_api = ctypes.pythonapi
_CALLS = {  # looked up here, since `ctypes.pythonapi` keeps what it has looked up, and is the program's, too
    flags: ctypes.cast(function, ctypes.c_void_p).value
    for flags, function in {
        _NOARGS: _api.PyObject_CallNoArgs,
        _O: _api.PyObject_CallOneArg,
        _VARARGS: _api.PyObject_CallObject,
    }.items()
}
_new = _api.PyCFunction_NewEx
_new.restype = ctypes.py_object
_new.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]


class _Definition(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("code", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_void_p),
    ]


_kept: list[Any] = []  # what changed functions point to


def reading() -> dict[str, int]:
    """What this process's clocks say now, in nanoseconds."""
    return {name: time.clock_gettime_ns(number) for name, number in _CLOCKS.items()}


def shifts(wanted: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """How much to add to each clock; a clock that may stay as it is is not among them."""
    needed = {name: wanted[name] - now[name] for name in wanted}
    if all(-SLACK <= needed.get(name, 0) <= 0 for name in _BOOT):
        needed = {name: ahead for name, ahead in needed.items() if name not in _BOOT}
    return needed


class Clocks:
    """The clocks of a process that is being thawed here. To be made before anything of it is built.

    Args:
        wanted: what `reading` gave when it was frozen.

    Raises:
        Refused: this interpreter's functions cannot be changed.
    """

    def __init__(self, wanted: Any) -> None:
        if type(wanted) is not dict:  # an image of a version that told no clocks
            wanted = {}
        self._wanted = wanted = {name: wanted[name] for name in _CLOCKS if type(wanted.get(name)) is int}
        needed = shifts(wanted, reading())
        self._boot = {name: needed[name] for name in _BOOT if name in needed}  # left to changed functions
        if self._boot:
            try:
                kernel.enter_time(needed.get("monotonic", 0), needed.get("boottime", 0))
            except OSError:
                pass
            else:
                clock.look_again()
                self._boot = {}
        functions = vars(sys.modules["time"])
        names = [name + end for names in _FUNCTIONS.values() for name in names for end in ("", "_ns")]
        self._functions = {name: functions[name] for name in (*names, "clock_gettime", "clock_gettime_ns")}
        for name, function in self._functions.items():
            _check(name, function)

    def start(self) -> None:
        """Right before the program goes on."""
        now = reading()
        needed = {name: self._wanted[name] - now[name] for name in self._wanted if name not in _BOOT}
        needed |= self._boot
        for clock_name, ahead in needed.items():
            for name in _FUNCTIONS.get(clock_name, ()):
                _change(self._functions[name], lambda real, ahead=ahead: _sum(real, ahead / SECOND))
                _change(self._functions[f"{name}_ns"], lambda real, ahead=ahead: _sum(real, ahead))
        by_number = {number: needed[name] for name in needed for number in _SAME[name]}
        for name, unit in (("clock_gettime", SECOND), ("clock_gettime_ns", 1)):
            _change(self._functions[name], lambda real, unit=unit: _lookup(real, by_number, unit))
        clock.look_again(changed=needed.get("monotonic", 0))


def _sum(real: Any, ahead: float) -> Callable[[], Any]:
    """What adds a shift to a reading, all of it in C."""
    return map(add, iter(real, None), repeat(ahead)).__next__


def _lookup(real: Any, ahead: dict[int, int], unit: int) -> Callable[..., Any]:
    """The same for a function that is told which clock. What is wrong with the arguments says the real one."""

    def reading(*clock_id: Any) -> Any:
        value = real(*clock_id)
        shift = ahead.get(index(clock_id[0]), 0)
        return value + (shift if unit == 1 else shift / unit)

    return reading


def _word(address: int) -> int:
    return ctypes.c_size_t.from_address(address).value


def _check(name: str, function: Any) -> None:
    """Is it laid out as expected? Raises Refused."""
    definition = _word(id(function) + _DEFINITION) if type(function) is type(len) else 0
    if (
        not definition
        or _word(id(function) + _SELF) != id(sys.modules["time"])
        or ctypes.string_at(_word(definition + _NAME)) != name.encode()
        or ctypes.c_int.from_address(definition + _FLAGS).value not in _CALLS
    ):
        raise Refused(f"time.{name} of this interpreter cannot be made to go on from another machine's clock")


def _change(function: Any, make: Callable[[Any], Callable[..., Any]]) -> None:
    """Have `function` give what `make(the function as it was)` gives."""
    old, owner = _word(id(function) + _DEFINITION), sys.modules["time"]
    flags = ctypes.c_int.from_address(old + _FLAGS).value
    real = _new(old, owner, None)
    kind = type("module", (ModuleType,), {"__call__": staticmethod(make(real)), "__module__": "builtins"})
    itself = kind(owner.__name__)
    new = _Definition.from_buffer_copy(ctypes.string_at(old, ctypes.sizeof(_Definition)))
    new.code = _CALLS[flags]
    _kept.append((new, itself, owner))
    ctypes.c_size_t.from_address(id(itself)).value += 1  # the function's reference; it keeps the one it had, too
    ctypes.c_size_t.from_address(id(function) + _SELF).value = id(itself)
    ctypes.c_size_t.from_address(id(function) + _DEFINITION).value = ctypes.addressof(new)

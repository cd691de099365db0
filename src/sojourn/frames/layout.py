# pyright: basic
# (raw memory has no static types)
"""Reading a CPython frame: the only module that knows where the interpreter keeps things.

Theory. A running frame is a C struct, `_PyInterpreterFrame`: a header and then an array of words, `localsplus`, which
holds the fast locals, cells and free variables, and behind them the value stack. The public API shows the code object,
the position (`f_lasti`) and the locals; it never shows the value stack, nor whether a frame was entered by the
interpreter itself or through C. Those we read by address.

Guarantees.
1. Nothing is ever written: every function here only reads.
2. Nothing is read before `verify` has compared the table below with what the interpreter says of itself
   (`_Py_DebugOffsets`, 3.13 and later) and has read a few frames of known content. It refuses, naming both sides.
3. `Frame.word` never follows what it reads. `Frame.slot` does, so it may only be used on slots that hold a reference:
   locals, and the stack below the frame's current depth. Slots of operands that a C function is working on may hold the
   address of an object that is gone (up to 3.13); `Frame.operand` is for these.

Rejected: a C extension (would have to be built for each interpreter and could not be injected as source);
`frame.f_locals` (up to 3.12 reading it writes the fast locals into a dict that the program can see); gdb's way through
debug symbols (absent from most builds).
"""

from __future__ import annotations

import _functools  # pyright: ignore[reportMissingImports] (no stubs)
import _io
import _json
import _opcode  # pyright: ignore[reportMissingImports] (no stubs)
import _operator
import _socket
import _sre  # pyright: ignore[reportMissingImports] (no stubs)
import _thread
import builtins
import ctypes
import gc
import itertools
import os
import posix
import select
import sys
import time
from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FrameType, MethodDescriptorType
from typing import Any

from sojourn.errors import UsageError

from .support import SUPPORTED, Build, objection, supported

VERSION = sys.version_info[:2]


class Null:
    """The one stand-in for an empty slot."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<NULL>"


class Gone:
    """The one stand-in for a slot whose word cannot be followed safely."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "a C callable"


@dataclass(frozen=True, slots=True)
class TaggedInt:
    """A small integer kept in the slot itself (3.14 and later)."""

    value: int


NULL = Null()
GONE = Gone()


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets in bytes, on a 64-bit build with the GIL."""

    code: int
    function: int
    previous: int
    f_locals: int
    instruction: int
    depth: int
    depth_is_pointer: bool  # else a 32-bit count that includes the locals, -1 when not saved
    owner: int
    localsplus: int
    exc_state: int  # in a generator object: the exception it handles, then the address of the outer such pair
    iframe: int  # in a generator object: its frame
    c_owners: frozenset[int]  # owners that mark a frame which only separates C from Python
    is_entry: int | None  # 3.11: a flag instead of such frames
    tagged: bool


LAYOUTS: dict[tuple[int, int], Layout] = {
    (3, 11): Layout(32, 0, 48, 24, 56, 64, False, 69, 72, 48, 80, frozenset(), 68, False),
    (3, 12): Layout(0, 16, 8, 40, 56, 64, False, 70, 72, 40, 72, frozenset({3}), None, False),
    (3, 13): Layout(0, 16, 8, 40, 56, 64, False, 70, 72, 40, 72, frozenset({3}), None, False),
    (3, 14): Layout(0, 16, 8, 40, 56, 64, True, 74, 80, 40, 72, frozenset({3, 4}), None, True),
    (3, 15): Layout(0, 16, 8, 40, 56, 64, True, 74, 80, 40, 72, frozenset({3, 4}), None, True),
}
# On a version without a row everything imports, and `verify` refuses.
LAYOUT = LAYOUTS.get(VERSION, LAYOUTS[3, 13])
FRAME_OBJECT_IFRAME = 24  # in every version
OWNED_BY_GENERATOR = 1
# `_Py_DebugOffsets`: where the group of interpreter_frame starts, in 64-bit words, and what its members are.
DEBUG_OFFSETS: dict[tuple[int, int], int] = {(3, 13): 28, (3, 14): 31, (3, 15): 39}
DEBUG_MEMBERS = ("previous", "code", "instruction", "localsplus", "owner")

_word = ctypes.c_size_t.from_address
_int32 = ctypes.c_int.from_address
_byte = ctypes.c_ubyte.from_address


def _follow(address: int) -> Any:
    return ctypes.cast(address, ctypes.py_object).value


def _object(word: int) -> Any:
    """What a slot that holds a reference holds."""
    if not LAYOUT.tagged:
        return _follow(word) if word else NULL
    if word <= 1:
        return NULL
    if word & 3 == 3:
        return TaggedInt(ctypes.c_ssize_t(word).value >> 2)
    return _follow(word & ~3)


def plain(word: int) -> int:
    """The address in a slot's word, without tags."""
    return word & ~3 if LAYOUT.tagged else word


class Frame:
    """A view of one interpreter frame; valid as long as the frame lives."""

    __slots__ = ("_slots", "address")

    def __init__(self, address: int) -> None:
        self.address = address
        self._slots = address + LAYOUT.localsplus

    @classmethod
    def of(cls, frame: FrameType) -> Frame:
        return cls(_word(id(frame) + FRAME_OBJECT_IFRAME).value)

    @property
    def owner(self) -> int:
        return _byte(self.address + LAYOUT.owner).value

    @property
    def previous(self) -> Frame | None:
        address = _word(self.address + LAYOUT.previous).value
        return Frame(address) if address else None

    @property
    def code(self) -> Any:
        return _object(_word(self.address + LAYOUT.code).value)

    @property
    def function(self) -> Any:
        """The function that runs here; the frame keeps it alive."""
        return _object(_word(self.address + LAYOUT.function).value)

    @property
    def namespace(self) -> int:
        """The address of the mapping in which names that are not fast locals are stored, or 0."""
        return _word(self.address + LAYOUT.f_locals).value

    @property
    def is_c_boundary(self) -> bool:
        """Is this a frame that only separates C from Python?"""
        return self.owner in LAYOUT.c_owners

    @property
    def is_entry(self) -> bool:
        """3.11: was this frame entered through C?"""
        return LAYOUT.is_entry is not None and bool(_byte(self.address + LAYOUT.is_entry).value)

    def saved_depth(self, locals_count: int) -> int | None:
        """How many values are on the stack, if the interpreter has written it down."""
        if LAYOUT.depth_is_pointer:
            top = _word(self.address + LAYOUT.depth).value
            return (top - self._slots) // 8 - locals_count if top else None
        count = _int32(self.address + LAYOUT.depth).value
        return None if count < 0 else count - locals_count

    def word(self, index: int) -> int:
        return _word(self._slots + 8 * index).value

    def slot(self, index: int) -> Any:
        """The object in a slot that holds a reference."""
        return _object(_word(self._slots + 8 * index).value)

    def operand(self, index: int, live: LiveObjects) -> Any:
        """The object in a slot that may dangle; `GONE` if the word is not the address of a live object."""
        word = self.word(index)
        if LAYOUT.tagged:  # 3.14 and later keep operands on the stack until they are dropped
            return _object(word)
        return NULL if word == 0 else live.find(word)

    @property
    def generator(self) -> Any:
        """The generator, coroutine or async generator that this frame is part of, or None."""
        return _follow(self.address - LAYOUT.iframe) if self.owner == OWNED_BY_GENERATOR else None


class LiveObjects:
    """Objects known to be alive, by address: those somebody holds (`expect`), well-known C callables, and then all
    that the collector knows.

    The last set holds addresses and not objects: keeping the objects would delay finalizers. It lacks what
    `gc.freeze()` set aside, so what is found missing may be alive: callers treat that as a reason to wait.
    """

    __slots__ = ("_collected", "_expected")

    def __init__(self) -> None:
        self._expected: dict[int, Any] = {}
        self._collected: set[int] | None = None

    def expect(self, *objects: Any) -> None:
        self._expected.update((id(o), o) for o in objects)

    def find(self, address: int) -> Any:
        for known in (self._expected, _C_CALLABLES):
            if address in known:
                return known[address]
        if self._collected is None:
            self._collected = set(map(id, gc.get_objects()))
        return _follow(address) if address in self._collected else GONE


def _c_callables() -> dict[int, Any]:
    """The callables that hold a program most often, so that a pin can name them."""
    found: dict[int, Any] = {}
    modules = (_functools, _io, _json, _operator, _socket, _sre, _thread, builtins, itertools, posix, select, time)
    for value in [v for module in modules for v in vars(module).values()]:
        if issubclass(type(value), (type, BuiltinFunctionType)):
            found[id(value)] = value
        if issubclass(type(value), type):
            found.update((id(m), m) for m in vars(value).values() if issubclass(type(m), MethodDescriptorType))
    return found


_C_CALLABLES = _c_callables()


def handled_exception(generator: Any) -> tuple[BaseException | None, BaseException | None]:
    """What a running or suspended generator handles now, and (running only) what is handled right outside it."""
    here = id(generator) + LAYOUT.exc_state
    outer = _word(here + 8).value
    return _exception_at(here), _exception_at(outer) if outer else None


def _exception_at(address: int) -> BaseException | None:
    found = _word(address).value
    exception = _follow(found) if found else None
    return exception if isinstance(exception, BaseException) else None  # 3.11 may hold None itself


# ---- the check at start-up -------------------------------------------------------------------------------------------


def verify() -> None:
    """Refuse with `UsageError` any interpreter whose frames the table does not describe. Cheap after the first time."""
    global _verified
    if not _verified:
        _check_build()
        _check_debug_offsets()
        _check_by_reading()
        _verified = True


_verified = False


def _build() -> Build:
    return Build(
        implementation=sys.implementation.name,
        version="{}.{}.{}".format(*sys.version_info),
        platform=sys.platform,
        arch=os.uname().machine,
        bits=8 * ctypes.sizeof(ctypes.c_void_p),
        abiflags=sys.abiflags,
    )


def _refuse(found: str) -> UsageError:
    mine = _build()
    return UsageError(
        f"this interpreter is {mine.implementation} {mine.version} ({mine.platform}, {mine.arch}): {found}; "
        f"{supported()}",
        advice="run the program with one of those (sojourn run --python)",
        details={"found": f"{mine.implementation} {mine.version}", "supported": [f"{a}.{b}" for a, b in SUPPORTED]},
    )


def _check_build() -> None:
    found = objection(_build())
    if found is not None:
        raise _refuse(found)
    jit = getattr(sys, "_jit", None)
    if jit.is_enabled() if jit is not None else _runs_traces():
        raise _refuse("its JIT is at work (PYTHON_JIT=0 in its environment turns it off)")


def _runs_traces() -> bool:
    """Does this build turn hot loops into traces? 3.13 has no other way to tell than to warm one up."""
    if not hasattr(_opcode, "get_executor"):
        return False

    def loop() -> int:
        total = 0
        for i in range(5000):
            total += i
        return total

    loop()
    try:
        return any(_get_executor(loop.__code__, offset) for offset in range(0, len(loop.__code__.co_code), 2))
    except RuntimeError:
        return False  # "Executors are not available in this build"


def _get_executor(code: CodeType, offset: int) -> Any:
    try:
        return _opcode.get_executor(code, offset)
    except ValueError:  # no executor at this place
        return None


def _check_debug_offsets() -> None:
    start = DEBUG_OFFSETS.get(VERSION)
    if start is None:
        return
    base = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    if ctypes.string_at(base, 8) != b"xdebugpy":
        raise _refuse("it has no description of its own structures")
    words = (ctypes.c_uint64 * (start + 8)).from_address(base)
    if words[2]:
        raise _refuse("a free-threaded build")
    theirs = dict(zip(DEBUG_MEMBERS, words[start + 1 : start + 1 + len(DEBUG_MEMBERS)], strict=True))
    ours = {member: getattr(LAYOUT, member) for member in DEBUG_MEMBERS}
    if theirs != ours:
        raise _refuse(f"its frames are laid out as {theirs} where {ours} was expected")


def _check_by_reading() -> None:
    """Read frames of known content, field by field."""

    def inner(first: object, second: object, caller: int) -> list[str]:
        me = sys._getframe()
        view = Frame.of(me)
        wrong: list[str] = []
        if view.code is not me.f_code:
            wrong.append("code")
        if view.function is not inner:
            wrong.append("function")
        if view.slot(0) is not first or view.slot(1) is not second:
            wrong.append("localsplus")
        if view.generator is not None:
            wrong.append("owner")
        if view.previous is None or view.previous.address != caller:
            wrong.append("previous")
        me = view = None  # else it keeps itself, its callers and what they drop until a collection
        return wrong

    def outer() -> list[str]:
        return inner(object(), [], Frame.of(sys._getframe()).address)

    def produce(token: object) -> Any:
        try:
            raise KeyError
        except KeyError as error:
            yield token, error

    wrong = outer()
    generator = produce(token := object())
    _, error = next(generator)
    view = Frame.of(generator.gi_frame)
    if view.generator is not generator:
        wrong.append("iframe")
    if view.slot(0) is not token:
        wrong.append("localsplus of a generator")
    if handled_exception(generator)[0] is not error:
        wrong.append("exc_state")
    generator.close()
    error.__traceback__ = error.__context__ = None  # or it would keep this frame alive, and what the program handles
    if wrong:
        raise _refuse(f"frames of known content read back wrong in: {', '.join(wrong)}")

"""What becomes of a frame whose inner frame returns: decision tables, one for each kind of boundary.

Theory. An outer frame is stopped inside one instruction, and an inner frame is running on its behalf. To go on behind
that instruction without executing it again, one has to know what the instruction would do with the inner frame's result.
There are three kinds of boundary:

1. *Generator*: the inner frame belongs to a generator. The rebuilt generator stands ready to go on, so the outer frame
   simply executes its instruction again (`AGAIN`).
2. *Direct*: the interpreter entered the inner frame itself. It has taken the operands off the stack, saved the depth,
   and will push the result (`DIRECT`: instructions that push nothing, or hold more than the saved depth).
3. *C*: a C function entered the inner frame. If it only passes the result on (a type's slot for `+`, a method object, a
   `partial`), we know what follows: `OPERATORS` for operators, attributes and subscripts, `_call` for calls. If it
   holds state of its own (`sorted`, `sum`, an import), it pins the frame: `Pin`.

Guarantee: an inner frame counts as what the instruction called only if its code proves it (a special method's name,
a property's function, the callable's code). A `__del__`, a weakref callback or a signal handler that happens to run in
the middle of an instruction is never taken for the callee; it is a pin, gone in a moment.

Rejected: trusting the instruction alone (the above); following operand slots blindly (they may dangle up to 3.13).
"""

from __future__ import annotations

import _signal
import _thread
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FrameType, FunctionType, MethodType
from typing import Any

from .analyze import VERSION, Facts, Instruction
from .assemble import original_of
from .layout import GONE, LAYOUT, NULL, Frame, LiveObjects, plain


class Pin(Exception):
    """`frame` cannot be captured here; it can a little later, most often as soon as `callable` returns."""

    def __init__(self, frame: FrameType, why: str, callable: Any = None) -> None:
        super().__init__(why)
        self.frame = frame
        self.why = why
        self.callable = callable

    def describe(self) -> str:
        code = self.frame.f_code
        what = "" if self.callable is None else f" {name_of(self.callable)}"
        return f"{code.co_filename}:{self.frame.f_lineno or code.co_firstlineno} in {code.co_qualname}: {self.why}{what}"

    __str__ = describe


def name_of(callable: Any) -> str:
    """`module.qualname` where there is one, without calling any code of the program."""
    if callable is GONE:
        return repr(GONE)
    if not isinstance(callable, (type, FunctionType, BuiltinFunctionType, MethodType)):
        kind = type(callable)
        qualname = getattr(callable, "__qualname__", None) if kind.__module__ == "builtins" else None
        return f"{qualname}()" if isinstance(qualname, str) else f"a {kind.__module__}.{kind.__qualname__} object"
    module = getattr(callable, "__module__", None)
    prefix = "" if module in (None, "builtins") else f"{module}."
    return f"{prefix}{callable.__qualname__}()"


@dataclass(slots=True)
class Continuation:
    """How an outer frame goes on."""

    keep: int  # stack slots that stay as they are
    pre: list[Any] = field(default_factory=list)  # what to push on them (may hold NULL)
    after: str = "push"  # row of `assemble.EPILOGUES`
    again: bool = False  # execute the instruction again: there is no call of ours
    exit: int = 0


@dataclass(slots=True)
class Site:
    """An outer frame stopped in an instruction, and the frame that runs inside it."""

    frame: FrameType
    view: Frame
    facts: Facts
    instruction: Instruction
    kinds: str  # before the instruction
    depth: int | None  # as saved by the interpreter
    inner: FrameType
    inner_view: Frame
    live: LiveObjects

    def slot(self, index: int) -> Any:
        """A stack slot that is certainly alive."""
        return self.view.slot(self.facts.locals_count + index)

    def operand(self, index: int) -> Any:
        return self.view.operand(self.facts.locals_count + index, self.live)

    def read_call(self) -> tuple[Any, Any, list[Any], int]:
        """Of a call that is running: callable, receiver or NULL, the first argument if any, and its lowest slot."""
        lowest = lowest_operand(self.instruction, len(self.kinds))
        first, second = self.operand(lowest), self.operand(lowest + 1)
        if self.instruction.name == "CALL_FUNCTION_EX":
            return first if VERSION >= (3, 13) else second, NULL, [], lowest
        arguments = [self.operand(lowest + 2)] if self.instruction.arg else []
        if VERSION < (3, 13) and first is NULL:  # [NULL, callable] or [method, self]
            return second, NULL, arguments, lowest
        return first, second, arguments, lowest

    def pin(self, why: str, callable: Any = None) -> Pin:
        return Pin(self.frame, why, callable)

    @property
    def inner_code(self) -> CodeType:
        return original_of(self.inner.f_code)

    @property
    def inner_self(self) -> Any:
        """The first argument of the inner frame, as it is now."""
        value = self.inner_view.slot(0) if self.inner.f_code.co_nlocals else NULL
        if type(value) is CellType:
            try:
                return value.cell_contents
            except ValueError:
                return NULL
        return value


def decide(site: Site) -> Continuation:
    """The continuation of `site`, or `Pin`."""
    if site.inner_view.generator is not None:
        return _generator(site)
    entry = _entered_by(site)
    if entry == "interpreter":
        return _direct(site)
    if entry == "init":
        return _direct_init(site)
    name = site.instruction.name
    if name in CALLS:
        return _call(site)
    if name in OPERATORS:
        return _operator(site, OPERATORS[name])
    special = SPECIAL.get(name)
    if special is not None:
        return special(site)
    raise site.pin(f"held by {name}", site.inner_view.function)


def _entered_by(site: Site) -> str:
    """Who entered the inner frame: "interpreter", "c", or "init" (the interpreter's own frame around `__init__`)."""
    if LAYOUT.is_entry is not None:
        return "c" if site.inner_view.is_entry else "interpreter"
    previous = site.inner_view.previous
    if previous is None or previous.is_c_boundary:
        return "c"
    return "interpreter" if previous.address == site.view.address else "init"


# ---- 1. generators ---------------------------------------------------------------------------------------------------

CALLS = frozenset({"CALL", "PRECALL", "CALL_KW", "CALL_FUNCTION_EX"})
BUILTIN_CALLABLES = (BuiltinFunctionType, type(list.append), type((1).__add__), type(int.__add__))
_RESUMING_METHODS = frozenset({"send", "__next__"})


def _generator(site: Site) -> Continuation:
    name = site.instruction.name
    if name == "FOR_ITER":
        return Continuation(len(site.kinds), again=True)
    if name == "SEND":
        return Continuation(len(site.kinds) - 1, pre=[None], again=True)
    generator = site.inner_view.generator
    if name in CALLS:
        callable, receiver, arguments, _ = site.read_call()
        method = getattr(callable, "__name__", None) if isinstance(callable, BUILTIN_CALLABLES) else None
        resumes = method in _RESUMING_METHODS and (
            receiver is generator or getattr(callable, "__self__", None) is generator
        )
        if resumes or (callable is next and arguments[:1] == [generator]):
            return Continuation(len(site.kinds), again=True)
        raise site.pin("a generator is being run by", callable)
    raise site.pin(f"a generator is being run by {name}", generator)



def lowest_operand(instruction: Instruction, depth: int) -> int:
    """The lowest of the slots that a call has its operands in."""
    match instruction.name:
        case "CALL_FUNCTION_EX":
            return depth - (4 if VERSION >= (3, 14) else 3 + (instruction.arg & 1))
        case "CALL_KW":
            return depth - instruction.arg - 3
        case _:
            return depth - instruction.arg - 2


# ---- 2. entered by the interpreter -----------------------------------------------------------------------------------


def _direct(site: Site) -> Continuation:
    # The interpreter saved the depth below the result it is going to push.
    if site.depth is None:
        raise site.pin(f"held by {site.instruction.name}", site.inner_view.function)
    return Continuation(site.depth)


def _direct_init(site: Site) -> Continuation:
    """3.13 enters `__init__` of a specialized class call through a frame of its own that keeps the new object."""
    assert site.inner_view.previous is not None and site.depth is not None
    return Continuation(site.depth, pre=[site.inner_view.previous.slot(0)], after="drop")


# ---- 3. entered through C: calls -------------------------------------------------------------------------------------


def _call(site: Site) -> Continuation:
    function, receiver, inner_code = site.inner_view.function, site.inner_self, site.inner_code
    site.live.expect(function, *type(receiver).__mro__)
    if receiver is not NULL:
        site.live.expect(receiver)
    callable, _, _, lowest = site.read_call()
    if isinstance(callable, type):
        if type(callable).__call__ is not type.__call__ and _code_behind(type(callable).__call__) is inner_code:
            return Continuation(lowest)  # a metaclass's `__call__`
        if inner_code is _code_behind(getattr(callable, "__init__", None)):
            if not isinstance(receiver, callable):
                raise site.pin("the object under construction cannot be found in", callable)
            return Continuation(lowest, pre=[receiver], after="drop")
        raise site.pin("held by", callable)
    if inner_code.co_name != "__del__" and callable is receiver and callable is not NULL:
        return Continuation(lowest)  # a method object's call puts self into the slot below the arguments
    if callable is exec:
        return Continuation(lowest, after="none")
    if callable is eval or inner_code is _code_behind(callable):
        return Continuation(lowest)
    raise site.pin("held by", callable)


def _code_behind(callable: Any) -> CodeType | None:
    """The code a call of `callable` ends up in, through wrappers that only pass the result on."""
    for _ in range(10):
        if isinstance(callable, FunctionType):
            return original_of(callable.__code__)
        if isinstance(callable, MethodType):
            callable = callable.__func__
        elif type(callable) is partial:
            callable = callable.func
        elif callable is None or isinstance(callable, (type, *BUILTIN_CALLABLES)):
            return None
        else:
            callable = _find(type(callable), "__call__")
    return None


def _find(kind: type, name: str) -> Any:
    """An attribute of a class, unbound, without calling any code."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


# ---- 3. entered through C: operators, attributes, subscripts ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operator:
    """An instruction that takes `operands` off the stack and hands them to a special method."""

    operands: int
    methods: frozenset[str]
    after: str = "push"


def _methods(names: str) -> frozenset[str]:
    return frozenset(f"__{name}__" for name in names.split())


_ARITHMETIC = "add sub mul matmul truediv floordiv mod pow lshift rshift and or xor"
_BINARY = _methods(" ".join(f"{p}{n}" for n in _ARITHMETIC.split() for p in ("", "r", "i")))
_SUBSCRIPT = _methods("getitem class_getitem missing")
_GETTING = _methods("getattr getattribute get")

OPERATORS: dict[str, Operator] = {
    "BINARY_OP": Operator(2, _BINARY | _SUBSCRIPT if VERSION >= (3, 14) else _BINARY),
    "BINARY_SUBSCR": Operator(2, _SUBSCRIPT),
    "BINARY_SLICE": Operator(3, _methods("getitem")),
    "STORE_SUBSCR": Operator(3, _methods("setitem"), "drop"),
    "STORE_SLICE": Operator(4, _methods("setitem"), "drop"),
    "DELETE_SUBSCR": Operator(2, _methods("delitem"), "drop"),
    "COMPARE_OP": Operator(2, _methods("lt le gt ge eq ne")),
    "UNARY_NEGATIVE": Operator(1, _methods("neg")),
    "UNARY_POSITIVE": Operator(1, _methods("pos")),
    "UNARY_INVERT": Operator(1, _methods("invert")),
    "GET_ITER": Operator(1, _methods("iter"), "push, null" if VERSION >= (3, 15) else "push"),
    "GET_YIELD_FROM_ITER": Operator(1, _methods("iter")),
    "GET_AWAITABLE": Operator(1, _methods("await")),
    "GET_AITER": Operator(1, _methods("aiter")),
    "LOAD_ATTR": Operator(1, _GETTING),
    "LOAD_METHOD": Operator(1, _GETTING),
    "STORE_ATTR": Operator(2, _methods("setattr set"), "drop"),
    "DELETE_ATTR": Operator(1, _methods("delattr delete"), "drop"),
}
ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR"})


def _operator(site: Site, operator: Operator) -> Continuation:
    instruction = site.instruction
    if site.inner_code.co_name not in operator.methods and not _is_property(site):
        raise site.pin(f"held by {instruction.name}", site.inner_view.function)
    continuation = Continuation(len(site.kinds) - operator.operands, after=operator.after)
    if instruction.name == "LOAD_METHOD" or (instruction.name == "LOAD_ATTR" and _loads_method(instruction)):
        # The pair for a call: [NULL, callable] up to 3.12, [callable, NULL] from then on.
        if VERSION < (3, 13):
            continuation.pre = [NULL]
        else:
            continuation.after = "push, null"
    return continuation


def _loads_method(instruction: Instruction) -> bool:
    return VERSION >= (3, 12) and bool(instruction.arg & 1)


def _is_property(site: Site) -> bool:
    """Is the inner frame the function of the property that the instruction names?"""
    instruction = site.instruction
    if instruction.name not in ATTRIBUTES:
        return False
    index = instruction.arg >> 1 if instruction.name == "LOAD_ATTR" and VERSION >= (3, 12) else instruction.arg
    site.live.expect(site.inner_self)
    found = _find(type(site.operand(len(site.kinds) - 1)), site.facts.code.co_names[index])
    return isinstance(found, property) and site.inner_code in map(_code_behind, (found.fget, found.fset, found.fdel))


# ---- 3. entered through C: the others --------------------------------------------------------------------------------


def _enter(site: Site) -> Continuation:
    if site.inner_code.co_name != "__enter__":
        raise site.pin("held by a with statement", site.inner_view.function)
    manager = site.slot(len(site.kinds) - 1)
    # 3.11 has put the bound `__exit__` into the manager's slot; later versions keep it in a C variable.
    leave = manager if VERSION == (3, 11) else type(manager).__exit__.__get__(manager)
    return Continuation(len(site.kinds) - 1, pre=[leave])


def _leave(site: Site) -> Continuation:
    if site.inner_code.co_name != "__exit__":
        raise site.pin("held by a with statement", site.inner_view.function)
    return Continuation(len(site.kinds))


SPECIAL: dict[str, Callable[[Site], Continuation]] = {
    "BEFORE_WITH": _enter,
    "WITH_EXCEPT_START": _leave,
}


# ---- blocked in C: calls that may be made again ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Blocking:
    """A C call that has no effect until it returns, so that it may be made again elsewhere."""

    callable: Any
    timeout: int | None = None  # which argument says how long it may take
    unit: float = 1.0  # in seconds


def _blocking() -> dict[int, Blocking]:
    rows = [
        Blocking(time.sleep, 0),
        Blocking(_signal.pause),
        Blocking(select.select, 3),
        Blocking(type(_thread.allocate_lock()).acquire, 1),
        Blocking(_thread.RLock.acquire, 1),
        Blocking(type(select.poll()).poll, 0, 0.001),
        Blocking(select.epoll.poll, 0),
    ]
    return {id(row.callable): row for row in rows}


BLOCKING = _blocking()


def is_blocked(view: Frame, facts: Facts, instruction: Instruction) -> Blocking | None:
    """Is the frame *inside* a C call that may be made again?

    The words of the stack are only compared, never followed: up to 3.13 a frame that a signal has stopped right
    *after* the call looks the same from outside, and its operand slots dangle. But then the lowest slot holds the
    result already, and that is none of the callables.
    """
    if instruction.name not in ("CALL", "PRECALL"):
        return None
    depth = len(facts.kinds(instruction))
    if LAYOUT.depth_is_pointer and view.saved_depth(facts.locals_count) != depth:
        return None
    lowest = facts.locals_count + lowest_operand(instruction, depth)
    word = view.word(lowest)
    if word == 0 and VERSION < (3, 13):
        word = view.word(lowest + 1)
    return BLOCKING.get(plain(word))


def blocked_callable(view: Frame, facts: Facts, instruction: Instruction) -> Any:
    """The callable that a blocked frame is in, for a message."""
    if instruction.name not in CALLS:
        return None
    lowest = facts.locals_count + lowest_operand(instruction, len(facts.kinds(instruction)))
    live = LiveObjects()
    callable = view.operand(lowest, live)
    if VERSION < (3, 13) and (callable is NULL or instruction.name == "CALL_FUNCTION_EX"):
        callable = view.operand(lowest + 1, live)
    return GONE if callable is NULL else callable

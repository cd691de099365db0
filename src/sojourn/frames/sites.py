# pyright: basic
# (generators, frames and hooks of the interpreter have few static types)
"""The words of `boundary`: a frame stopped inside an instruction, how it goes on, and what pins it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FrameType, FunctionType, MethodType
from typing import Any

from .analyze import VERSION, Facts, Instruction
from .assemble import original_of
from .layout import GONE, NULL, Frame, LiveObjects, plain

BUILTIN_CALLABLES = (BuiltinFunctionType, type(list.append), type((1).__add__), type(int.__add__))


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
        line = self.frame.f_lineno or code.co_firstlineno
        return f"{code.co_filename}:{line} in {code.co_qualname}: {self.why}{what}"

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
    after: str = ""  # words of `assemble.EPILOGUES`
    again: bool = False  # execute the instruction again: there is no call of ours
    reenter: bool = False  # execute the instruction again with the result in place of its operand
    exit: int = 0  # where a loop goes on when it is over
    fallback: list[Any] = field(default_factory=list)  # what "ask" needs


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

    def is_operand(self, from_top: int, value: Any) -> bool:
        """Is `value` the operand so far from the top (1 is the top)? Compares words, follows nothing."""
        return plain(self.view.word(self.facts.locals_count + len(self.kinds) - from_top)) == id(value)

    @property
    def inner_self(self) -> Any:
        """The first argument of the inner frame, as it is now."""
        return self.argument(0)

    def argument(self, index: int) -> Any:
        value = self.inner_view.slot(index) if self.inner.f_code.co_nlocals > index else NULL
        if type(value) is CellType:
            try:
                return value.cell_contents
            except ValueError:
                return NULL
        return value


def lowest_operand(instruction: Instruction, depth: int) -> int:
    """The lowest of the slots that a call has its operands in."""
    match instruction.name:
        case "CALL_FUNCTION_EX":
            return depth - (4 if VERSION >= (3, 14) else 3 + (instruction.arg & 1))
        case "CALL_KW":
            return depth - instruction.arg - 3
        case _:
            return depth - instruction.arg - 2


def code_behind(callable: Any) -> CodeType | None:
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
            callable = find(type(callable), "__call__")
    return None


def find(kind: type, name: str) -> Any:
    """An attribute of a class, unbound, without calling any code."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)

# pyright: basic
# (generators, frames and hooks of the interpreter have few static types)
"""The words of `boundary`: a frame stopped inside an instruction, how it goes on, and what pins it."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import BuiltinFunctionType, CellType, CodeType, FrameType, FunctionType, MethodType
from typing import Any

from .analyze import VERSION, Facts, Instruction, local_names
from .assemble import original_of
from .layout import GONE, NULL, Frame, LiveObjects, plain
from .lookup import find, type_name

CALLS = frozenset({"CALL", "PRECALL", "CALL_KW", "CALL_FUNCTION_EX"})
PARTIAL = "functools.partial"  # by name: a module that is imported again makes another one
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


class Elsewhere(Pin):
    """Other threads are not at rest: nothing is to be armed in this one. Takes what holds each of them back."""

    def __init__(self, pins: list[Pin]) -> None:
        first = pins[0]
        super().__init__(first.frame, f"(in another thread) {first.why}", first.callable)
        self.pins = pins


def name_of(callable: Any) -> str:
    """`module.qualname` where there is one, without calling any code of the program."""
    if callable is GONE:
        return repr(GONE)
    if not issubclass(type(callable), (type, FunctionType, BuiltinFunctionType, MethodType)):
        kind = type(callable)
        qualname = getattr(callable, "__qualname__", None) if kind.__module__ == "builtins" else None
        return f"{qualname}()" if issubclass(type(qualname), str) else f"a {kind.__module__}.{kind.__qualname__} object"
    module = getattr(callable, "__module__", None)
    prefix = "" if module in (None, "builtins") else f"{module}."
    return f"{prefix}{callable.__qualname__}()"


@dataclass(slots=True)
class Continuation:
    """How an outer frame goes on."""

    keep: int  # stack slots that stay as they are
    pre: list[Any] = field(default_factory=list)  # what to push on them (may hold NULL)
    after: str = ""  # words of `epilogues`
    again: bool = False  # execute the instruction again: there is no call of ours
    at: Instruction | None = None  # the instruction to execute again, if it is another one
    drives: bool = False  # there is no call of ours: the course drives a generator
    reenter: bool = False  # execute the instruction again with the result in place of its operand
    exit: int = 0  # where a loop goes on when it is over
    course: list[Any] | None = None  # what is left to be done: kind and fields of a `course.Step`


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
    closing: bool = False  # is GeneratorExit on the inner frame's stack, before or after it is handled?

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

    def call_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """All arguments of a call that is running; Pin if one of them is not certain to be alive."""
        depth, instruction = len(self.kinds), self.instruction
        if instruction.name == "CALL_FUNCTION_EX":
            at = unpacked_place(instruction, depth)
            mapping: Any = NULL
            if at < depth - 1 and self._word(depth - 1):
                (mapping,) = self._arguments(range(depth - 1, depth))
            (arguments,) = self._arguments(range(at, at + 1))
            return tuple(arguments), {} if mapping is NULL else dict(mapping)
        names, end = self._keyword_names(), depth
        if instruction.name == "CALL_KW":
            (names,), end = self._arguments(range(depth - 1, depth)), depth - 1
        lowest = lowest_operand(instruction, depth)
        bound = self._word(lowest if VERSION < (3, 13) else lowest + 1)  # [method, self] or [NULL, callable]
        values = self._arguments(range(lowest + (1 if bound else 2), end))
        split = len(values) - len(names)
        return tuple(values[:split]), dict(zip(names, values[split:], strict=True))

    def _keyword_names(self) -> tuple[str, ...]:
        return keyword_names(self.facts, self.instruction)

    def _word(self, index: int) -> int:
        return plain(self.view.word(self.facts.locals_count + index))

    def _arguments(self, slots: range) -> list[Any]:
        if VERSION >= (3, 14):
            return [self.slot(index) for index in slots]
        words = [self._word(index) for index in slots]
        held: dict[int, Any] = {}
        for part in self._held_certainly(words):
            held.update((id(value), value) for value in part)
            if all(word in held for word in words):
                return [held[word] for word in words]
        raise self.pin("with arguments that cannot be seen, held by", self.read_call()[0])

    def _held_certainly(self, words: list[int]) -> Iterator[Iterable[Any]]:
        """Objects that are alive, cheapest first: in the frames on both sides of the call, and what the call packed."""
        yield _IMMORTAL
        yield self.facts.code.co_consts
        yield fast_values(self.inner_view, self.inner_code)
        yield fast_values(self.view, self.facts.code)
        yield list(self.frame.f_globals.values())
        yield [value for value in map(self.live.find, words) if value is not GONE]
        for thing in gc.get_objects():
            if type(thing) is tuple:
                parts = gc.get_referents(thing)  # one that C is still filling cannot be iterated over
                if list(map(id, parts))[-len(words) :] == words:
                    yield parts

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


def keyword_names(facts: Facts, instruction: Instruction) -> tuple[str, ...]:
    """3.11 and 3.12 name keyword arguments in an instruction of its own, before the call."""
    if VERSION >= (3, 13):
        return ()
    first = facts.at(facts.restart(instruction))
    return facts.code.co_consts[first.arg] if first.name == "KW_NAMES" else ()


def lowest_operand(instruction: Instruction, depth: int) -> int:
    """The lowest of the slots that a call has its operands in."""
    match instruction.name:
        case "CALL_FUNCTION_EX":
            return depth - (4 if VERSION >= (3, 14) else 3 + (instruction.arg & 1))
        case "CALL_KW":
            return depth - instruction.arg - 3
        case _:
            return depth - instruction.arg - 2


def unpacked_place(instruction: Instruction, depth: int) -> int:
    """The slot of the tuple of CALL_FUNCTION_EX. Up to 3.13 a mapping is above it or not; since then there may be a
    NULL in its place.
    """
    return depth - 1 - (1 if VERSION >= (3, 14) else instruction.arg & 1)


def code_behind(callable: Any) -> CodeType | None:
    """The code a call of `callable` ends up in, through wrappers that only pass the result on."""
    for _ in range(10):
        kind = type(callable)
        if kind is FunctionType:
            return original_of(callable.__code__)
        if kind in (MethodType, staticmethod, classmethod):
            callable = callable.__func__
        elif type_name(kind) == PARTIAL:
            callable = callable.func
        elif callable is None or kind in BUILTIN_CALLABLES or issubclass(kind, type):
            return None
        else:
            callable = find(kind, "__call__")
    return None


# What is never given back: small numbers, single letters, the empty ones.
_IMMORTAL: tuple[Any, ...] = (
    None, True, False, Ellipsis, NotImplemented, (), "", b"", *range(-5, 257), *map(chr, range(256))
)  # fmt: skip


def fast_values(view: Frame, code: CodeType) -> Iterator[Any]:
    """The locals of a frame, what their cells hold, and what its `*args` and `**kwargs` hold."""
    rest = code.co_argcount + code.co_kwonlyargcount
    packed = range(rest, rest + bool(code.co_flags & 4) + bool(code.co_flags & 8))
    for index in range(len(local_names(code))):
        value = view.slot(index)
        if type(value) is CellType:
            try:
                value = value.cell_contents
            except ValueError:
                continue
        yield value
        if index in packed and type(value) is tuple:
            yield from value
        elif index in packed and type(value) is dict:
            yield from list(value.values())

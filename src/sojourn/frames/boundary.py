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
import gc
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, dropwhile, filterfalse, islice, starmap, takewhile
from types import BuiltinFunctionType, CellType, CodeType, FrameType, FunctionType, MethodType, WrapperDescriptorType
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
    name, depth, generator = site.instruction.name, len(site.kinds), site.inner_view.generator
    if name == "FOR_ITER" and _feeds(generator, site.slot(depth - 1)):
        return Continuation(depth, again=True)
    if name == "SEND" and _awaits(generator, site.slot(depth - 2)):
        return Continuation(depth - 1, pre=[None], again=True)
    if name not in CALLS:
        raise site.pin(f"a generator is being run by {name}", generator)
    site.live.expect(generator)
    callable, receiver, arguments, _ = site.read_call()
    method = getattr(callable, "__name__", None) if isinstance(callable, BUILTIN_CALLABLES) else None
    if method in _RESUMING_METHODS and (receiver is generator or getattr(callable, "__self__", None) is generator):
        return Continuation(depth, again=True)
    if callable is next and arguments and arguments[0] is generator:
        return Continuation(depth, again=True)
    raise site.pin("a generator is being run by", callable)


# Iterators made in C that hold nothing while they ask their one source: asking them again asks the source again.
_TRANSPARENT = frozenset({enumerate, filter, chain, dropwhile, filterfalse, islice, starmap, takewhile})


def _feeds(generator: Any, iterator: Any) -> bool:
    """Does the next step of `iterator` come down to the next step of `generator` and nothing else?"""
    while iterator is not generator:
        if type(iterator) not in _TRANSPARENT:
            return False
        sources = [r for r in gc.get_referents(iterator) if r is generator or type(r) in _TRANSPARENT]
        if len(sources) != 1:
            return False
        iterator = sources[0]
    return True


def _awaits(generator: Any, awaited: Any) -> bool:
    """The same for `await`, whose awaitables made in C are wrappers around a coroutine or a step."""
    if awaited is generator:
        return True
    kind = type(awaited).__name__
    return kind in ("coroutine_wrapper", "async_generator_asend") and any(
        r is generator for r in gc.get_referents(awaited)
    )


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
        if _code_behind(_find(type(callable), "__call__")) is inner_code:
            return Continuation(lowest)  # a metaclass's `__call__`
        if inner_code is _code_behind(_find(callable, "__init__")):
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
    """An instruction that takes `operands` off the stack and hands them to a special method of one of them.

    `receivers` says which operands may be that method's first argument, counted from the top.
    """

    operands: int
    methods: frozenset[str]
    receivers: tuple[int, ...] = (1,)
    after: str = ""


def _methods(names: str) -> frozenset[str]:
    return frozenset(f"__{name}__" for name in names.split())


# In the order of BINARY_OP's argument; the in-place forms follow in the same order.
_ARITHMETIC = "add and floordiv lshift matmul mul mod or pow rshift sub truediv xor".split()
_SYMBOLS = "+ & // << @ * % | ** >> - / ^".split()
_BINARY = _methods(" ".join(f"{p}{n}" for n in _ARITHMETIC for p in ("", "r", "i")))
_COMPARISONS = ("lt", "le", "eq", "ne", "gt", "ge")
_COMPARISON_SYMBOLS = ("<", "<=", "==", "!=", ">", ">=")
_SWAPPED = {"lt": "gt", "le": "ge", "eq": "eq", "ne": "ne", "gt": "lt", "ge": "le"}
_NULL_BEHIND = "null" if VERSION >= (3, 15) else ""

OPERATORS: dict[str, Operator] = {
    "BINARY_OP": Operator(2, _BINARY, (1, 2)),
    "COMPARE_OP": Operator(2, _methods(" ".join(_COMPARISONS)), (1, 2)),
    "BINARY_SUBSCR": Operator(2, _methods("getitem class_getitem missing"), (2,)),
    "BINARY_SLICE": Operator(3, _methods("getitem"), (3,)),
    "STORE_SUBSCR": Operator(3, _methods("setitem"), (2,), "drop"),
    "STORE_SLICE": Operator(4, _methods("setitem"), (3,), "drop"),
    "DELETE_SUBSCR": Operator(2, _methods("delitem"), (2,), "drop"),
    "CONTAINS_OP": Operator(2, _methods("contains")),
    "UNARY_NEGATIVE": Operator(1, _methods("neg")),
    "UNARY_POSITIVE": Operator(1, _methods("pos")),
    "UNARY_INVERT": Operator(1, _methods("invert")),
    "GET_ITER": Operator(1, _methods("iter"), after=_NULL_BEHIND),
    "GET_YIELD_FROM_ITER": Operator(1, _methods("iter")),
    "GET_AWAITABLE": Operator(1, _methods("await")),
    "GET_AITER": Operator(1, _methods("aiter")),
    "LOAD_ATTR": Operator(1, _methods("getattr getattribute")),
    "LOAD_METHOD": Operator(1, _methods("getattr getattribute")),
    "STORE_ATTR": Operator(2, _methods("setattr"), after="drop"),
    "DELETE_ATTR": Operator(1, _methods("delattr"), after="drop"),
    "FORMAT_SIMPLE": Operator(1, _methods("format str repr")),
    "FORMAT_WITH_SPEC": Operator(2, _methods("format"), (2,)),
}


def _operator(site: Site, operator: Operator) -> Continuation:
    instruction, depth = site.instruction, len(site.kinds)
    method = site.inner_code.co_name
    continuation = Continuation(depth - operator.operands, after=operator.after)
    if instruction.name in ATTRIBUTES:
        if not _is_attribute_access(site, operator):
            raise site.pin(f"held by {instruction.name}", site.inner_view.function)
        if instruction.name == "LOAD_METHOD" or (instruction.name == "LOAD_ATTR" and _loads_method(instruction)):
            # The pair for a call: [NULL, callable] up to 3.12, [callable, NULL] from then on.
            if VERSION < (3, 13):
                continuation.pre = [NULL]
            else:
                continuation.after = "null"
        return continuation
    receiver = next((r for r in operator.receivers if site.is_operand(r, site.inner_self)), None)
    if method not in operator.methods or receiver is None:
        raise site.pin(f"held by {instruction.name}", site.inner_view.function)
    if instruction.name == "CONTAINS_OP":
        continuation.after = "falsehood" if instruction.arg else "truth"
    elif instruction.name == "BINARY_OP":
        _ask_for_arithmetic(site, continuation)
    elif instruction.name == "COMPARE_OP":
        _ask_for_comparison(site, continuation)
    return continuation


# An operator asks its operands in turn until one does not give NotImplemented. The methods not asked yet, each with
# receiver and argument, and what happens when all decline, are the two values that "ask" needs.
_Stages = list[tuple[str, Any, Any]]


def _ask_for_arithmetic(site: Site, continuation: Continuation) -> None:
    in_place, number = divmod(site.instruction.arg, len(_ARITHMETIC))
    name, symbol = _ARITHMETIC[number], _SYMBOLS[number] + "=" * in_place
    left, right = site.slot(len(site.kinds) - 2), site.slot(len(site.kinds) - 1)
    forward, reflected = (f"__{name}__", left, right), (f"__r{name}__", right, left)
    if type(left) is type(right):
        stages = [forward]
    elif issubclass(type(right), type(left)):
        stages = [reflected, forward]
    elif isinstance(_find(type(left), forward[0]), WrapperDescriptorType) and _find(type(left), reflected[0]) is None:
        stages = [reflected, forward]  # a sequence made in C: its `+` and `*` come after all numbers
    else:
        stages = [forward, reflected]
    if in_place:
        stages.insert(0, (f"__i{name}__", left, right))
    if name == "pow" and not in_place:
        symbol = "** or pow()"
    refusal = f"unsupported operand type(s) for {symbol}: {type(left).__name__!r} and {type(right).__name__!r}"
    continuation.after = "ask"
    continuation.fallback = [_not_asked_yet(site, stages), refusal]


def _ask_for_comparison(site: Site, continuation: Continuation) -> None:
    arg = site.instruction.arg
    number = arg if VERSION < (3, 12) else arg >> 4 if VERSION < (3, 13) else arg >> 5
    # The argument counts < <= == != > >= in this order, on every version.
    name, symbol = _COMPARISONS[number], _COMPARISON_SYMBOLS[number]
    left, right = site.slot(len(site.kinds) - 2), site.slot(len(site.kinds) - 1)
    stages = [(f"__{name}__", left, right), (f"__{_SWAPPED[name]}__", right, left)]
    if type(left) is not type(right) and issubclass(type(right), type(left)):
        stages.reverse()
    otherwise: Any = f"{symbol!r} not supported between instances of {type(left).__name__!r} and {type(right).__name__!r}"
    if name in ("eq", "ne"):
        otherwise = (left is right) is (name == "eq")
    # `object.__ne__` inverts what the class's own `__eq__` gives.
    inverted = name == "ne" and site.inner_code.co_name == "__eq__"
    continuation.after = "ask-inverted" if inverted else "ask"
    if VERSION >= (3, 13) and arg & 16:
        continuation.after += " truth"
    continuation.fallback = [_not_asked_yet(site, stages, "__ne__" if inverted else None), otherwise]


def _not_asked_yet(site: Site, stages: _Stages, asked: str | None = None) -> list[tuple[Any, Any, Any]]:
    """The stages behind the one that the inner frame is."""
    asked = asked or site.inner_code.co_name
    done = next((n for n, (name, who, _) in enumerate(stages) if name == asked and who is site.inner_self), None)
    if done is None:
        raise site.pin(f"held by {site.instruction.name}", site.inner_view.function)
    found = ((_find(type(receiver), name), receiver, other) for name, receiver, other in stages[done + 1 :])
    return [stage for stage in found if stage[0] is not None]


ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR"})
_DESCRIPTOR_METHODS = _methods("get set delete")


def _loads_method(instruction: Instruction) -> bool:
    return VERSION >= (3, 12) and bool(instruction.arg & 1)


def _is_attribute_access(site: Site, operator: Operator) -> bool:
    """Is the inner frame what reading or writing this attribute comes down to?

    Where AttributeError would make the interpreter ask `__getattr__` as well, it is not.
    """
    instruction, top = site.instruction, len(site.kinds) - 1
    index = instruction.arg >> 1 if instruction.name == "LOAD_ATTR" and VERSION >= (3, 12) else instruction.arg
    name, inner_name = site.facts.code.co_names[index], site.inner_code.co_name
    reads = instruction.name in ("LOAD_ATTR", "LOAD_METHOD")
    if inner_name in _DESCRIPTOR_METHODS:
        owner = site.argument(1)
    else:
        owner = site.inner_self
    if owner is NULL or not site.is_operand(1, owner):
        return False
    kind = type(site.slot(top))
    if reads and inner_name != "__getattr__" and _find(kind, "__getattr__") is not None:
        return False
    if inner_name in operator.methods:
        return True
    found = _find(kind, name)
    if inner_name in _DESCRIPTOR_METHODS:
        return found is site.inner_self
    return isinstance(found, property) and site.inner_code in map(_code_behind, (found.fget, found.fset, found.fdel))


# ---- 3. entered through C: the others --------------------------------------------------------------------------------


def _iterate(site: Site) -> Continuation:
    """A `for` over an object whose `__next__` is Python."""
    iterator = site.slot(len(site.kinds) - 1)
    if _code_behind(_find(type(iterator), "__next__")) is not site.inner_code:
        raise site.pin("held by the iterator of a for loop,", iterator)
    # From 3.12 on the loop ends behind END_FOR, from 3.13 on behind its POP_TOP too.
    behind = 0 if VERSION < (3, 12) else 2 if VERSION < (3, 13) else 4
    assert site.instruction.target is not None
    return Continuation(len(site.kinds), after="next", exit=site.instruction.target + behind)


def _truth(site: Site) -> Continuation:
    """`__bool__` or `__len__` of an operand whose truth decides: what they give has the same truth."""
    if site.inner_code.co_name not in ("__bool__", "__len__") or not site.is_operand(1, site.inner_self):
        raise site.pin(f"held by {site.instruction.name}", site.inner_view.function)
    return Continuation(len(site.kinds) - 1, reenter=True)


def _format(site: Site) -> Continuation:
    """Up to 3.12 one instruction converts (two low bits) and formats (with a specification: bit 2)."""
    conversion, specified = site.instruction.arg & 3, site.instruction.arg >> 2 & 1
    final = ("__format__",) if specified else ("__format__", "__str__", "__repr__")
    allowed = final if conversion == 0 else ("__str__", "__repr__") if conversion < 3 and not specified else ()
    if site.inner_code.co_name not in allowed or not site.is_operand(1 + specified, site.inner_self):
        raise site.pin("held by an f-string", site.inner_view.function)
    return Continuation(len(site.kinds) - 1 - specified)


def _convert(site: Site) -> Continuation:
    """3.13: `!s` and `!r` give what `__str__` and `__repr__` give; `!a` does more."""
    if site.instruction.arg == 3 or not site.is_operand(1, site.inner_self):
        raise site.pin("held by an f-string", site.inner_view.function)
    if site.inner_code.co_name not in ("__str__", "__repr__"):
        raise site.pin("held by an f-string", site.inner_view.function)
    return Continuation(len(site.kinds) - 1)


def _enter(site: Site) -> Continuation:
    if site.inner_code.co_name != "__enter__" or not site.is_operand(1, site.inner_self):
        if VERSION > (3, 11) or site.inner_code.co_name != "__enter__":
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
    "FOR_ITER": _iterate,
    "TO_BOOL": _truth,
    "UNARY_NOT": _truth,
    "POP_JUMP_FORWARD_IF_FALSE": _truth,
    "POP_JUMP_FORWARD_IF_TRUE": _truth,
    "POP_JUMP_BACKWARD_IF_FALSE": _truth,
    "POP_JUMP_BACKWARD_IF_TRUE": _truth,
    "POP_JUMP_IF_FALSE": _truth,
    "POP_JUMP_IF_TRUE": _truth,
    "FORMAT_VALUE": _format,
    "CONVERT_VALUE": _convert,
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

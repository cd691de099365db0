# pyright: basic
# (generators, frames and hooks of the interpreter have few static types)
"""Operators, loops and `with` that came down to Python through a C slot: what they do with the result.

Theory. An instruction hands its operands to a C slot, and the slot calls a special method. For most, the result of
the method is the instruction's. Some do more: a comparison whose result decides a jump needs its truth, `in` may be
inverted, an operator that gets NotImplemented asks its other operand, a `for` whose `__next__` raises StopIteration
is over.

Guarantee: the inner frame is taken for the callee only if it has the special method's name *and* its first argument
is the very operand the instruction would ask. (`[a] == [b]` calls `a.__eq__` too, but its result is not the list's.)
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from types import WrapperDescriptorType
from typing import Any

from .analyze import ITERATOR_SLOTS, VERSION
from .lookup import find, names_of
from .sites import Continuation, Site, code_behind


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
_ARITHMETIC = (
    "add", "and", "floordiv", "lshift", "matmul", "mul", "mod", "or", "pow", "rshift", "sub", "truediv", "xor",
)  # fmt: skip
_SYMBOLS = ("+", "&", "//", "<<", "@", "*", "%", "|", "**", ">>", "-", "/", "^")
_SUBSCRIPT = 2 * len(_ARITHMETIC)  # from 3.14 on BINARY_OP does BINARY_SUBSCR's work too
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
    "FORMAT_SIMPLE": Operator(1, _methods("format str repr")),
    "FORMAT_WITH_SPEC": Operator(2, _methods("format"), (2,)),
}


def through_operator(site: Site, operator: Operator) -> Continuation:
    instruction, depth = site.instruction, len(site.kinds)
    if instruction.name == "BINARY_OP" and instruction.arg == _SUBSCRIPT:
        operator = OPERATORS["BINARY_SUBSCR"]
    method = site.inner_code.co_name
    continuation = Continuation(depth - operator.operands, after=operator.after)
    receiver = next((r for r in operator.receivers if site.is_operand(r, site.inner_self)), None)
    if method not in operator.methods or receiver is None:
        raise site.pin(f"held by {instruction.name}", site.inner_view.function)
    if instruction.name == "CONTAINS_OP":
        continuation.after = "falsehood" if instruction.arg else "truth"
    elif operator is OPERATORS["BINARY_OP"]:
        continuation.course = _arithmetic(site)
    elif instruction.name == "COMPARE_OP":
        continuation.course = _comparison(site)
        if VERSION >= (3, 13) and instruction.arg & 16:
            continuation.after = "truth"
    return continuation


# An operator asks its operands in turn until one does not give NotImplemented: name, receiver, argument.
_Stages = list[tuple[str, Any, Any]]


def _arithmetic(site: Site) -> list[Any]:
    in_place, number = divmod(site.instruction.arg, len(_ARITHMETIC))
    name, symbol = _ARITHMETIC[number], _SYMBOLS[number] + "=" * in_place
    left, right = site.slot(len(site.kinds) - 2), site.slot(len(site.kinds) - 1)
    forward, reflected = (f"__{name}__", left, right), (f"__r{name}__", right, left)
    if type(left) is type(right):
        stages = [forward]
    elif issubclass(type(right), type(left)) and _overrides(type(right), type(left), reflected[0]):
        stages = [reflected, forward]
    elif type(find(type(left), forward[0])) is WrapperDescriptorType and find(type(left), reflected[0]) is None:
        stages = [reflected, forward]  # a sequence made in C: its `+` and `*` come after all numbers
    else:
        stages = [forward, reflected]
    if in_place:
        stages.insert(0, (f"__i{name}__", left, right))
    if name == "pow" and not in_place:
        symbol = "** or pow()"
    refusal = f"unsupported operand type(s) for {symbol}: {type(left).__name__!r} and {type(right).__name__!r}"
    return ["ask", _from_here(site, stages), refusal]


def _overrides(kind: type, base: type, name: str) -> bool:
    found = find(kind, name)
    return found is not None and found is not find(base, name)


def _comparison(site: Site) -> list[Any]:
    arg = site.instruction.arg
    number = arg if VERSION < (3, 12) else arg >> 4 if VERSION < (3, 13) else arg >> 5
    # The argument counts < <= == != > >= in this order, on every version.
    name, symbol = _COMPARISONS[number], _COMPARISON_SYMBOLS[number]
    left, right = site.slot(len(site.kinds) - 2), site.slot(len(site.kinds) - 1)
    stages = [(f"__{name}__", left, right), (f"__{_SWAPPED[name]}__", right, left)]
    if type(left) is not type(right) and issubclass(type(right), type(left)):
        stages.reverse()
    kinds = f"{type(left).__name__!r} and {type(right).__name__!r}"
    otherwise: Any = f"{symbol!r} not supported between instances of {kinds}"
    if name in ("eq", "ne"):
        otherwise = (left is right) is (name == "eq")
    return ["ask", _from_here(site, stages), otherwise]


def _from_here(site: Site, stages: _Stages) -> list[tuple[Any, Any, Any, bool]]:
    """The stages from the one on that the inner frame is, with their methods, and whether the answer is inverted."""
    found = [_stage(*stage) for stage in stages]
    for number, (method, receiver, _, _) in enumerate(found):
        if receiver is site.inner_self and code_behind(method) is site.inner_code:
            return [stage for stage in found[number:] if stage[0] is not None]
    raise site.pin(f"held by {site.instruction.name}", site.inner_view.function)


def _stage(name: str, receiver: Any, other: Any) -> tuple[Any, Any, Any, bool]:
    """`object.__ne__` inverts what the class's own `__eq__` gives."""
    method = find(type(receiver), name)
    if name == "__ne__" and method is object.__ne__ and code_behind(find(type(receiver), "__eq__")) is not None:
        return find(type(receiver), "__eq__"), receiver, other, True
    return method, receiver, other, False


# ---- others ----------------------------------------------------------------------------------------------------------


def _iterate(site: Site) -> Continuation:
    """A `for` over an object whose `__next__` is Python."""
    site.live.expect(site.inner_self)
    iterator = site.operand(len(site.kinds) - ITERATOR_SLOTS)  # gone, if the inner frame is a finalizer of what it held
    step = find(type(iterator), "__next__")
    if type(iterator) is map:  # it gives what its function gives
        step = gc.get_referents(iterator)[1]
    if code_behind(step) is not site.inner_code:
        raise site.pin("held by the iterator of a for loop,", iterator)
    # From 3.12 on the loop ends behind END_FOR, from 3.13 on behind its POP_TOP too (from 3.15 on that drops two).
    behind = 0 if VERSION < (3, 12) else 4 if (3, 13) <= VERSION < (3, 15) else 2
    assert site.instruction.target is not None
    return Continuation(len(site.kinds), after="next", exit=site.instruction.target + behind)


def _truth(site: Site) -> Continuation:
    """`__bool__` or `__len__` of an operand whose truth decides: the instruction is given that truth instead."""
    method, owner = site.inner_code.co_name, site.inner_self
    if method not in ("__bool__", "__len__") or not site.is_operand(1, owner):
        raise site.pin(f"held by {site.instruction.name}", site.inner_view.function)
    course = ["checked", bool, method, names_of(type(owner)), ()]
    return Continuation(len(site.kinds) - 1, reenter=True, course=course)


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
    # 3.11 has put the bound `__exit__` into the manager's slot; later versions keep it in a C variable.
    in_place = VERSION == (3, 11) or site.is_operand(1, site.inner_self)
    if site.inner_code.co_name != "__enter__" or not in_place:
        raise site.pin("held by a with statement", site.inner_view.function)
    manager = site.slot(len(site.kinds) - 1)
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

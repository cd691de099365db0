# pyright: basic
# (objects of types that no module shows)
"""Iterators over a code object's lines and positions (`co_lines()`, `co_positions()`), as dis and traceback hold them.

Such an iterator shows neither its code object nor how far it is. Its code object is the first field that it has, and
how far it is follows from comparison: a new iterator over the same code is moved on until where it stands in the line
table, and in the code, is where the other one does. Those that are never met so are refused.
"""

from __future__ import annotations

import ctypes
from types import CodeType
from typing import Any

from sojourn.errors import InternalError

from .dumper import Dumper, Refuse
from .registry import constructor, reduces
from .words import word

_CODE = 16  # both: refcount, type, code, range (start, end; line; computed line, next in the table, its end)
_BOUNDS, _LINE, _NEXT = 24, 32, 48
_OFFSET = 64  # of positions alone: how far in the code
_HALF = (1 << 32) - 1

_sample = word.__code__
_lines: Any = type(_sample.co_lines())
_positions: Any = type(_sample.co_positions())
_MAKERS: dict[type, tuple[str, Any]] = {
    _lines: ("co_lines", CodeType.co_lines),
    _positions: ("co_positions", CodeType.co_positions),
}


def _place(iterator: Any) -> tuple[int, ...]:
    at = id(iterator)
    found = (word(at + _BOUNDS), word(at + _LINE) & _HALF, word(at + _NEXT))
    return (*found, word(at + _OFFSET) & _HALF) if type(iterator) is _positions else found


def _code_of(iterator: Any) -> CodeType:
    address = word(id(iterator) + _CODE)
    if word(address + 8) != id(CodeType):
        raise Refuse(iterator, "its code object is not found in it")
    return ctypes.cast(address, ctypes.py_object).value


def _steps(iterator: Any, code: CodeType) -> int:
    """How often a new one has to be moved on to stand where this one does. (At its end it stays where it is.)"""
    wanted, other = _place(iterator), _MAKERS[type(iterator)][1](code)
    for steps in range(len(code.co_code) + 2):
        if _place(other) == wanted:
            return steps
        next(other, None)
    raise Refuse(iterator, "how far it is cannot be found")


@reduces(_lines, _positions)
def _reduce_iterator(iterator: Any, dumper: Dumper) -> Any:
    code = _code_of(iterator)
    return code_iterator, (code, _MAKERS[type(iterator)][0], _steps(iterator, code))


@constructor
def code_iterator(code: CodeType, name: str, steps: int) -> Any:
    made = getattr(code, name)()
    for _ in range(steps):
        next(made, None)
    return made


def _verify() -> None:
    code = _verify.__code__
    for kind, (_, make) in _MAKERS.items():
        for steps in (0, 1, 3, len(code.co_code)):
            sample = make(code)
            for _ in range(steps):
                next(sample, None)
            again = make(code)
            for _ in range(_steps(sample, _code_of(sample))):
                next(again, None)
            if list(again) != list(sample) or type(sample) is not kind:
                raise InternalError("iterators over a code object's lines are not laid out as expected")


_verify()

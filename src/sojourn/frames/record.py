"""The record of one frame at rest: everything needed to build the code object that goes on from there.

A stack at rest is a flat list of records, outermost first (flat, so that depth costs no recursion). Records hold live
objects (code, globals, values); the heap's pickler carries them like any other object of the program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import CodeType
from typing import Any


@dataclass(slots=True, eq=False)
class FrameRecord:
    """One frame (or one generator or coroutine that holds a frame).

    `kinds` describes the value stack bottom to top, a letter a slot: "o" an object, "N" NULL, "L" a pushed lasti,
    "P" the previous exception that PUSH_EXC_INFO saved. `values` are the objects to refill, in the order in which the
    prologue pops them: bound locals by index, then stack objects bottom to top, then those of `pre`.
    """

    code: CodeType  # the original, never a one-time code object
    globals: dict[str, Any]
    name: str
    qualname: str
    bound: list[bool] = field(default_factory=list)  # which of the fast locals (and cells, frees) hold a value
    values: list[Any] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    lasti_lines: dict[int, int | None] = field(default_factory=dict)  # "L" slot -> line
    lasti_offsets: dict[int, int] = field(default_factory=dict)  # "L" slot -> offset in the original code
    target: int = 0  # offset in the original code to jump to
    site: int | None = None  # offset of the interrupted call, whose exception handler covers the prologue's call
    line: int | None = None
    generator: bool = False
    prime: str | None = None  # generators: "created", "yield", "running", "task"
    yield_arg: int = 0
    resume_arg: int = 0
    async_wrap: bool = False
    pre: tuple[str, ...] = ()  # what to push under the inner frame's result
    post: tuple[tuple[str, int], ...] = ()  # instructions after the inner frame's result
    has_inner: bool = False  # the next record of the stack runs inside this one's interrupted call

"""The record of one frame at rest: everything needed to build the code object that goes on from there.

Concepts. A stack at rest is a flat list of records, outermost first (flat, so that depth costs no recursion). Each
record but the last runs the next one inside its interrupted call. A frame that runs inside a generator belongs to that
generator and not to the stack: the frame outside it will execute its `for`, `send()` or `await` again, which enters the
rebuilt generator. So a stack is cut at its running generators, and each of them keeps its own part (`inner`).

Records hold live objects (code, globals, values); the heap's pickler carries them like any other object of the program.
What must exist before a generator object can exist (`shape`) is told apart from what may refer back to the generator
(`values`, `inner`), because the two are loaded at different times.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any


@dataclass(slots=True, eq=False)
class FrameRecord:
    """One frame (or one generator or coroutine that holds a frame).

    `kinds` describes the value stack bottom to top, a letter a slot: "o" an object, "N" NULL, "L" a pushed lasti,
    "P" the exception that was current when PUSH_EXC_INFO ran. `values` are the objects to refill, in the order in which
    the prologue takes them: bound locals by index, then the objects of `kinds` bottom to top, then those of `pre`, then
    the state of its course. Images hold the fields in this order: new ones come last, with a default.
    """

    code: CodeType  # the original, never a one-time code object
    globals: dict[str, Any] = field(repr=False)
    name: str
    qualname: str
    bound: list[bool] = field(default_factory=list[bool])  # which of the fast locals (and cells, frees) hold a value
    values: list[Any] = field(default_factory=list[Any], repr=False)
    kinds: str = ""
    lasti: dict[int, int] = field(default_factory=dict[int, int])  # "L" slot -> offset in the original code
    target: int = 0  # offset in the original code to jump to
    site: int | None = None  # offset of the interrupted instruction: its line, columns and exception handler count
    generator: bool = False
    prime: str | None = None  # generators: "created", "yield", "running", "task" (see `resume`)
    yield_arg: int = 0
    resume_arg: int = 0
    async_wrap: bool = False  # what the priming yield gives is wrapped, as an async generator's `yield` does
    pre: str = ""  # kinds of what to push between the stack and the inner frame's result
    after: str = ""  # what becomes of the inner frame's result: words of `epilogues`
    exit: int = 0  # where the code goes on when StopIteration ends the `for` or `yield from` it stands in
    course: bool = False  # what is left to be done is more than words: the last of `values` is the state of a `Course`
    has_inner: bool = False  # the next record of the stack (or the first of `inner`) runs inside this one's call
    inner: list[FrameRecord] = field(default_factory=list["FrameRecord"])  # generators: the frames inside it

    def shape(self) -> FrameRecord:
        """This record without what may refer back to its generator."""
        return replace(self, values=[], inner=[])


@dataclass(slots=True, eq=False)
class ThreadRecord:
    """A thread beside the main one."""

    ident: int
    records: list[FrameRecord]
    thread: Any = None  # its `threading.Thread`, if that knows it
    variables: list[Any] = field(default_factory=list[Any], repr=False)  # its context's: variable, value, …
    mask: list[int] = field(default_factory=list[int])  # signals that it has blocked
    context: Any = None  # outside of all that its frames run in
    loop: Any = None  # which event loop it runs (see `loops.running_in`)


@dataclass(slots=True, eq=False)
class Stack:
    """A captured stack: its frames, outermost first, up to the first running generator; and all running generators.

    `running` maps `id(generator object)` to the record of its frame. The objects are kept alive by `generators`.
    """

    records: list[FrameRecord] = field(default_factory=list[FrameRecord])
    running: dict[int, FrameRecord] = field(default_factory=dict[int, FrameRecord])
    generators: list[Any] = field(default_factory=list[Any])
    context: Any = None  # the context outside of all that these frames run in; None if it is empty
    threads: list[ThreadRecord] = field(default_factory=list[ThreadRecord])  # the others; this one is the main thread's

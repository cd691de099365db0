# pyright: basic
# (generators, frames and hooks of the interpreter have few static types)
"""Live frames being read into their records."""

from __future__ import annotations

from types import FrameType
from typing import Any

from .analyze import Instruction, facts
from .assemble import plan_of
from .layout import NULL, Frame, TaggedInt, handled_exception
from .record import FrameRecord
from .sites import Pin

_GENERATOR_FLAGS = 0x20 | 0x80 | 0x200
_OPTIMIZED = 1
_IMPORTS = "<frozen importlib._bootstrap>"


class Reading:
    """A frame being read: its record and what the record will be made of."""

    __slots__ = ("code_facts", "exceptions", "frame", "generator", "kinds", "local_values", "plan", "record", "stack",
                 "view")  # fmt: skip

    def __init__(self, frame: FrameType) -> None:
        self.frame = frame
        self.view = Frame.of(frame)
        self.plan = plan_of(frame.f_code)
        code = self.plan.record.code if self.plan else frame.f_code
        self.code_facts = facts(code)
        self.generator = self.view.generator
        self.record = FrameRecord(
            code, frame.f_globals, frame.f_code.co_name, frame.f_code.co_qualname,
            generator=bool(code.co_flags & _GENERATOR_FLAGS),
        )  # fmt: skip
        self.stack: list[Any] = []
        self.exceptions: list[int] = []  # which of `stack` belong to "P" slots
        self.local_values: list[Any] = []

    @property
    def in_prologue(self) -> bool:
        return self.plan is not None and self.frame.f_lasti < self.plan.shift

    def instruction(self) -> Instruction:
        """Where the frame stands in its original code."""
        shift = self.plan.shift if self.plan else 0
        return self.code_facts.at(self.frame.f_lasti - shift)

    @property
    def course(self) -> list[Any] | None:
        """What is left to be done when the inner frame comes back."""
        return self.stack[-1] if self.record.course else None

    def saved_depth(self) -> int | None:
        return self.view.saved_depth(self.code_facts.locals_count)

    def check_namespace(self) -> None:
        code = self.record.code
        if code.co_flags & _OPTIMIZED or self.view.namespace in (0, id(self.frame.f_globals)):
            return
        what = "exec() with a namespace of its own" if code.co_name == "<module>" else "the body of a class"
        raise Pin(self.frame.f_back or self.frame, f"held by {what}, {code.co_qualname}")

    def check_imports(self) -> None:
        """What imports holds locks that are this process's, whoever called it."""
        code = self.record.code
        if code.co_filename == _IMPORTS and code.co_name != "_call_with_frames_removed":
            raise Pin(self.frame.f_back or self.frame, "held by an import")

    def read_locals(self) -> None:
        for index in range(self.code_facts.locals_count):
            value = self.view.slot(index)
            self.record.bound.append(value is not NULL)
            if value is not NULL:
                self.local_values.append(value)

    def read_stack(self, kinds: str) -> None:
        """Read the lowest slots of the stack. `kinds` knows "L" and "P"; the words tell objects from NULL."""
        first = self.code_facts.locals_count
        found: list[str] = []
        for index, kind in enumerate(kinds):
            value = self.view.slot(first + index)
            if kind == "L":
                units = value.value if issubclass(type(value), TaggedInt) else value
                offset = 2 * int(units)
                self.record.lasti[index] = self.plan.original_offset(offset) if self.plan else offset
            elif kind == "P":
                self.exceptions.append(len(self.stack))
                self.stack.append(value)  # replaced by `settle_exceptions`
            elif value is NULL:
                kind = "N"
            elif issubclass(type(value), TaggedInt):
                # 3.15: the index of a loop whose iterable stands in the slot below
                iterator = iter(self.stack[-1])
                iterator.__setstate__(value.value)
                self.stack[-1] = iterator
                kind = "N"
            else:
                kind = "o"
                self.stack.append(value)
            found.append(kind)
        self.record.kinds = "".join(found)

    def push(self, value: Any) -> None:
        self.record.kinds += "N" if value is NULL else "o"
        if value is not NULL:
            self.stack.append(value)

    def push_pre(self, values: list[Any]) -> None:
        """What goes between the stack and the inner frame's result."""
        self.record.pre = "".join("N" if v is NULL else "o" for v in values)
        self.stack += [v for v in values if v is not NULL]

    def take_course(self, state: list[Any] | None) -> None:
        """What is left to be done with the inner frame's result."""
        if state is not None:
            self.record.course = True
            self.stack.append(state)

    def finish(self) -> FrameRecord:
        self.record.values = [*self.local_values, *self.stack]
        return self.record


def settle_exceptions(segments: list[list[Reading]], current: BaseException | None) -> None:
    """Puts in every "P" slot what has to be made current when it is rebuilt (see `capture`).

    Segments, and the readings in them, are innermost first.
    """
    outside = current
    for segment in segments:
        handled = outside
        generator = segment[-1].generator if segment else None
        if generator is not None:
            handled, outside = handled_exception(generator)
        slots = [(r, i) for r in reversed(segment) for i in r.exceptions]  # outermost first
        values = [reading.stack[index] for reading, index in slots[1:]] + [handled]
        for (reading, index), value in zip(slots, values, strict=False):
            reading.stack[index] = value

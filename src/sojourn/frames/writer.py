"""Writes the instructions of a prologue, version by version, and what belongs to them: positions, handlers, depth."""

from __future__ import annotations

import dis
from collections.abc import Callable
from types import CodeType
from typing import Any

from .analyze import VERSION, Handler, Position, cache_units

NO_POSITION: Position = (None, None, None, None)
_MAX_ARG = 255


class _Marked(Exception):
    """Raised and caught inside a prologue, because only a handler can push a position."""


class Writer:
    """Emits a prologue and keeps its tables: positions, handlers, constants, depth."""

    def __init__(self, code: CodeType, take: Callable[[], Any]) -> None:
        self.code = bytearray()
        self.consts: list[Any] = list(code.co_consts)
        self.handlers: list[Handler] = []
        self.outer: list[tuple[int, int, Handler]] = []  # spans that the original's handlers cover
        self.jumps: list[tuple[int, int]] = []  # offset, target in the original
        self.spans: list[tuple[int, Position]] = []
        self.depth = 0
        self.max_depth = 0
        self._take = self.const(take)
        self.none = self.const(None)
        self._position: Position = NO_POSITION
        self._position_start = 0

    def const(self, value: Any) -> int:
        self.consts.append(value)
        return len(self.consts) - 1

    def emit(self, name: str, arg: int = 0) -> int:
        """Append an instruction; returns the offset of its opcode."""
        high = arg >> 8
        prefix: list[int] = []
        while high:
            prefix.append(high & _MAX_ARG)
            high >>= 8
        for part in reversed(prefix):
            self.code += bytes((dis.opmap["EXTENDED_ARG"], part))
        offset = len(self.code)
        self.code += bytes((dis.opmap[name], arg & _MAX_ARG)) + bytes(2 * cache_units(name))
        return offset

    def at(self, position: Position) -> None:
        """From here on, instructions have this position."""
        here = len(self.code)
        self.spans.append((here - self._position_start, self._position))
        self._position, self._position_start = position, here

    def grow(self, by: int) -> None:
        self.depth += by
        self.max_depth = max(self.max_depth, self.depth)

    def load(self, const: int) -> None:
        self.emit("LOAD_CONST", const)

    def call_const(self, const: int) -> int:
        """Push what a constant gives when called; returns the offset of the call."""
        self._callable(const)
        self.grow(2)
        offset = self.call(0)
        self.grow(-1)
        return offset

    def _callable(self, const: int) -> None:
        if VERSION >= (3, 13):
            self.load(const)
            self.emit("PUSH_NULL")
        else:
            self.emit("PUSH_NULL")
            self.load(const)

    def call_with(self, const: int, below: int = 0) -> None:
        """Push what a constant gives when called with the value so far below the top (1 is the top), if any.

        This and the two that follow leave the depth to their caller.
        """
        self._callable(const)
        if below:
            self.emit("COPY", below + 2)
        self.call(1 if below else 0)

    def call_begun(self, const: int, *, has_resumer: bool) -> int:
        """Call what a constant gives when called with the next value (or None); returns the offset of that call."""
        if VERSION < (3, 13):
            self.emit("PUSH_NULL")
        self._callable(const)
        if has_resumer:
            self.emit_take()
        else:
            self.load(self.none)
        self.call(1)
        if VERSION >= (3, 13):
            self.emit("PUSH_NULL")
        return self.call(0)

    def call_top(self) -> int:
        """Call the top of the stack; returns the offset of the call."""
        self.emit("PUSH_NULL")
        if VERSION < (3, 13):
            self.emit("SWAP", 2)
        return self.call(0)

    def emit_take(self) -> None:
        self._callable(self._take)
        self.call(0)

    def call(self, arguments: int) -> int:
        if VERSION == (3, 11):
            self.emit("PRECALL", arguments)
        return self.emit("CALL", arguments)

    def take(self) -> None:
        """Push the next value."""
        self.call_const(self._take)

    def call_taken(self) -> int:
        """Take a callable and call it; returns the offset of the call."""
        if VERSION >= (3, 13):
            self.take()
            self.emit("PUSH_NULL")
        else:
            self.emit("PUSH_NULL")
            self.take()
        self.grow(1)
        offset = self.call(0)
        self.grow(-1)
        return offset

    def push(self, kinds: str, marks: dict[int, tuple[int, Position]], marks_made: dict[int, int]) -> None:
        """Refill stack slots."""
        for kind in kinds:
            match kind:
                case "N":
                    self.emit("PUSH_NULL")
                    self.grow(1)
                case "L":
                    self._push_position(*marks[self.depth], marks_made)
                case "P":
                    self.take()
                    self.emit("PUSH_EXC_INFO")
                    self.grow(1)
                    self.emit("POP_TOP")
                    self.grow(-1)
                case _:
                    self.take()

    def _push_position(self, original: int, position: Position, marks_made: dict[int, int]) -> None:
        """A position cannot be a constant (tagged from 3.14 on): raise under an entry that pushes it."""
        self.at(position)
        self.load(self.const(_Marked))
        raised = self.emit("RAISE_VARARGS", 1)
        self.at(NO_POSITION)
        caught = len(self.code)
        self.handlers.append(Handler(raised, caught, caught, self.depth, True))
        self.emit("POP_TOP")
        marks_made[raised] = original
        self.grow(2)
        self.grow(-1)

    def cover(self, start: int, handler: Handler | None) -> None:
        """Let the original's handler see what is raised from `start` to here."""
        if handler is not None:
            self.outer.append((start, len(self.code), handler))

    def land(self, jump: int) -> None:
        """Let the short forward jump at this offset end here."""
        after = jump + 2 + 2 * cache_units(dis.opname[self.code[jump]])
        self.code[jump + 1] = (len(self.code) - after) // 2

    def jump_back(self, target: int) -> None:
        """Jump to an offset of this prologue."""
        units = (len(self.code) + 2 - target) // 2
        if units > _MAX_ARG:  # the jump itself is one unit longer
            units += 1
        self.emit("JUMP_BACKWARD_NO_INTERRUPT", units)

    def jump_to_original(self, target: int) -> None:
        """Jump to an offset in the original code, whose place is not known yet."""
        self.jumps.append((len(self.code), target))
        self.emit("JUMP_FORWARD", 1 << 24)  # room for every argument

    def settle_jumps(self) -> None:
        shift = len(self.code)
        for start, target in self.jumps:
            after = start + 8 + 2 * cache_units("JUMP_FORWARD")
            units = (shift + target - after) // 2
            for index in range(4):
                self.code[start + 2 * index + 1] = units >> 8 * (3 - index) & _MAX_ARG

"""Static facts about a code object: its instructions, and what is on the value stack before each of them.

Theory. The compiler emits code whose stack depth at each instruction does not depend on the way it was reached; so does
the kind of each slot. A worklist over the control flow (fall through, jumps, exception table) finds both. We need it
because the interpreter writes a frame's depth down only now and then (3.12 and 3.13: never at an opcode event), and
because two kinds of slot hold what no constant can hold: a pushed instruction position ("L", from an exception table
entry with its lasti flag) and the exception that PUSH_EXC_INFO saved ("P"). All other slots are "o".

Guarantee: only original code objects are analyzed, never one-time ones; a stack's kinds are a string, bottom to top.
"""

from __future__ import annotations

import dis
import opcode
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import CodeType
from typing import Any

VERSION = sys.version_info[:2]
# What a `for` or an `await` holds on the stack: the iterator, and from 3.15 on an index or NULL above it.
ITERATOR_SLOTS = 2 if VERSION >= (3, 15) else 1
# By version a list by opcode or a dict by name.
_CACHES: Any = getattr(opcode, "_inline_cache_entries")  # noqa: B009
# From 3.14 on the end of an `async for` says where its loop began, for who watches; it goes nowhere.
_JUMPS = (frozenset(dis.hasjrel) | frozenset(dis.hasjabs)) - {dis.opmap["END_ASYNC_FOR"]}
_TAKES_ARGUMENT = frozenset(getattr(dis, "hasarg", ())) or frozenset(range(dis.HAVE_ARGUMENT, 256))
_NEVER_FALLS_THROUGH = frozenset({
    "RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE",
    "JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "INTERPRETER_EXIT",
})  # fmt: skip
# Where `dis.stack_effect` describes the pair of an instruction and its neighbour, or a state we never see.
# Each is a constant and a factor of the argument.
_EFFECTS: dict[str, tuple[int, int]] = {"RETURN_GENERATOR": (1, 0)} | (
    {"PRECALL": (0, 0), "CALL": (-1, -1)} if VERSION == (3, 11) else {}
)


def cache_units(name: str) -> int:
    """How many code units of inline cache follow the instruction."""
    return _CACHES.get(name, 0) if VERSION >= (3, 13) else _CACHES[dis.opmap[name]]


@dataclass(frozen=True, slots=True)
class Instruction:
    index: int
    start: int  # offset of its first EXTENDED_ARG
    offset: int  # of the opcode itself
    end: int  # behind its caches
    name: str
    arg: int
    target: int | None  # where it may jump


@dataclass(frozen=True, slots=True)
class Handler:
    """One entry of an exception table; offsets in bytes, `end` exclusive."""

    start: int
    end: int
    target: int
    depth: int
    lasti: bool


# Start line, end line, start column, end column.
Position = tuple[int | None, int | None, int | None, int | None]


class Facts:
    """Everything static about one code object."""

    __slots__ = ("_by_offset", "code", "handlers", "instructions", "kinds_at", "locals_count", "names")

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.names = local_names(code)
        self.locals_count = len(self.names)
        self.handlers = list(read_exception_table(code.co_exceptiontable))
        self.instructions = list(_decode(code.co_code))
        self._by_offset = {at: i for i in self.instructions for at in range(i.start, i.end, 2)}
        self.kinds_at: dict[int, str] = {}  # by `start`; what cannot be reached is missing
        self._flow()

    def at(self, offset: int) -> Instruction:
        """The instruction that covers this offset."""
        return self._by_offset[offset]

    def before(self, instruction: Instruction) -> Instruction:
        return self.instructions[instruction.index - 1]

    def after(self, instruction: Instruction) -> Instruction:
        return self.instructions[instruction.index + 1]

    def kinds(self, instruction: Instruction) -> str:
        """The kinds of the slots on the stack before the instruction."""
        return self.kinds_at[instruction.start]

    def handler(self, offset: int) -> Handler | None:
        """Who handles an exception raised at this offset. Entries do not overlap, but the last would win."""
        return next((h for h in reversed(self.handlers) if h.start <= offset < h.end), None)

    def position(self, offset: int) -> Position:
        return next(islice(self.code.co_positions(), offset // 2, None), (None, None, None, None))

    def restart(self, instruction: Instruction) -> int:
        """Where to jump to execute the instruction again: on 3.11 and 3.12 a call is spread over up to three."""
        while instruction.name in ("CALL", "PRECALL") and self.before(instruction).name in ("PRECALL", "KW_NAMES"):
            instruction = self.before(instruction)
        return instruction.start

    def behind(self, instruction: Instruction) -> int:
        """Where to go on when the instruction is over: on 3.11 a specialized PRECALL does the work of the CALL too."""
        return (self.after(instruction) if instruction.name == "PRECALL" else instruction).end

    def _flow(self) -> None:
        work: list[tuple[int, str]] = [(0, "")]
        while work:
            offset, kinds = work.pop()
            while (instruction := self._by_offset.get(offset)) and instruction.start not in self.kinds_at:
                self.kinds_at[instruction.start] = kinds
                for handler in self.handlers:
                    if handler.start <= instruction.offset < handler.end:
                        work.append((handler.target, kinds[: handler.depth] + ("Lo" if handler.lasti else "o")))
                if instruction.target is not None:
                    work.append((instruction.target, after(instruction, kinds, jump=True)))
                if instruction.name in _NEVER_FALLS_THROUGH:
                    break
                kinds = after(instruction, kinds)
                offset = instruction.end


def after(instruction: Instruction, kinds: str, *, jump: bool = False) -> str:
    """The kinds of the slots behind an instruction that found `kinds`."""
    match instruction.name:
        case "PUSH_EXC_INFO":
            return kinds[:-1] + "Po"
        case "POP_EXCEPT":
            return kinds[:-1]
        case "COPY":
            return kinds + kinds[-instruction.arg]
        case "SWAP" if instruction.arg > 1:
            low, high = kinds[-instruction.arg], kinds[-1]
            return kinds[: -instruction.arg] + high + kinds[-instruction.arg + 1 : -1] + low
        case _:
            change = _effect(instruction, jump)
            return kinds[:change] if change < 0 else kinds + "o" * change


def _effect(instruction: Instruction, jump: bool) -> int:
    special = _EFFECTS.get(instruction.name)
    if special is not None:
        return special[0] + special[1] * instruction.arg
    number = dis.opmap[instruction.name]
    return dis.stack_effect(number, instruction.arg if number in _TAKES_ARGUMENT else None, jump=jump)


def local_names(code: CodeType) -> tuple[str, ...]:
    """The names of the slots before the value stack: locals, cells that are no locals, free variables."""
    known = set(code.co_varnames)
    return (*code.co_varnames, *(c for c in code.co_cellvars if c not in known), *code.co_freevars)


def _decode(raw: bytes) -> Iterator[Instruction]:
    offset = start = extended = index = 0
    while offset < len(raw):
        name = dis.opname[raw[offset]]
        arg = extended | raw[offset + 1]
        if name == "EXTENDED_ARG":
            extended = arg << 8
            offset += 2
            continue
        end = offset + 2 + 2 * cache_units(name)
        target = None
        if raw[offset] in _JUMPS:
            target = end - 2 * arg if "BACKWARD" in name else end + 2 * arg
        yield Instruction(index, start, offset, end, name, arg, target)
        offset = start = end
        extended = 0
        index += 1


def read_exception_table(table: bytes) -> Iterator[Handler]:
    """Decode `co_exceptiontable`: entries of four numbers, big-endian, six bits to a byte."""
    numbers: list[int] = []
    value = 0
    for byte in table:
        value = value << 6 | byte & 63
        if byte & 64:
            continue
        numbers.append(value)
        value = 0
    for start, length, target, depth in zip(*[iter(numbers)] * 4, strict=True):
        yield Handler(2 * start, 2 * (start + length), 2 * target, depth >> 1, bool(depth & 1))


# Facts are kept as long as the code object: CodeType takes no weak references, so the cache is bounded instead.
_CACHE_SIZE = 512
_cache: dict[int, Facts] = {}


def facts(code: CodeType) -> Facts:
    found = _cache.get(id(code))
    if found is None or found.code is not code:
        if len(_cache) >= _CACHE_SIZE:
            _cache.clear()
        found = _cache[id(code)] = Facts(code)
    return found

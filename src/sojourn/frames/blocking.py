# pyright: basic
# (raw memory, and C methods, have no types worth the name)
"""Blocked in C: which calls may be made again elsewhere, and how a frame that is inside one is told.

The words of the stack are only compared, never followed: up to 3.13 a frame that has been stopped right *after* the
call looks the same from outside, and its operand slots dangle. But then the lowest slot holds the result already, and
that is none of the callables. A method that was bound before (`cond.acquire = lock.acquire`) is told by the C
definition that it points to; `with lock:` calls without an instruction of its own. What lies behind a word is read with
errors instead of faults (`memory`).
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports] (no stubs)
import _thread
import ctypes
import gc
import select
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import BuiltinFunctionType, ModuleType
from typing import Any, NamedTuple

from .analyze import VERSION, Facts, Instruction
from .layout import GONE, LAYOUT, NULL, Frame, LiveObjects, plain
from .memory import Memory
from .sites import CALLS, fast_values, keyword_names, lowest_operand, unpacked_place
from .waits import READS, Read, looping

# Kinds of waiting: in which system call it is done is known to `threads.kernel`.
READ, WAIT, SLEEP, SELECT, POLL, EPOLL, PAUSE = "read", "wait", "sleep", "select", "poll", "epoll", "pause"


@dataclass(frozen=True, slots=True)
class Blocking:
    """A C call that has no effect until it returns, so that it may be made again elsewhere."""

    callable: Any
    kind: str
    timeout: int | None = None  # which argument says how long it may take
    unit: float = 1.0  # in seconds


class Blocked(NamedTuple):
    """A frame inside such a call."""

    row: Blocking | Read
    receiver: int = 0  # the address of the object whose method it is
    names: tuple[str, ...] = ()  # of the keyword arguments
    entering: bool = False  # by `with`
    unpacked: bool = False  # arguments are in a tuple, and others in a mapping

    @property
    def kind(self) -> str:
        return READ if isinstance(self.row, Read) else self.row.kind

    def timeout(self, given: int) -> int | None:
        """Which of the arguments that were given says how long it may take."""
        if isinstance(self.row, Read) or self.row.timeout is None:
            return None
        if "timeout" in self.names:
            return given - len(self.names) + self.names.index("timeout")
        return self.row.timeout if self.row.timeout < given - len(self.names) else None


_LOCKS: tuple[Any, ...] = (type(_thread.allocate_lock()), _thread.RLock)
_HANDLE: Any = getattr(_thread, "_ThreadHandle", None)  # 3.13 and later
_ended: Any = getattr(_thread, "_shutdown", None)


def _of_locks() -> list[Blocking]:
    rows: list[Blocking] = []
    for kind in _LOCKS:
        rows += [Blocking(vars(kind)[name], WAIT, 1) for name in ("acquire", "acquire_lock") if name in vars(kind)]
        rows.append(Blocking(kind.__enter__, WAIT))
    rows.append(Blocking(vars(_thread.RLock)["_acquire_restore"], WAIT))
    if _HANDLE is not None:
        rows += [Blocking(_HANDLE.join, WAIT, 0), Blocking(_ended, WAIT)]
    return rows


_BLOCKING: tuple[Blocking | Read, ...] = (
    *READS,
    Blocking(time.sleep, SLEEP, 0),
    Blocking(_signal.pause, PAUSE),
    *_of_locks(),
)


def _selecting(module: Any) -> tuple[Blocking, ...]:
    return (
        Blocking(module.select, SELECT, 3),
        Blocking(type(module.poll()).poll, POLL, 0, 0.001),
        Blocking(module.epoll.poll, EPOLL, 0),
    )


def _blocking(word: int) -> Blocking | Read | None:
    """The row of the callable at this address."""
    row = BLOCKING.get(word)
    if row is None:
        row = next((row for row in _of_theirs() if id(row.callable) == word), None)
    return row


def _of_theirs() -> list[Blocking]:
    """What the program's own copies of modules make: ours are hidden from it."""
    rows: list[Blocking] = []
    module = sys.modules.get("select")
    if module is not select and _is_select(module):
        rows += _selecting(module)
    queues: Any = getattr(sys.modules.get("_queue"), "SimpleQueue", None)
    if issubclass(type(queues), type) and type(vars(queues).get("get")) is _METHOD:
        rows.append(Blocking(vars(queues)["get"], WAIT, 1))
    return rows


def _is_select(module: Any) -> bool:
    """Whether it is another copy of the standard module: ours is hidden from the program, which imports its own."""
    theirs = vars(module) if type(module) is ModuleType else {}
    return all(type(theirs.get(name)) is type(getattr(select, name)) for name in ("select", "poll", "epoll"))


_METHOD: type = type(list.append)
BLOCKING = {id(row.callable): row for row in (*_BLOCKING, *_selecting(select))}

# Of a bound method and of what a class has under its name: where they point to their C definition; where the first
# keeps its object.
_BOUND_DEFINITION, _BOUND_SELF, _DEFINITION = 16, 24, 40
_word = ctypes.c_size_t.from_address


def _definition(method: Any) -> int:
    return _word(id(method) + _DEFINITION).value


def _is_as_expected() -> bool:
    lock = _thread.allocate_lock()
    bound = lock.acquire
    return _word(id(bound) + _BOUND_DEFINITION).value == _definition(type(lock).acquire) and _word(
        id(bound) + _BOUND_SELF
    ).value == id(lock)


_DEFINITIONS: dict[int, Blocking | Read] = {}
_EXITS: dict[int, Blocking | Read] = {}  # what `with` holds while it enters
_ENTERED: dict[int, Blocking | Read] = {}  # by type
if _is_as_expected():
    _DEFINITIONS = {_definition(row.callable): row for row in BLOCKING.values() if type(row.callable) is _METHOD}
    for _kind in _LOCKS:
        _EXITS[_definition(_kind.__exit__)] = _ENTERED[id(_kind)] = BLOCKING[id(_kind.__enter__)]


def is_blocked(
    view: Frame, facts: Facts, instruction: Instruction, memory: Memory | None = None
) -> Blocked | None:
    """Is the frame *inside* a C call that may be made again?"""
    if memory is None:
        with Memory() as memory:
            return is_blocked(view, facts, instruction, memory)
    name = instruction.name
    if name == "FOR_ITER":
        read = looping(view, facts, instruction)
        return Blocked(read) if read is not None else None
    depth = len(facts.kinds(instruction))
    if name == "BEFORE_WITH":
        return _entering(plain(view.word(facts.locals_count + depth - 1)), memory)
    if name not in CALLS:
        return None
    if LAYOUT.depth_is_pointer and view.saved_depth(facts.locals_count) != depth:
        return None
    lowest = facts.locals_count + lowest_operand(instruction, depth)
    first, second = plain(view.word(lowest)), plain(view.word(lowest + 1))
    callable, receiver = (second, 0) if first == 0 and VERSION < (3, 13) else (first, second)
    if unpacked := name == "CALL_FUNCTION_EX":
        if VERSION < (3, 13) and first != 0:
            return None  # its result
        receiver = 0
    row = _blocking(callable)
    if row is None:
        row, receiver = _bound(callable, memory)
    if row is None:
        return None
    if unpacked:
        return _unpacking(view, facts, instruction, row, receiver)
    names = keyword_names(facts, instruction)
    if name == "CALL_KW":
        names = view.slot(facts.locals_count + depth - 1)
    return Blocked(row, receiver, names)


def _unpacking(
    view: Frame, facts: Facts, instruction: Instruction, row: Blocking | Read, receiver: int
) -> Blocked | None:
    """`f(*arguments)`, as threads and pools call what they are given. Up to 3.13 the slot of the arguments is only
    followed if they are found in the frame, or in an attribute of what is: the call may have packed others.
    """
    place = unpacked_place(instruction, len(facts.kinds(instruction)))
    if isinstance(row, Read):
        return None
    if VERSION < (3, 14):
        word = plain(view.word(facts.locals_count + place))
        if not any(id(each) == word and type(each) is tuple for each in _near(view, facts)):
            return None
    return Blocked(row, receiver, unpacked=True)


def _near(view: Frame, facts: Facts) -> Iterator[Any]:
    for each in fast_values(view, facts.code):
        yield each
        if type(each) not in (list, dict, set, ModuleType):
            for part in gc.get_referents(each):
                yield part
                yield from list(part.values()) if type(part) is dict else ()


def _bound(callable: int, memory: Memory) -> tuple[Blocking | Read | None, int]:
    """Row and object of a method that was bound before."""
    if memory.class_at(callable) != id(BuiltinFunctionType):
        return None, 0
    definition, receiver = memory.words(callable + _BOUND_DEFINITION, 2) or (0, 0)
    row = _DEFINITIONS.get(definition)
    if row is None:
        row = next((each for each in _of_theirs() if _is_defined(each.callable, definition)), None)
    return row, receiver


def _is_defined(callable: Any, definition: int) -> bool:
    return type(callable) is _METHOD and _definition(callable) == definition


def _entering(word: int, memory: Memory) -> Blocked | None:
    """Up to 3.13 `with` calls `__enter__` itself. On 3.11 `__exit__` has taken the place of the lock by then."""
    kind = memory.class_at(word)
    if VERSION >= (3, 12):
        row = _ENTERED.get(kind)
    else:
        definition, word = memory.words(word + _BOUND_DEFINITION, 2) or (0, 0)
        row = _EXITS.get(definition) if kind == id(BuiltinFunctionType) else None
    return Blocked(row, word, entering=True) if row is not None else None


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

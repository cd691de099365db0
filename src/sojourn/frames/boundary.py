# pyright: basic
# (generators, frames and hooks of the interpreter have few static types)
"""What becomes of a frame whose inner frame returns: decision tables, one for each kind of boundary.

Theory. An outer frame is stopped inside one instruction, and an inner frame is running on its behalf. To go on behind
that instruction without executing it again, one has to know what the instruction would do with the inner result.
There are three kinds of boundary:

1. *Generator*: the inner frame belongs to a generator. The rebuilt generator stands ready to go on, so the outer frame
   simply executes its instruction again (`AGAIN`).
2. *Direct*: the interpreter entered the inner frame itself. It has taken the operands off the stack, saved the depth,
   and will push the result (`DIRECT`: instructions that push nothing, or hold more than the saved depth).
3. *C*: a C function entered the inner frame. If it only passes the result on (a type's slot for `+`, a method object, a
   `partial`), we know what follows: `calls`, `attributes`, and `operators` for the rest. If what is left to be done is
   little, it is a `course`. If it holds state of its own (`sorted`, `sum`, an import), it pins the frame: `Pin`.

Guarantee: an inner frame counts as what the instruction called only if its code proves it (a special method's name,
a property's function, the callable's code). A `__del__`, a weakref callback or a signal handler that happens to run in
the middle of an instruction is never taken for the callee; it is a pin, gone in a moment.

Rejected: trusting the instruction alone (the above); following operand slots blindly (they may dangle up to 3.13).
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports] (no stubs)
import _thread
import gc
import select
import sys
import time
from dataclasses import dataclass
from types import BuiltinFunctionType, ModuleType
from typing import Any

from .analyze import ITERATOR_SLOTS, VERSION, Facts, Instruction
from .attributes import ATTRIBUTES, through_attribute
from .calls import through_call, through_step
from .layout import GONE, LAYOUT, NULL, Frame, LiveObjects, handled_exception, plain
from .lookup import type_name
from .operators import OPERATORS, SPECIAL, through_operator
from .sites import BUILTIN_CALLABLES, Continuation, Pin, Site, lowest_operand
from .steps import awaits
from .waits import READS, Read, looping

__all__ = ["BLOCKING", "CALLS", "Blocking", "Continuation", "Pin", "Site", "blocked_callable", "decide", "is_blocked"]


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
        return through_call(site)
    if name in ATTRIBUTES:
        return through_attribute(site)
    if name in OPERATORS:
        return through_operator(site, OPERATORS[name])
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
_RESUMING_METHODS = frozenset({"send", "__next__"})
_ENDING_METHODS = frozenset({"throw", "close"})


def _generator(site: Site) -> Continuation:
    name, depth, generator = site.instruction.name, len(site.kinds), site.inner_view.generator
    site.live.expect(generator)
    # What the loop or the `await` runs may be gone: the generator is finalized as the last thing that it held.
    if name == "FOR_ITER" and _feeds(generator, site.operand(depth - ITERATOR_SLOTS)):
        return Continuation(depth, again=True)
    if name == "SEND" and awaits(generator, site.operand(depth - 1 - ITERATOR_SLOTS)):
        return Continuation(depth - 1, pre=[None], again=True)
    if name in ("YIELD_VALUE", "RESUME"):
        return _delegating(site, generator)
    if name not in CALLS:
        raise site.pin(f"a generator is being run by {name}", generator)
    callable, receiver, arguments, lowest = site.read_call()
    step = through_step(site, callable, receiver, lowest)
    if step is not None:
        return step
    if (site.closing or _is_closing(generator)) and not _ends(callable):
        raise site.pin("a generator is being closed behind", callable)  # the last that the call has let go of
    method = callable.__name__ if type(callable) in BUILTIN_CALLABLES else None
    owner = callable.__self__ if type(callable) is BuiltinFunctionType else receiver
    if method in _RESUMING_METHODS and owner is not None and awaits(generator, owner):
        return Continuation(depth, again=True)
    if method in _ENDING_METHODS and owner is generator:
        # What was thrown is inside already: from here on it is driven like any other.
        return Continuation(lowest, drives=True, course=["thrown", generator, method == "close"])
    if callable is next and arguments and arguments[0] is generator:
        return Continuation(depth, again=True)
    raise site.pin("a generator is being run by", callable)


def _ends(callable: Any) -> bool:
    return type(callable) in BUILTIN_CALLABLES and callable.__name__ in _ENDING_METHODS


def _is_closing(generator: Any) -> bool:
    """Does it handle GeneratorExit, or something that has come up meanwhile? No `next` or `send` brings that in."""
    error, _ = handled_exception(generator)
    for _ in range(100):
        if error is None or isinstance(error, GeneratorExit):
            break
        error = error.__context__
    return error is not None


def _delegating(site: Site, generator: Any) -> Continuation:
    """Something is thrown into a generator that waits for `generator` in a `yield from` or an `await`.

    C hands it down while the frame stands behind its yield; from here on it is driven by the SEND before.
    """
    instruction = site.instruction
    given = instruction if instruction.name == "YIELD_VALUE" else site.facts.before(instruction)
    send = site.facts.before(given)
    if given.name == "YIELD_VALUE" and send.name == "SEND":
        waiting = len(site.facts.kinds(send)) - 1
        if awaits(generator, site.operand(waiting - 1)):
            return Continuation(waiting, pre=[None], again=True, at=send)
    raise site.pin(f"a generator is being run by {instruction.name}", generator)


# Iterators made in C that hold nothing while they ask their (first) source: asking them again asks the source again.
# By name: a module that is imported again makes other classes.
_TRANSPARENT = frozenset({"builtins.enumerate", "builtins.filter"}) | frozenset(
    f"itertools.{name}" for name in ("chain", "dropwhile", "filterfalse", "islice", "starmap", "takewhile")
)
_SEVERAL = frozenset({map, zip})


def _feeds(generator: Any, iterator: Any) -> bool:
    """Does the next step of `iterator` come down to the next step of `generator` and nothing else?"""
    while iterator is not generator:
        if type(iterator) in _SEVERAL:
            first = next(r for r in gc.get_referents(iterator) if type(r) is tuple)[:1]
            if not first:
                return False
            iterator = first[0]
            continue
        if not _is_transparent(iterator):
            return False
        sources = [
            r for r in gc.get_referents(iterator) if r is generator or _is_transparent(r) or type(r) in _SEVERAL
        ]
        if len(sources) != 1:
            return False
        iterator = sources[0]
    return True


def _is_transparent(iterator: Any) -> bool:
    return type_name(type(iterator)) in _TRANSPARENT


# ---- 2. entered by the interpreter -----------------------------------------------------------------------------------


def _direct(site: Site) -> Continuation:
    # The interpreter saved the depth below the result it is going to push.
    if site.depth is None:
        raise site.pin(f"held by {site.instruction.name}", site.inner_view.function)
    return Continuation(site.depth)


def _direct_init(site: Site) -> Continuation:
    """3.13 enters `__init__` of a specialized class call through a frame of its own that keeps the new object."""
    assert site.inner_view.previous is not None and site.depth is not None
    made = site.inner_view.previous.slot(0)
    return Continuation(site.depth, course=["construct", type(made), (), {}, [made]])


# ---- blocked in C: calls that may be made again ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Blocking:
    """A C call that has no effect until it returns, so that it may be made again elsewhere."""

    callable: Any
    timeout: int | None = None  # which argument says how long it may take
    unit: float = 1.0  # in seconds


_BLOCKING: tuple[Blocking | Read, ...] = (
    *READS,
    Blocking(time.sleep, 0),
    Blocking(_signal.pause),
    Blocking(type(_thread.allocate_lock()).acquire, 1),
    Blocking(_thread.RLock.acquire, 1),
)


def _selecting(module: Any) -> tuple[Blocking, ...]:
    return (
        Blocking(module.select, 3),
        Blocking(type(module.poll()).poll, 0, 0.001),
        Blocking(module.epoll.poll, 0),
    )


def _blocking(word: int) -> Blocking | Read | None:
    """The row of the callable at this address."""
    row = BLOCKING.get(word)
    module = sys.modules.get("select")
    if row is None and module is not select and _is_select(module):
        row = next((row for row in _selecting(module) if id(row.callable) == word), None)
    return row


def _is_select(module: Any) -> bool:
    """Whether it is another copy of the standard module: ours is hidden from the program, which imports its own."""
    theirs = vars(module) if type(module) is ModuleType else {}
    return all(type(theirs.get(name)) is type(getattr(select, name)) for name in ("select", "poll", "epoll"))


BLOCKING = {id(row.callable): row for row in (*_BLOCKING, *_selecting(select))}


def is_blocked(view: Frame, facts: Facts, instruction: Instruction) -> Blocking | Read | None:
    """Is the frame *inside* a C call that may be made again?

    The words of the stack are only compared, never followed: up to 3.13 a frame that a signal has stopped right
    *after* the call looks the same from outside, and its operand slots dangle. But then the lowest slot holds the
    result already, and that is none of the callables.
    """
    if instruction.name == "FOR_ITER":
        return looping(view, facts, instruction)
    if instruction.name not in ("CALL", "PRECALL"):
        return None
    depth = len(facts.kinds(instruction))
    if LAYOUT.depth_is_pointer and view.saved_depth(facts.locals_count) != depth:
        return None
    lowest = facts.locals_count + lowest_operand(instruction, depth)
    word = view.word(lowest)
    if word == 0 and VERSION < (3, 13):
        word = view.word(lowest + 1)
    return _blocking(plain(word))


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

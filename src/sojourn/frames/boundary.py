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

import gc
from types import BuiltinFunctionType
from typing import Any

from .analyze import ITERATOR_SLOTS
from .attributes import ATTRIBUTES, through_attribute
from .calls import through_call, through_step
from .layout import LAYOUT, handled_exception
from .lookup import type_name
from .operators import OPERATORS, SPECIAL, through_operator
from .sites import BUILTIN_CALLABLES, CALLS, Continuation, Pin, Site
from .steps import awaits

__all__ = ["Continuation", "Pin", "Site", "decide"]


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

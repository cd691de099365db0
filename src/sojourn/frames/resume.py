# pyright: basic
# (generators, frames and hooks of the interpreter have few static types)
"""From records to callables and generators that go on.

Theory. A resumer is a plain function around a one-time code object (`assemble`). The list its prologue takes values
from ends with the resumer of the next inner frame, so a whole stack is one chain of functions, built innermost first:
calling the outermost one rebuilds the frames outermost first, each from inside the one before, as they were.

A generator object has to exist before the objects that refer to it can be loaded, and what it holds may refer back to
it. So it comes in two steps: `generator_shell` makes an unstarted generator whose prologue has nothing to take yet;
`generator_fill` supplies the values and *primes* it: the first `send(None)` runs the prologue as far as a pause, after
which the generator stands where it stood. Records say how (`prime`):

- "created": it had not started, so it is not primed either.
- "yield": it was suspended at a `yield` or an `await`.
- "running": it was on the stack; it pauses before its inner frames are rebuilt, and goes on when the frame outside
  executes its `for`, `send` or `await` again (what that sends is dropped).
- "task": as "yield", but unprimed: its first step gives the last value, which an event loop then waits for.

Guarantees. Depth costs no recursion. No code of the program runs before the resumer is called. A generator that is
resumed has the type, name and qualified name it had.
"""

from __future__ import annotations

import sys
from types import (
    AsyncGeneratorType,
    CellType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    TracebackType,
)
from typing import Any

from sojourn.errors import InternalError

from . import steps
from .assemble import Plan, one_time_code, original_of, plan_of, standing_code
from .layout import verify
from .record import FrameRecord

__all__ = ["build", "finished_generator", "forget_makers", "generator_fill", "generator_shell", "traceback_parts",
           "traceback_restore"]  # fmt: skip


def build(records: list[FrameRecord]) -> FunctionType:
    """A function which, called, goes on where the outermost frame was, and gives what that frame gives.

    Args:
        records: outermost first; `Stack.records`. Their values are taken out of them: a record that somebody keeps
            must not keep the program's objects alive.
    """
    verify()
    resumer: FunctionType | None = None
    for record in reversed(records):
        values = _to_take(record, resumer)
        inner, resumer = resumer, _function(record, values)
        _plan(resumer.__code__).inner = inner.__code__ if inner else None
    assert resumer is not None
    return resumer


def _to_take(record: FrameRecord, resumer: FunctionType | None) -> list[Any]:
    """The record's values, which are its no more, in the order of a list that is taken from its end."""
    values, record.values = record.values, []
    if record.has_inner:
        values.insert(len(values) - record.course, resumer)
    values.reverse()
    return values


def _function(record: FrameRecord, values: list[Any]) -> FunctionType:
    code = one_time_code(record, values)
    closure = tuple(CellType() for _ in code.co_freevars) or None
    function = FunctionType(code, record.globals, record.name, (None,) * code.co_argcount, closure)
    function.__qualname__ = record.qualname
    return function


def generator_shell(shape: FrameRecord) -> Any:
    """An unstarted generator, coroutine or async generator for `FrameRecord.shape()`, to be filled later."""
    return _function(shape, [])()


def generator_fill(generator: Any, values: list[Any], inner: list[FrameRecord]) -> Any:
    """Give a shell its values and the frames that run inside it, and prime it."""
    plan = _plan(_code_of(generator))
    assert not plan.values
    record = plan.record.shape()
    record.values = list(values)
    resumer = build(inner) if record.has_inner else None
    plan.values.extend(_to_take(record, resumer))
    plan.inner = resumer.__code__ if resumer else None
    if record.prime in ("created", "task"):
        return generator
    if not isinstance(generator, AsyncGeneratorType):
        generator.send(None)
        return generator
    step = generator.asend(None)
    try:
        step.send(None)
    except StopIteration:
        return generator  # suspended at a `yield`
    steps.under_way(generator, step)  # suspended at an `await`
    return generator


def _plan(code: CodeType) -> Plan:
    plan = plan_of(code)
    if plan is None:
        raise InternalError(f"{code.co_qualname} is not a one-time code object")
    return plan


def _code_of(generator: Any) -> Any:
    match generator:
        case GeneratorType():
            return generator.gi_code
        case CoroutineType():
            return generator.cr_code
        case _:
            return generator.ag_code


def finished_generator(kind: str, name: str = "finished", qualname: str | None = None) -> Any:
    """A generator object of the kind ("generator", "coroutine", "async_generator") that has ended."""
    maker = {"generator": _generator, "coroutine": _coroutine, "async_generator": _async_generator}[kind]
    made: Any = maker()
    if kind == "async_generator":
        try:
            made.asend(None).send(None)
        except StopAsyncIteration:
            pass
    else:
        try:
            made.send(None)
        except StopIteration:
            pass
    made.__name__, made.__qualname__ = name, qualname or name
    return made


def _generator() -> Any:
    return
    yield


async def _coroutine() -> None:
    return


async def _async_generator() -> Any:
    return
    yield


# ---- tracebacks ------------------------------------------------------------------------------------------------------

TracebackParts = tuple[CodeType, dict[str, Any], int, int]


def traceback_parts(entry: TracebackType) -> TracebackParts:
    """What `traceback_restore` needs for one entry: the original code, globals, offset, line."""
    frame = entry.tb_frame
    plan = plan_of(frame.f_code)
    offset = plan.original_offset(entry.tb_lasti) if plan else entry.tb_lasti
    return original_of(frame.f_code), frame.f_globals, offset, entry.tb_lineno


def traceback_restore(inner: TracebackType | None, parts: TracebackParts) -> TracebackType:
    """An entry that prints as the original did, columns included. Its frame has ended and holds no locals."""
    code, namespace, offset, line = parts
    standing, shift = standing_code(code, max(offset, 0), sys._getframe)
    closure = tuple(CellType() for _ in code.co_freevars) or None
    frame = FunctionType(standing, namespace, code.co_name, None, closure)()
    _standing.append(frame)
    return TracebackType(inner, frame, shift + max(offset, 0), line)


_standing: list[FrameType] = []


def forget_makers() -> None:
    """Clear what was kept for loading, and what frames that made tracebacks still hold; to be called when it is over.

    A frame keeps those outside of it: without this, a traceback would keep all that its loading had in hand.
    """
    steps.forget()
    while _standing:
        maker = _standing.pop().f_back
        while maker is not None:
            try:
                maker.clear()
            except RuntimeError:  # it still runs, and so do those outside of it
                break
            maker = maker.f_back

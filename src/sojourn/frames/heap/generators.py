# pyright: basic
# (objects of any type, and modules without stubs)
"""Frames at rest, and the generators, coroutines and async generators that hold one.

A generator is made in two steps: the shell needs only the shape of its frame; the values may refer back to the
generator and come at level 2, when every dict and set that an iterator among them walks over is filled.

The awaitable that `asend()` of an async generator gave exists only once that generator is filled. It carries what is
needed for that along, so that whichever comes first does it.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from gc import get_referents
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from sojourn.errors import Refused
from sojourn.frames.capture import capture_generator
from sojourn.frames.probes import places_of
from sojourn.frames.record import FrameRecord
from sojourn.frames.resume import (
    asend_parts,
    asend_restore,
    finished_generator,
    generator_fill,
    generator_shell,
)

from .dumper import Dumper, Refuse
from .functions import note_nested
from .registry import NEWER, constructor, reduces, refuses
from .words import word

_SHAPE = tuple(field.name for field in fields(FrameRecord) if field.name not in ("values", "inner"))


def shape_of(record: FrameRecord) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in _SHAPE)


def _record(shape: tuple[Any, ...]) -> FrameRecord:
    """A shape in an older image is shorter: new fields come last, and have defaults."""
    if len(shape) > len(_SHAPE):
        raise Refused("a frame of the image has more to it than this Sojourn knows", advice=NEWER)
    return FrameRecord(**dict(zip(_SHAPE, shape, strict=False)))


@reduces(FrameRecord)
def _reduce_record(record: FrameRecord, dumper: Dumper) -> Any:
    note_nested(record.code, dumper)
    dumper.later(fill_record, record, record.values, 2)
    return make_record, (shape_of(record),)


@constructor
def make_record(shape: tuple[Any, ...]) -> FrameRecord:
    return _record(shape)


@constructor
def fill_record(record: FrameRecord, values: list[Any]) -> None:
    record.values[:] = values


@reduces(GeneratorType, CoroutineType, AsyncGeneratorType)
def _reduce_generator(generator: Any, dumper: Dumper) -> Any:
    record = _record_of(generator, dumper)
    if record is None:
        return finished_generator, (_KINDS[type(generator)], generator.__name__, generator.__qualname__)
    dumper.later(fill_generator, generator, _rest(record, generator), 2)
    return make_generator, (shape_of(record),)


_KINDS: dict[type, str] = {
    GeneratorType: "generator", CoroutineType: "coroutine", AsyncGeneratorType: "async_generator"
}  # fmt: skip
constructor(finished_generator)


def _record_of(generator: Any, dumper: Dumper) -> FrameRecord | None:
    running = dumper.stack.running if dumper.stack is not None else {}
    record = running.get(id(generator)) or dumper.records.get(id(generator))
    if record is None:
        record = dumper.records[id(generator)] = capture_generator(generator)
    return record


_Rest = tuple[list[Any], list[Any], Any]


def _rest(record: FrameRecord, generator: Any) -> _Rest:
    """Values, inner frames, finalizer. These are written whole: filling the generator builds them."""
    inner = [(shape_of(each), each.values) for each in record.inner]
    return record.values, inner, _finalizer(generator) if type(generator) is AsyncGeneratorType else None


def _finalizer(generator: Any) -> Any:
    """What an asynchronous generator that has begun is given to when it goes away: an event loop's, most often."""
    if not _finalizer_place:
        _finalizer_place.append(_find_finalizer())
    address = word(id(generator) + _finalizer_place[0])
    return ctypes.cast(address, ctypes.py_object).value if address else None


_finalizer_place: list[int] = []


def _find_finalizer() -> int:
    async def probe() -> Any:
        yield

    def mark(_: Any) -> None:
        """Is to be found in the probe."""

    with _hooks(mark):
        generator: Any = probe()
        generator.asend(None).close()
    return places_of(generator, mark)[0]


@contextmanager
def _hooks(finalizer: Any = None) -> Iterator[None]:
    """What is begun meanwhile gets this finalizer, and no loop hears of it."""
    former = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, finalizer)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*former)


@constructor
def make_generator(shape: tuple[Any, ...]) -> Any:
    generator = generator_shell(_record(shape))
    _unfilled[id(generator)] = generator
    return generator


_unfilled: dict[int, Any] = {}


@constructor
def fill_generator(generator: Any, state: _Rest) -> None:
    if _unfilled.pop(id(generator), None) is None:
        return
    values, parts, *finalizer = state  # images of format 1 have none
    inner: list[FrameRecord] = []
    for shape, inner_values in parts:
        record = _record(shape)
        record.values[:] = inner_values
        inner.append(record)
    with _hooks(*finalizer):
        generator_fill(generator, values, inner)


@reduces("builtins.async_generator_asend")
def _reduce_step(step: Any, dumper: Dumper) -> Any:
    generators = [each for each in get_referents(step) if type(each) is AsyncGeneratorType]
    if not generators:
        raise Refuse(step, "it does not say which generator it belongs to")
    generator, state, sent = asend_parts(step, generators[0])
    record = _record_of(generator, dumper)
    return make_step, (generator, state, _rest(record, generator) if record is not None else None, sent)


@constructor
def make_step(generator: Any, state: int, rest: _Rest | None, sent: Any = None) -> Any:
    if rest is not None:
        fill_generator(generator, rest)
    return asend_restore(generator, state, sent)


@reduces("builtins.anext_awaitable")
def _reduce_anext(awaitable: Any, dumper: Dumper) -> Any:
    return make_anext, tuple(get_referents(awaitable))


@constructor
def make_anext(step: Any, default: Any) -> Any:
    """What `anext(iterator, default)` gives, around a step that is there already."""
    return anext(_Given(step), default)


class _Given:
    """An asynchronous iterator whose next step is a given one."""

    def __init__(self, step: Any) -> None:
        self._step = step

    def __anext__(self) -> Any:
        return self._step


refuses(
    "an asynchronous generator is being closed, or thrown into, and the step holds how far that has come",
    "wait until it is done",
    "builtins.async_generator_athrow",
)


@reduces("builtins.coroutine_wrapper")
def _reduce_wrapper(wrapper: Any, dumper: Dumper) -> Any:
    return await_of, tuple(get_referents(wrapper)[:1])


@constructor
def await_of(coroutine: Any) -> Any:
    return CoroutineType.__await__(coroutine)

# pyright: basic
# (objects of any type, and modules without stubs)
"""Frames at rest, and the generators, coroutines and async generators that hold one.

A generator is made in two steps: the shell needs only the shape of its frame; the values may refer back to the
generator and come at level 2, when every dict and set that an iterator among them walks over is filled.

A step of an async generator (what `asend()` or `aclose()` gave) exists only once that generator is filled. It carries
what is needed for that along, so that whichever comes first does it.
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
from sojourn.frames import steps
from sojourn.frames.capture import capture_generator
from sojourn.frames.probes import places_of
from sojourn.frames.record import FrameRecord
from sojourn.frames.resume import finished_generator, generator_fill, generator_shell

from .dumper import Dumper, Refuse
from .functions import note_nested
from .registry import NEWER, constructor, reduces
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


_Rest = tuple[list[Any], list[Any], Any, bool]


def _rest(record: FrameRecord, generator: Any) -> _Rest:
    """Values, inner frames, finalizer, is it closed. These are written whole: filling the generator builds them."""
    inner = [(shape_of(each), each.values) for each in record.inner]
    if type(generator) is not AsyncGeneratorType:
        return record.values, inner, None, False
    return record.values, inner, _finalizer(generator), steps.is_closed(generator)


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
    values, parts, finalizer, closed = (*state, None, False)[:4]  # older images have less of it
    inner: list[FrameRecord] = []
    for shape, inner_values in parts:
        record = _record(shape)
        record.values[:] = inner_values
        inner.append(record)
    with _hooks(finalizer):
        generator_fill(generator, values, inner)
    if closed:
        steps.close(generator)


@reduces("builtins.async_generator_asend")
def _reduce_step(step: Any, dumper: Dumper) -> Any:
    generator = _generator_of(step)
    _, state, sent = steps.asend_parts(step, generator)
    return make_step, (generator, state, _rest_of(generator, dumper), sent)


@reduces("builtins.async_generator_athrow")
def _reduce_throw(step: Any, dumper: Dumper) -> Any:
    generator = _generator_of(step)
    runs = dumper.stack is not None and id(generator) in dumper.stack.running
    return make_throw, (generator, *steps.athrow_parts(step, runs), _rest_of(generator, dumper))


def _generator_of(step: Any) -> Any:
    generators = [each for each in get_referents(step) if type(each) is AsyncGeneratorType]
    if not generators:
        raise Refuse(step, "it does not say which generator it belongs to")
    return generators[0]


def _rest_of(generator: Any, dumper: Dumper) -> _Rest | None:
    record = _record_of(generator, dumper)
    return None if record is None else _rest(record, generator)


@constructor
def make_step(generator: Any, state: int, rest: _Rest | None, sent: Any = None) -> Any:
    with _filled(generator, rest):
        made = steps.asend_restore(generator, state, sent)
    return finished_generator("generator") if made is None else made


@constructor
def make_throw(generator: Any, state: int, thrown: list[Any], rest: _Rest | None) -> Any:
    with _filled(generator, rest):
        return steps.athrow_restore(generator, state, thrown)


@contextmanager
def _filled(generator: Any, rest: _Rest | None) -> Iterator[None]:
    """The first step that is made of a generator gives it its finalizer."""
    if rest is not None:
        fill_generator(generator, rest)
    with _hooks(rest and rest[2]):
        yield


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


@reduces("builtins.coroutine_wrapper")
def _reduce_wrapper(wrapper: Any, dumper: Dumper) -> Any:
    return await_of, tuple(get_referents(wrapper)[:1])


@constructor
def await_of(coroutine: Any) -> Any:
    return CoroutineType.__await__(coroutine)

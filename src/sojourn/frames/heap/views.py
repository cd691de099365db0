# pyright: basic
# (objects of any type)
"""Views of memory (`memoryview`): the same part of the same owner, in the same shape.

A view does not say how it was made, only what it shows: it is made again from its owner by a slice, by casts, or by
both, whichever gives its place, shape and strides. Every view that Python code can make of memory that is in one piece
is one of these; of others, those that slice or show the whole.
"""

from __future__ import annotations

from gc import get_referents
from itertools import islice
from typing import Any

from sojourn.errors import InternalError

from .dumper import Dumper, Refuse
from .registry import constructor, reduces
from .words import view_address, word


@reduces(memoryview)
def _reduce_view(view: memoryview, dumper: Dumper) -> Any:
    try:
        owner, readonly = view.obj, view.readonly
    except ValueError:
        return released_view, ()
    if owner is None:
        raise Refuse(view, "it is a view of memory that no object owns", "keep a copy: bytes(view)")
    with memoryview(owner) as whole:  # type: ignore[arg-type]
        offset = view_address(view) - view_address(whole)
        if not offset and _layout(view) == _layout(whole):
            return whole_view, (owner, readonly)
        cut = _cut(view, whole, offset)
        if cut is not None:
            return cut_view, (owner, *cut, readonly)
        if not whole.c_contiguous or not _castable(view):
            raise Refuse(view, "a view of another shape than its owner, with strides", "use numpy for such views")
    return cast_view, (owner, offset, view.nbytes, view.format, view.shape, view.strides, readonly)


def _layout(view: memoryview) -> tuple[Any, ...]:
    return view.format, view.shape, view.strides


def _cut(view: memoryview, whole: memoryview, offset: int) -> tuple[int, int | None, int] | None:
    """The slice of the owner's own view that gives this one, if one does."""
    if view.ndim != 1 or whole.ndim != 1 or view.format != whole.format or not view.nbytes:
        return None
    (count,), (stride,), (unit,) = view.shape, view.strides, whole.strides  # type: ignore[misc]
    if not unit or offset % unit or stride % unit:
        return None
    start, step = offset // unit, stride // unit
    end = start + count * step
    return start, None if end < 0 else end, step


def _castable(view: memoryview) -> bool:
    if view.ndim == 1 and view.nbytes:
        return not view.strides[0] % view.itemsize  # type: ignore[index]
    return view.c_contiguous


@constructor
def released_view() -> memoryview:
    made = memoryview(b"")
    made.release()
    return made


@constructor
def whole_view(owner: Any, readonly: bool) -> memoryview:
    return _as_before(memoryview(owner), readonly)


@constructor
def cut_view(owner: Any, start: int, end: int | None, step: int, readonly: bool) -> memoryview:
    return _as_before(memoryview(owner)[start:end:step], readonly)


@constructor
def cast_view(
    owner: Any, offset: int, size: int, format: Any, shape: Any, strides: Any, readonly: bool
) -> memoryview:
    unit = size
    for length in shape:
        unit = unit // length if length else 1
    octets = memoryview(owner).cast("B")
    if len(shape) != 1:
        return _as_before(octets[offset : offset + size].cast(format, shape), readonly)
    (count,), (stride,) = shape, strides
    reach = (count - 1) * stride if count else 0
    first, last = (offset + reach, offset) if stride < 0 else (offset, offset + reach)
    part = octets[first : last + unit] if count else octets[:0]
    return _as_before(part.cast(format)[:: stride // unit if count else 1], readonly)


@constructor
def make_view(owner: Any, offset: int, size: int, format: str, readonly: bool) -> memoryview:
    """Of images up to format 2."""
    view = memoryview(owner).cast("B")[offset : offset + size]
    if format != "B":
        view = view.cast(format)  # type: ignore[call-overload]
    return _as_before(view, readonly)


def _as_before(view: memoryview, readonly: bool) -> memoryview:
    return view.toreadonly() if readonly and not view.readonly else view


_PLACE = 2 * 8  # of a memory_iterator: refcount, type, index, view, length, format


@reduces(type(iter(memoryview(b""))))
def _reduce_view_iterator(iterator: Any, dumper: Dumper) -> Any:
    views = [each for each in get_referents(iterator) if type(each) is memoryview]
    return view_iterator, (views[0] if views else None, word(id(iterator) + _PLACE))


@constructor
def view_iterator(view: memoryview | None, steps: int) -> Any:
    made = iter(memoryview(b"") if view is None else view)
    next(islice(made, steps, steps), None)
    if view is None:
        next(made, None)
    return made


def _verify() -> None:
    sample = iter(memoryview(b"abcd"))
    next(islice(sample, 2, 2), None)
    if list(view_iterator(*_reduce_view_iterator(sample, None)[1])) != list(b"cd"):  # type: ignore[arg-type]
        raise InternalError("this interpreter's iterators over views are not laid out as expected")


_verify()

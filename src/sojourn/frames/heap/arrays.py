# pyright: basic
# (objects of any type, and modules without stubs)
"""numpy arrays: views stay views, and large memory goes out of band.

An array that owns its memory carries it: small ones in the pickle (and own it again), large ones as a buffer of its
own, which the loader maps without a copy. A view is its base, an offset and strides; whatever exports a buffer can be
a base. An array of objects gets its memory at once, so that views of it can be made, and its objects later. Structures
with objects in them, scalars, dtypes and generators say themselves how they are rebuilt.

numpy is never imported here: if an array is to be loaded, the program's modules have it.

Stated limit: an array that was mapped does not own its memory, so `resize` in place is refused by numpy.
"""

from __future__ import annotations

import sys
from _pickle import PickleBuffer
from itertools import islice
from typing import Any

from .dumper import LARGE, Dumper, Refuse
from .instances import plan_of
from .registry import BY_NAME, constructor, reduces
from .words import python_made

_mapped: dict[int, Any] = {}  # id of a memoryview that the loader made -> it


@reduces("numpy.ndarray", "numpy.matrix", "numpy.recarray", "numpy.memmap")
def _reduce_array(array: Any, dumper: Dumper) -> Any:
    numpy = sys.modules["numpy"]
    cls = type(array)
    base, objects = array.base, array.dtype == object
    if array.dtype.hasobject and not objects and not issubclass(type(base), numpy.ndarray):
        return numpy.ndarray.__reduce_ex__(array, 4)  # a structure with objects in it
    attributes = _attributes(array, dumper)
    if attributes is not None:
        dumper.instances.append(array)
    writeable = array.flags.writeable
    if base is None or _is_mapped(base):
        order = "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else None
        if objects:
            elements = array.reshape(-1, order=order or "C")
            dumper.later(fill_objects, array, (list(elements), order or "C", writeable))
            return array_of_objects, (cls, array.shape, order or "C")
        if order is None or array.nbytes < LARGE:
            order = order or "C"
            return copied_array, (cls, array.shape, array.dtype, array.tobytes(order), order, writeable)
        flat = array.reshape(-1, order="A")
        return mapped_array, (cls, array.shape, array.dtype, PickleBuffer(flat.view("u1")), order, writeable)
    start = array.__array_interface__["data"][0]
    if issubclass(type(base), numpy.ndarray):
        offset = start - _lowest(base)
        if _lowest(base) != base.__array_interface__["data"][0]:
            raise Refuse(
                array, "a view of an array with negative strides that owns its memory", "copy the array"
            )
    else:
        try:
            with memoryview(base) as whole:
                offset = start - numpy.frombuffer(whole, "u1").__array_interface__["data"][0]
        except (TypeError, ValueError):
            raise Refuse(array, f"its memory belongs to a {type(base).__name__}", "copy the array") from None
    return array_view, (cls, array.shape, array.dtype, base, offset, array.strides, writeable)


BY_NAME["numpy.ndarray"].family = True  # type: ignore[attr-defined]


def _attributes(array: Any, dumper: Dumper) -> Any:
    if not python_made(type(array)):
        return None
    return plan_of(type(array), dumper.plans).attributes


def _is_mapped(base: Any) -> bool:
    owner = base.obj if issubclass(type(base), memoryview) else base  # numpy takes a view's owner for the base
    return id(owner) in _mapped


def _lowest(array: Any) -> int:
    start = array.__array_interface__["data"][0]
    return start + sum(
        (n - 1) * step for n, step in zip(array.shape, array.strides, strict=True) if step < 0 < n
    )


@constructor
def copied_array(cls: Any, shape: Any, dtype: Any, data: bytes, order: str, writeable: bool) -> Any:
    numpy = sys.modules["numpy"]
    made = numpy.ndarray.__new__(cls, shape, dtype, order=order)
    if made.nbytes:
        made.reshape(-1, order="A").view(numpy.ndarray).view("u1")[:] = numpy.frombuffer(data, "u1")
    if not writeable:
        made.flags.writeable = False
    return made


@constructor
def array_of_objects(cls: Any, shape: Any, order: str) -> Any:
    return sys.modules["numpy"].ndarray.__new__(cls, shape, object, order=order)


@constructor
def fill_objects(array: Any, state: tuple[list[Any], str, bool]) -> None:
    """By an array of the same objects: numpy would take lists among them apart."""
    elements, order, writeable = state
    numpy = sys.modules["numpy"]
    flat = numpy.ndarray.reshape(array.view(numpy.ndarray), -1, order=order)
    flat[:] = numpy.fromiter(elements, object, len(elements))
    if not writeable:
        array.flags.writeable = False


@constructor
def mapped_array(cls: Any, shape: Any, dtype: Any, data: Any, order: str, writeable: bool) -> Any:
    made = sys.modules["numpy"].ndarray.__new__(cls, shape, dtype, data, order=order)
    if not writeable:
        made.flags.writeable = False
    return made


@constructor
def array_view(
    cls: Any, shape: Any, dtype: Any, base: Any, offset: int, strides: Any, writeable: bool
) -> Any:
    made = sys.modules["numpy"].ndarray.__new__(cls, shape, dtype, base, offset, strides)
    if made.flags.writeable and not writeable:
        made.flags.writeable = False
    return made


@reduces("numpy.flatiter")
def _reduce_flat(iterator: Any, dumper: Dumper) -> Any:
    return flat_iterator, (iterator.base, iterator.index)


@constructor
def flat_iterator(array: Any, steps: int) -> Any:
    made = array.flat
    next(islice(made, steps, steps), None)
    return made


def remember_mapping(owner: Any) -> None:
    """The loader has mapped an image: views into it count as memory of their own."""
    _mapped[id(owner)] = owner

# pyright: basic
# (objects of pandas, which is never imported here)
"""pandas: frames, series and indices with the memory that they share, and what they know of that.

Theory. Frames, series and indices are classes made in Python, and go as they are. Under them are a few types made in C
that say of themselves what is enough for a file, but not for a running program: the blocks of a frame forget with whom
they share memory, so that a write would be seen where it was not. Here each is made bare, and its fields are set; the
arrays in them stay views of what they were views of (`arrays`).

The engine of an index, which finds places by labels, is made anew over the values that it had: the table that it keeps
is built when it is next asked, as after any first question.
"""

from __future__ import annotations

import sys
from gc import get_referents
from types import SimpleNamespace
from typing import Any

from .contents import content_of, new_from
from .dumper import Dumper, Refuse
from .registry import constructor, name_of, reduces
from .words import solid_base

_BLOCKS = "pandas._libs.internals."
_OF_MANAGER = ("blocks", "axes", "_known_consolidated", "_is_consolidated", "_blknos", "_blklocs")
_NUMBERS = [f"{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)]
_NUMBERS += ["Float32", "Float64", "Complex64", "Complex128"]
_ENGINES = [f"pandas._libs.index.{kind}Engine" for kind in (
    *_NUMBERS, *(f"Masked{kind}" for kind in (*_NUMBERS, "Bool")),
    "Bool", "Datetime", "Extension", "Object", "Period", "String", "StringObject", "Timedelta",
)]  # fmt: skip
_OF_TIMES = {"DatetimeEngine": "M8[%s]", "TimedeltaEngine": "m8[%s]"}
_UNITS = {7: "s", 8: "ms", 9: "us", 10: "ns"}  # by numpy's codes for them


@constructor
def bare(base: Any, cls: type) -> Any:
    return base.__new__(cls)


@constructor
def fill_fields(obj: Any, state: dict[str, Any]) -> None:
    """Through the fields of the type that was made in C."""
    for name, value in state.items():
        getattr(solid_base(type(obj)), name).__set__(obj, value)


@reduces(_BLOCKS + "BlockValuesRefs")
def _reduce_references(references: Any, dumper: Dumper) -> Any:
    cls = type(references)
    state = {name: getattr(references, name) for name in ("referenced_blocks", "clear_counter") if hasattr(cls, name)}
    dumper.later(fill_fields, references, state)
    return bare, (cls, cls)


@reduces(_BLOCKS + "BlockPlacement")
def _reduce_placement(placement: Any, dumper: Dumper) -> Any:
    return block_placement, (type(placement), placement.indexer)


@constructor
def block_placement(cls: Any, indexer: Any) -> Any:
    return cls(indexer)


def _block(block: Any, cls: type, dumper: Dumper) -> Any:
    return table_block, (solid_base(cls), cls, block.values, block._mgr_locs, block.ndim, block.refs)


for _name in ("Block", "NumpyBlock"):  # of which the other is made in Python, by version
    content_of(_BLOCKS + _name)(_block)


@constructor
def table_block(base: Any, cls: type, values: Any, placement: Any, dimensions: int, references: Any) -> Any:
    return base.__new__(cls, values, placement=placement, ndim=dimensions, refs=references)


@content_of(_BLOCKS + "BlockManager")
def _manager(manager: Any, cls: type, dumper: Dumper) -> Any:
    base: Any = solid_base(cls)
    state = {name: getattr(base, name).__get__(manager) for name in _OF_MANAGER}
    dumper.later(fill_fields, manager, state)
    return bare, (base, cls)


# Types of elements and arrays of them


@content_of("pandas._libs.tslibs.dtypes.PeriodDtypeBase")
def _period(kind: Any, cls: type, dumper: Dumper) -> Any:
    return new_from, (solid_base(cls), cls, kind._dtype_code, kind._n)


@content_of("pandas._libs.arrays.NDArrayBacked")
def _backed(array: Any, cls: type, dumper: Dumper) -> Any:
    return backed_array, (solid_base(cls), cls, array._ndarray, array._dtype)


@constructor
def backed_array(base: Any, cls: type, values: Any, kind: Any) -> Any:
    made = base.__new__(cls, values, kind)
    base.__init__(made, values, kind)
    return made


# Engines


@reduces(*_ENGINES)
def _reduce_engine(engine: Any, dumper: Dumper) -> Any:
    return _engine(engine, type(engine), dumper)


def _engine(engine: Any, cls: type, dumper: Dumper) -> Any:
    base: Any = solid_base(cls)
    more: list[Any] = []
    kind = name_of(base).rpartition(".")[2]
    if kind in _OF_TIMES:  # which keeps numbers, and is made from times, whose unit comes first in what it says
        more = [_OF_TIMES[kind] % _UNITS[engine.__reduce__()[2][0]]]
    elif kind == "StringObjectEngine":  # what it takes for a missing value
        more = [each for each in get_referents(engine) if type(each) is float or name_of(type(each)).endswith("NAType")]
    dumper.later(fill_engine, engine, (base.values.__get__(engine), getattr(engine, "mask", None), more), 2)
    return bare, (base, cls)


for _name in _ENGINES:
    content_of(_name)(_engine)


@constructor
def fill_engine(engine: Any, state: tuple[Any, Any, list[Any]]) -> None:
    values, mask, more = state
    base: Any = solid_base(type(engine))
    kind = name_of(base).rpartition(".")[2]
    masked = kind.startswith("Masked")
    if kind in _OF_TIMES:
        values = values.view(more.pop())
    base.__init__(engine, SimpleNamespace(_data=values, _mask=mask) if masked else values, *more)


# What loops over groups keep: views of arrays that were made in C


@reduces("_cyutility._memoryviewslice")
def _reduce_slice(view: Any, dumper: Dumper) -> Any:
    """As a view of the interpreter's own over the same array: elements and memory are the same."""
    numpy = sys.modules["numpy"]
    shown, base = numpy.asarray(view), view.base
    if type(base) is not numpy.ndarray:
        raise Refuse(view, f"its memory belongs to a {name_of(type(base))}", "let the loop over it come to its end")
    offset = shown.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    array = numpy.ndarray(shown.shape, shown.dtype, base, offset, shown.strides)
    dumper.keep.append(array)
    return view_of_array, (array,)


@constructor
def view_of_array(array: Any) -> Any:
    return memoryview(array)

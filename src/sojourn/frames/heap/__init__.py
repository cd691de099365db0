# pyright: basic
# (objects of any type, and modules without stubs)
"""The heap: everything that a frozen program can reach, as bytes and back.

`dump(roots, …)` writes the roots and all they reach; `load(data, …)` builds them in another process. `register` opens
the registry to other rooms (files, streams). The map: `dumper` and `loader` are the two halves and hold the theory;
`registry` says which reducer takes what; `library` what is named instead of carried; `containers`, `contents`,
`instances`, `functions`, `classes`, `modules`, `generators`, `exceptions`, `iterators`, `fields`, `newer`,
`variables`, `cobjects`, `extensions` and `arrays` are the families of reducers; `addresses` keeps `id()` true; `blame`
finds the path to what cannot travel; `words` reads the little memory that is needed.

Guarantees.
1. The graph of identities that was written is the graph that is loaded: what was one object is one object.
2. No code of the program runs in `dump` (but see `dumper`); in `load`, `__hash__` and `__eq__` of keys do.
3. A dump either gives the bytes or raises `errors.Unmovable`, which names the object, the path to it and the way out.
4. What both sides have (`preset`) is never written: constructors, standard streams, the pristine world.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from sojourn.errors import BadImage, Refused, Unmovable
from sojourn.frames.boundary import Pin
from sojourn.frames.pause import collector_paused
from sojourn.frames.record import Stack

from . import (
    arrays,
    classes,
    cobjects,
    exceptions,
    extensions,
    fields,
    functions,
    generators,
    iterators,
    modules,
    newer,
    registry,
    variables,
)
from .addresses import AddressDumper, DeepAddressDumper, found_in
from .arrays import remember_mapping
from .blame import unmovable
from .deep import DeepDumper
from .dumper import Dumper, Refuse, standard_streams
from .instances import columns, fill_columns
from .library import Library
from .prepared import Prepared, prepared
from .registry import constructor, reduces, refuses, register
from .stubs import sweep

if TYPE_CHECKING:
    from sojourn.frames.world import Match

__all__ = [
    "Refuse",
    "constructor",
    "dump",
    "load",
    "prepare",
    "reduces",
    "refuses",
    "register",
    "remember_mapping",
]

_HEADER = struct.Struct("<4sIII")  # magic, signature of the table, size of the preset, world's part of it
_MAGIC = b"SJH1"
_families = (
    arrays, classes, cobjects, exceptions, extensions, fields, functions, generators, iterators, modules,
    newer, variables,
)  # fmt: skip


def prepare(world: Match) -> None:
    """Make what a dump and a load over this world need, ahead of time (see `prepared`)."""
    prepared(world).ahead()


def dump(
    roots: Any,
    *,
    stack: Stack | None = None,
    world: Match | None = None,
    buffers: list[Any] | None = None,
    names: Iterable[tuple[str, Any]] = (),
) -> bytes:
    """Everything that `roots` reach, as bytes.

    Args:
        stack: where the frames of running generators are found; `roots` name its records themselves.
        world: the pristine world that the loading side has too.
        buffers: takes large memory out of band (pickle buffers), to be given to `load` in the same order.
        names: (name, object) to start from when the path to something that cannot travel is looked for.

    Raises:
        Unmovable: names the object, the path to it and what to do.
    """
    ready = prepared(world)
    library = Library(world.pristine if world is not None else frozenset())
    with collector_paused():
        try:
            try:
                return _dump(ready.dumper, AddressDumper, ready, roots, library, stack, buffers)
            except RecursionError:
                make = partial(DeepDumper, ready.preset)
                return _dump(make, DeepAddressDumper, ready, roots, library, stack, buffers)
        except Refuse as refusal:
            raise unmovable(refusal, [*names, ("the image", roots)], stack, library) from None
        except Pin as pin:
            raise Unmovable(pin.describe(), advice="wait until it is done") from None


def _dump(
    make: Callable[[], Dumper],
    again: type[AddressDumper] | type[DeepAddressDumper],
    ready: Prepared,
    roots: Any,
    library: Library,
    stack: Any,
    buffers: Any,
) -> bytes:
    """One dump, and a second one with `again` if there are addresses among the numbers of the first."""
    streams = {id(each): role for role, each in enumerate(standard_streams()) if each is not None}
    addresses: dict[int, Any] = {}
    while True:
        dumper = make()
        dumper.sink.write(_HEADER.pack(_MAGIC, registry.signature(), ready.size, ready.worldly))
        dumper.begin(library, stack, streams, in_band=buffers is None)
        dumper.dump((roots,))
        dumper.drain(fill_columns, columns)
        data = dumper.sink.getvalue()
        met = found_in(data, dumper)
        if met.keys() <= addresses.keys():
            break
        addresses |= met
        make = partial(again, ready.preset, addresses)
    dumper.dump(None)
    if buffers is not None:
        buffers.extend(dumper.taken)
    return dumper.sink.getvalue()


def load(data: bytes | memoryview, buffers: Iterable[Any] = (), world: Match | None = None) -> Any:
    """The roots that `dump` wrote, built anew. `world` is this process's own match of the same baseline.

    Raises:
        BadImage: the bytes are not a heap, or are damaged.
        Refused: the heap refers to what this process does not have.
    """
    ready = prepared(world)
    if len(data) < _HEADER.size:
        raise BadImage("the heap of the image is cut off")
    magic, signature, size, worldly = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise BadImage("the heap of the image does not begin as one")
    if (signature, size, worldly) != (registry.signature(), ready.size, ready.worldly):
        raise Refused(
            "the image was written by another version or over another world",
            reasons=[
                f"there: {signature:08x}, {size}, {worldly}",
                f"here: {registry.signature():08x}, {ready.size}, {ready.worldly}",
            ],
        )
    body = data[_HEADER.size :]
    with collector_paused():
        try:
            room = ready.size + bytes(body).count(b"\x94") if ready.missing else 0
            loader = ready.loader(room)
            roots = loader.read(body, buffers)
            ready.keep(loader)
            return roots
        except Refused:
            raise
        except Exception as failure:
            text = str(failure)
            if world is not None and text.startswith("Memo value not found at index "):
                index = int(text.rsplit(" ", 1)[1]) - (ready.size - ready.worldly)
                raise Refused(
                    f"the program refers to {world.describe(index)}, which is not the same here",
                    advice="use the same versions of the packages on both sides",
                ) from None
            raise BadImage(
                f"the heap of the image cannot be rebuilt: {type(failure).__name__}: {failure}"
            ) from failure
        finally:
            sweep()
            modules.forget_made()

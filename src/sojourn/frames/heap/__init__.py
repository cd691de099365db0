# pyright: basic
# (objects of any type, and modules without stubs)
"""The heap: everything that a frozen program can reach, as bytes and back.

`dump(roots, …)` writes the roots and all they reach; `load(data, …)` builds them in another process. `register` opens
the registry to other rooms (files, streams). The map: `dumper` and `loader` are the two halves and hold the theory;
`registry` says which reducer takes what, `table` how an image names what its pickle may call; `library` what is named
instead of carried; `containers`, `contents`, `instances`, `functions`, `classes`, `modules`, `generators`,
`exceptions`, `iterators`, `cursors`, `fields`, `futures`, `hashes`, `loops`, `newer`, `positions`, `threads`,
`variables`, `views`, `walkers`, `cobjects`, `databases`, `debuggers`, `extensions`, `compression`, `bzip2`, `arrays`,
`tables` and `tensors` are the families of reducers;
`addresses` keeps `id()` true; `blame` finds the path to what cannot travel; `custom` and `entries` are the registry of
users and packages; `words` reads the little memory that is needed; `literals` says what code and data share.

Guarantees.
1. The graph of identities that was written is the graph that is loaded: what was one object is one object.
2. No code of the program runs in `dump` (but see `dumper`); in `load`, `__hash__` and `__eq__` of keys do.
3. A dump either gives the bytes or raises `errors.Unmovable`, which names the object, the path to it and the way out.
4. What both sides have (`preset`) is never written: constructors, standard streams, the pristine world.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sojourn.errors import BadImage, Refused, Unmovable
from sojourn.frames.boundary import Pin
from sojourn.frames.pause import collector_paused
from sojourn.frames.record import Stack

from . import (
    arrays,
    bzip2,
    classes,
    cobjects,
    compression,
    cursors,
    custom,
    databases,
    debuggers,
    exceptions,
    extensions,
    fields,
    fixed,
    functions,
    futures,
    generators,
    hashes,
    iterators,
    loops,
    modules,
    newer,
    positions,
    registry,
    table,
    tables,
    tensors,
    threads,
    variables,
    views,
    walkers,
)
from .addresses import AddressDumper, DeepAddressDumper, found_in
from .arrays import remember_mapping
from .blame import unmovable
from .deep import DeepDumper
from .dumper import Dumper, Refuse, standard_streams
from .instances import columns, fill_columns
from .library import Library
from .literals import Literals
from .prepared import Prepared, prepared
from .registry import NEWER, constructor, reduces, refuses, register
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

_HEADER = struct.Struct("<4sII")  # magic, size of the table of names that follows, entries of the world
_MAGIC = b"SJH2"
_HEADER_1 = struct.Struct("<4sIII")  # magic, a checksum of the table, entries of table and world, of the world
_MAGIC_1 = b"SJH1"
_families = (
    arrays, bzip2, classes, cobjects, compression, cursors, custom, databases, debuggers, exceptions, extensions,
    fields, fixed, functions, futures, generators, hashes, iterators, loops, modules, newer, positions, tables,
    tensors, threads, variables, views, walkers,
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
    code: Iterable[Any] = (),
) -> bytes:
    """Everything that `roots` reach, as bytes.

    Args:
        stack: where the frames of running generators are found; `roots` name its records themselves.
        world: the pristine world that the loading side has too.
        buffers: takes large memory out of band (pickle buffers), to be given to `load` in the same order; and to
            `release`, before the program goes on.
        names: (name, object) to start from when the path to something that cannot travel is looked for.
        code: code objects, modules, classes and functions of the program, all of which the roots reach: what lies in
            their code is shared with the data (see `literals`).

    Raises:
        Unmovable: names the object, the path to it and what to do.
    """
    ready = prepared(world)
    library = Library(world.pristine if world is not None else frozenset())
    with collector_paused():
        literals = Literals(code, library, world.index if world is not None else ())
        try:
            try:
                return _dump(ready.dumper, AddressDumper, ready, roots, library, stack, buffers, literals)
            except RecursionError:
                make = partial(DeepDumper, ready.preset)
                return _dump(make, DeepAddressDumper, ready, roots, library, stack, buffers, literals)
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
    literals: Literals,
) -> bytes:
    """One dump, and a second one with `again` if there are addresses among the numbers of the first."""
    streams = {id(each): role for role, each in enumerate(standard_streams()) if each is not None}
    identities = threads.identities(stack)
    addresses: dict[int, Any] = {}
    if len(identities) > 1:  # each thread's object holds its own
        addresses = identities
        make = partial(again, ready.preset, addresses)
    while True:
        dumper = make()
        dumper.sink.write(_HEADER.pack(_MAGIC, len(ready.names), ready.worldly) + ready.names)
        dumper.begin(library, stack, streams, in_band=buffers is None)
        try:
            literals.write(dumper)
            dumper.dump((roots,))
            dumper.drain(fill_columns, columns)
            data = dumper.sink.getvalue()
            met = found_in(data, dumper, identities)
        except BaseException:
            dumper.let_go()
            raise
        if met.keys() <= addresses.keys():
            break
        dumper.let_go()
        addresses |= met
        make = partial(again, ready.preset, addresses)
    dumper.dump(None)
    if buffers is not None:
        buffers.extend(dumper.taken)
    return dumper.sink.getvalue()


def release(buffers: Iterable[Any]) -> None:
    """Let go of the memory that a dump took out of band: until then an object that owns some cannot be resized."""
    for buffer in buffers:
        buffer.release()


def load(data: bytes | memoryview, buffers: Iterable[Any] = (), world: Match | None = None) -> Any:
    """The roots that `dump` wrote, built anew. `world` is this process's own match of the same baseline.

    Over a world, `reach` is to be called when its edits are carried out.

    Raises:
        BadImage: the bytes are not a heap, or are damaged.
        Refused: the heap refers to what this process does not have.
    """
    ready = prepared(world)
    body, listed, worldly = _opened(data, ready)
    if worldly != ready.worldly:
        raise Refused(
            "the image was written over another world",
            reasons=[f"there it has {worldly} objects, here {ready.worldly}"],
            advice="use the same versions of the packages on both sides",
        )
    entries = ready.size if listed is None else len(listed) + worldly
    for each in (iterators, cursors, walkers, custom):
        each.forget()
    with collector_paused():
        try:
            room = entries + bytes(body).count(b"\x94") if ready.missing or listed else 0
            loader = ready.loader(room) if listed is None else ready.foreign_loader(listed, room)
            roots = loader.read(body, buffers)
            if listed is None:
                ready.keep(loader)
            if world is None:
                reach()
            return roots
        except Refused:
            raise
        except Exception as failure:
            absent = _absent(str(failure), world, listed, entries - worldly)
            if absent is not None:
                raise absent from None
            raise BadImage(
                f"the heap of the image cannot be rebuilt: {type(failure).__name__}: {failure}"
            ) from failure
        finally:
            sweep()
            modules.forget_made()


def reach() -> None:
    """Put iterators where they were, now that what they go over is complete, and restore what users and packages said.

    Raises:
        Refused: something could not be restored as they say.
    """
    iterators.reach()
    cursors.reach()
    walkers.reach()
    custom.reach()


def _opened(data: bytes | memoryview, ready: Prepared) -> tuple[bytes | memoryview, Sequence[str] | None, int]:
    """The pickle in a heap, the names of its table (None where it is ours), and how large its world is."""
    magic = bytes(data[:4])
    if magic == _MAGIC and len(data) >= _HEADER.size:
        _, size, worldly = _HEADER.unpack_from(data)
        body = data[_HEADER.size + size :]
        listed = bytes(data[_HEADER.size : _HEADER.size + size])
        return body, None if listed == ready.names else table.read(listed), worldly
    if magic == _MAGIC_1 and len(data) >= _HEADER_1.size:
        _, _, size, worldly = _HEADER_1.unpack_from(data)
        if not 0 <= size - worldly <= len(table.FORMAT_1):
            raise BadImage(f"the heap of the image has {size - worldly} constructors, more than its format knows")
        return data[_HEADER_1.size :], table.FORMAT_1[: size - worldly], worldly
    if magic[:3] == _MAGIC[:3] and magic not in (_MAGIC, _MAGIC_1):
        raise BadImage(f"the heap of the image has format {magic!r}, this is {_MAGIC!r}", advice=NEWER)
    raise BadImage("the heap of the image is cut off, or does not begin as one")


def _absent(text: str, world: Match | None, listed: Sequence[str] | None, constructors: int) -> Refused | None:
    """The refusal for a reference to a place of the preset where this side has nothing, if it was one."""
    if not text.startswith("Memo value not found at index "):
        return None
    index = int(text.rsplit(" ", 1)[1])
    if listed is not None and index < constructors and listed[index] not in registry.TABLE:
        return Refused(f"the image needs {listed[index]!r}, which this Sojourn does not have", advice=NEWER)
    if world is None or not 0 <= index - constructors < len(world.live):
        return None
    return Refused(
        f"the program refers to {world.describe(index - constructors)}, which is not the same here",
        advice="use the same versions of the packages on both sides",
    )

# pyright: basic
# (objects of any type, and modules without stubs)
"""The writing half: one C pickler for everything that a frozen program can reach.

Theory. Three things make an ordinary pickle unfit for a whole program: it recurses (a linked list of 50,000 nodes is
too deep), it hashes keys before their state is there, and it asks the program's own code for the state. So here

* an object is written as a *shell* where it is met, and completed later. What is to be completed waits on worklists
  and is written by further `dump` calls on the same pickler, whose memo goes on; the loader carries them out in order.
  Level 0 completes objects, level 1 fills dicts and sets whose keys need completed objects to be hashed, level 2
  fills frames and generators (whose iterators need the dicts and sets);
* what both sides have (constructors, standard streams, the pristine world) is *preset* into the memo of the pickler
  and of the unpickler: a reference to it costs two to five bytes and no Python call;
* states are read with the base types' own C functions (`instances`), never through the class.

Guarantees. No program code runs while an image is written, except `__reduce_ex__` of extension types that we do not
know. The program's objects are not changed. Order of worklists is order of discovery, so equal heaps give equal bytes.

A frozenset is the one container that cannot be a shell: see `stubs` for those whose elements need completed objects.

Rejected: cloudpickle (its import alone takes longer than a whole move; copies cells); `persistent_id` for everything
known (a Python call per object); the program's own `__getstate__` (drops caches on purpose, and a program must not
notice that it was moved).
"""

from __future__ import annotations

import _io
import _pickle
import sys
from _pickle import PickleBuffer
from collections.abc import Callable, Iterable
from io import BytesIO
from types import CodeType
from typing import TYPE_CHECKING, Any, ClassVar

from . import registry
from .library import Library
from .words import python_made

if TYPE_CHECKING:
    from .registry import Reducer

LEVELS = 3
LARGE = 1 << 20  # bytes from which on memory goes out of band
_STREAM_TYPES = frozenset(each for each in vars(_io).values() if isinstance(each, type))


class Refuse(Exception):
    """An object cannot travel. Becomes `errors.Unmovable`, with the path to the object, where the dump began."""

    def __init__(self, culprit: object, why: str, advice: str | None = None) -> None:
        super().__init__(why)
        self.culprit = culprit
        self.why = why
        self.advice = advice


class Preset:
    """What both sides have, in an order that both sides know. The pickler that keeps it is copied, never used."""

    def __init__(self, things: Iterable[object], sink: BytesIO) -> None:
        memo: dict[int, tuple[int, object]] = {}
        self.size = 0
        for index, thing in enumerate(things):
            if id(thing) in memo:
                thing = object()  # met before: hold the place, so that indices agree
            memo[id(thing)] = (index, thing)
            self.size += 1
        self.pickler = _pickle.Pickler(sink, 5)
        self.pickler.memo = memo  # type: ignore[assignment]


class Dumper(_pickle.Pickler):
    """One dump. Reducers use `later`, `library`, `stack`, `keep` and the `Refuse` exception; nothing else."""

    special: ClassVar[dict[type, Callable[[Dumper, Any], Any]]] = {}  # filled by `containers`

    library: Library
    stack: Any
    streams: dict[int, int]

    def __init__(self, preset: Preset) -> None:
        self.sink = BytesIO()
        self.taken: list[Any] = []  # large memory, out of band
        self.exported: list[PickleBuffer] = []  # of objects that cannot be resized before it is released
        in_band: list[Any] = []
        taken = self.taken

        def take(buffer: Any) -> bool:
            return bool(in_band) or bool(taken.append(buffer))

        super().__init__(self.sink, 5, buffer_callback=take)
        self.memo = preset.pickler.memo
        self._in_band = in_band
        self.modules_met: set[str] = set()
        self.records: dict[int, Any] = {}  # id of a generator -> its frame at rest
        self.announced: dict[int, int] = {}  # id of what has been announced -> its number
        self.announcements = 0
        self.keep: list[object] = []  # objects made for this dump whose ids must stay theirs
        self.reducers: dict[type, Reducer] = {
            k: v for k, v in registry.BY_TYPE.items() if k not in _STREAM_TYPES
        }
        self.ready_types: set[type] = set()  # hashable before their state is there
        self.nested_code: dict[
            int, tuple[Any, int]
        ] = {}  # id of a code object -> (the one that holds it, index)
        self.plans: dict[type, Any] = {}
        self.instances: list[Any] = []
        self.entries: dict[str, str] | None = None  # see `entries`; looked up when a type is first asked for
        self.work: list[list[Any]] = [[] for _ in range(LEVELS)]
        self.unfilled: list[tuple[Any, Any, Any]] = []

    def begin(self, library: Library, stack: Any, streams: dict[int, int], *, in_band: bool) -> None:
        """What belongs to this one dump. `streams`: id of what goes by role -> which it is."""
        self.library = library
        self.stack = stack
        self.streams = streams
        if in_band:
            self._in_band.append(True)

    # What the C pickler asks

    def persistent_id(self, obj: Any, special: Any = special.get) -> Any:
        handler = special(type(obj))
        if handler is not None:
            return handler(self, obj)
        return None

    def reducer_override(self, obj: Any) -> Any:
        cls = type(obj)
        reduce = self.reducers.get(cls)
        if reduce is None:
            reduce = self._choose(cls)
            if registry.name_of(cls).startswith("_io."):
                reduce = _role_or(reduce)
            self.reducers[cls] = reduce
        return reduce(obj, self)

    def _choose(self, cls: type) -> Reducer:
        own = self.way_of(cls, self)
        if own is not None:
            return own
        named = registry.BY_TYPE.get(cls) or registry.BY_NAME.get(registry.name_of(cls))
        if named is not None:
            return named
        if registry.name_of(cls) in registry.ADVICE:
            return _refused
        for base in cls.__mro__[1:]:  # a subclass of a type that refuses, or of a class or an exception
            if registry.name_of(base) in registry.ADVICE:
                return _refused
            family = registry.BY_TYPE.get(base) or registry.BY_NAME.get(registry.name_of(base))
            if family is not None and getattr(family, "family", False):
                return family
        return self.reduce_instance if python_made(cls) or cls is object else _foreign

    reduce_instance: Reducer  # set by `instances`
    way_of: Callable[[type, Dumper], Reducer | None]  # set by `custom`

    # What reducers ask

    def large(self, obj: Any) -> PickleBuffer | None:
        """Its memory, to go out of band, if it is large and may; the program's object is pinned until `let_go`."""
        if self._in_band or len(obj) < LARGE:
            return None
        self.exported.append(PickleBuffer(obj))
        return self.exported[-1]

    def let_go(self) -> None:
        """The program may do with its objects what it likes again; `taken` means nothing any more."""
        for buffer in self.exported:
            buffer.release()

    def later(self, fill: Any, obj: Any, state: Any, level: int = 0) -> None:
        """Have `fill(obj, state)` carried out by the loader when everything of lower levels is complete."""
        self.work[level].append((fill, obj, state))

    def ours(self, made: Any) -> Any:
        """Mark what the dump itself makes (see `deep`)."""
        return made

    def only(self, made: Any) -> Any:
        """Mark a list that the dump makes of the program's own things."""
        return made

    def announce(self, obj: Any) -> int:
        """Give an object its number among the announced ones."""
        place = self.announced[id(obj)] = self.announcements
        self.announcements += 1
        return place

    def later_module(self, name: str, module: Any) -> None:
        """Have the contents of a module of the program written (once)."""
        if name not in self.modules_met:
            self.modules_met.add(name)
            self.write_module(name, module)

    write_module: Callable[[str, Any], None]  # set by `modules`

    def written_ahead(self, code: list[CodeType], others: list[Any]) -> None:
        """Have them in the memo, an entry each after one for a list; the bytes of this mean nothing (`literals`)."""
        reduce = self.reducers[CodeType]
        self.reducers[CodeType] = _no_parts
        self.dump(self.ours([*code, *others]))
        self.reducers[CodeType] = reduce

    # The worklists

    def drain(self, fill_columns: Any, columns: Callable[[Dumper, list[Any]], list[Any]]) -> None:
        """Write everything that waits, lower levels first, until nothing new turns up."""
        while True:
            if self.instances:
                batch, self.instances = self.instances, []
                self.dump((fill_columns, self.ours(columns(self, batch))))
            elif self.work[0]:
                self._write(0)
            elif self.work[1]:
                # Contents first (they may announce further containers), the filling itself when all are written.
                batch, self.work[1] = self.work[1], []
                self.unfilled += batch
                self.dump(self.ours([state for _, _, state in batch]))
            elif self.unfilled:
                batch, self.unfilled = self.unfilled[::-1], []
                self.dump((None, self.ours([part for item in batch for part in item])))
            elif self.work[2]:
                self._write(2)
            else:
                return

    def _write(self, level: int) -> None:
        batch, self.work[level] = self.work[level], []
        self.dump((None, self.ours([part for item in batch for part in item])))


def _no_parts(code: CodeType, dumper: Dumper) -> Any:
    return standard_stream, ()


def _role_or(reduce: Reducer) -> Reducer:
    """Standard streams go by role, others as they do."""

    def role_or_reduce(obj: Any, dumper: Dumper) -> Any:
        role = dumper.streams.get(id(obj))
        return reduce(obj, dumper) if role is None else (standard_stream, (role,))

    return role_or_reduce


def standard_streams() -> list[Any]:
    """The standard streams of this process, each followed by what lies under it."""
    found: list[Any] = []
    for name in ("__stdin__", "__stdout__", "__stderr__"):
        stream = getattr(sys, name, None)
        buffer = getattr(stream, "buffer", None)
        found += (stream, buffer, getattr(buffer, "raw", None))
    return found


@registry.constructor
def standard_stream(role: int) -> Any:
    return standard_streams()[role]


_SILENT = (
    "its type is made in C, and does not say what it holds",
    "finish with it before a move, or make it anew after",
)


def _refused(obj: Any, dumper: Dumper) -> Any:
    for base in type(obj).__mro__:
        known = registry.ADVICE.get(registry.name_of(base))
        if known is not None:
            raise Refuse(obj, *known)
    raise Refuse(obj, "it cannot be carried")


def _foreign(obj: Any, dumper: Dumper) -> Any:
    """An object of a type made in C that has no reducer of ours: its own `__reduce_ex__`, if it has one that works."""
    cls = type(obj)
    known = dumper.library.reductions.get(cls)
    try:
        reduced = known(obj) if known is not None else obj.__reduce_ex__(4)
    except Exception as failure:
        if type(failure) is TypeError and str(failure).startswith("cannot pickle"):
            raise Refuse(obj, *_SILENT) from None
        raise Refuse(obj, f"its __reduce_ex__ failed: {type(failure).__name__}: {failure}") from None
    if not issubclass(type(reduced), str | tuple):
        raise Refuse(obj, f"its __reduce_ex__ gave {type(reduced).__name__}")
    if issubclass(type(reduced), str) and not dumper.library.finds(obj, reduced):
        raise Refuse(obj, f"it says that it is found as {reduced!r}, and it is not")
    return reduced

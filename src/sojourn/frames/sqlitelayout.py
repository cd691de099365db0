# pyright: basic
# (raw memory, and a module without stubs)
"""Where SQLite and `_sqlite3` keep what they do not show, as objects of our own tell: see `sqlite`.

Guarantee: every place is found by values that we have put there, and a place that is not found is an error
(`LookupError`), by which every connection is refused. Only memory of our own objects is followed without the kernel.
"""

from __future__ import annotations

import _thread
import ctypes
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .memory import Memory
    from .sqlite import Library

WORD = 8
_STRUCT = 150  # words of SQLite's struct that are looked at
_MOST = 100_000  # entries of a hash table that are followed
_NAME = "sojourn_probe"
_LAST = 1 << 40


class Layout:
    """Where things are, as objects of our own show it. Words are counted; ints are where they begin, in bytes."""

    def __init__(self, library: Library, memory: Memory) -> None:
        made = _Made(library.module.connect)
        self.holder = 0
        try:
            self._find_callbacks(made)
            self._find_functions(library, memory, made)
            self._find_sharing(library, memory, made)
            self._find_fields(library, memory, made)
        finally:
            made.close()

    def _find_callbacks(self, made: _Made) -> None:
        """Of traces, authorizers and progress handlers."""
        found: set[int] = set()
        for name, *more in (("set_trace_callback",), ("set_authorizer",), ("set_progress_handler", 1 << 30)):
            one = made()
            size = type(one).__basicsize__ // WORD
            before = [word(one, place) for place in range(size)]
            getattr(one, name)(_function, *more)
            found |= {place for place in range(size) if not before[place] and word(one, place)}
        if len(found) != 3:
            raise LookupError("the callbacks of a connection")
        self.callbacks = sorted(found)

    def _find_functions(self, library: Library, memory: Memory, made: _Made) -> None:
        probe = made()
        probe.create_function(_NAME, -1, _function)
        probe.create_aggregate(_NAME + "_a", 1, _Aggregate)
        probe.create_collation(_NAME + "_c", _function)
        windows = hasattr(probe, "create_window_function") and library.module.sqlite_version >= "3.25"
        if windows:
            probe.create_window_function(_NAME + "_w", 1, _Aggregate)
        db = library.database_of(probe)
        self.functions = self._table(memory, db, _NAME)
        self.collations = self._table(memory, db, _NAME + "_c")
        found = dict(self.entries(memory, db, self.functions))
        function, aggregate = (memory.words(found[name], 7) for name in (_NAME, _NAME + "_a"))
        collation = memory.words(dict(self.entries(memory, db, self.collations))[_NAME + "_c"], 5)
        self.wide = function[0] & 0xFFFF == 0xFFFF  # the number of arguments has two bytes, not one
        self.kinds = {(function[3], False): "function", (aggregate[3], False): "aggregate"}
        if windows:
            self.kinds[memory.words(found[_NAME + "_w"], 7)[3], True] = "window"
        self.compare = collation[3]
        self.holder = memory.words(function[1], 4).index(id(_function))
        if [self.called(memory, each) for each in (aggregate[1], collation[2])] != [_Aggregate, _function]:
            raise LookupError("what is registered with a connection")

    def _find_sharing(self, library: Library, memory: Memory, made: _Made) -> None:
        one, other = made(), made("file:sojourn-probe?mode=memory&cache=shared", uri=True)
        alone, shared = (self.sharable(memory, library.database_of(each)) for each in (one, other))
        self.shared = shared if shared != alone else -1  # a SQLite that cannot share

    def _find_fields(self, library: Library, memory: Memory, made: _Made) -> None:
        module = library.module
        self.detects = _place([made(detect_types=kinds) for kinds in (1, 2, 3)], [1, 2, 3])
        self.checks = _place([made(check_same_thread=each) for each in (True, False, True)], [1, 0, 1], self.detects)
        self.autocommit = 0
        if hasattr(module.Connection, "autocommit"):
            modes = [module.LEGACY_TRANSACTION_CONTROL, False, True]
            self.autocommit = _place([made(autocommit=mode) for mode in modes], [int(mode) for mode in modes])
        one = made()
        self.thread = _word_place(one, _thread.get_ident())
        cursors = [one.cursor() for _ in range(3)]
        cursors[1].close()
        self.closed = _place(cursors, [0, 1, 0])
        one.execute("CREATE TABLE t (a)")
        cursor = cursors[2]
        cursor.execute("INSERT INTO t (rowid, a) VALUES (?, 0)", (_LAST,))
        self.last_row = _word_place(cursor, id(cursor.lastrowid))
        db = library.database_of(one)
        changes = set(range(_STRUCT))
        for values in ("(1), (2), (3)", "(4), (5)"):
            cursor.execute(f"INSERT INTO t VALUES {values}")
            cursors.append(one.cursor().execute(f"INSERT INTO t VALUES {values}"))
            words = memory.words(db, _STRUCT)
            changes = {place for place in changes if words[place] == one.total_changes}
        if len(changes) != 1:
            raise LookupError("the counts of a connection")
        (self.changes,) = changes
        self.row_count = _place([cursors[0], *cursors[3:]], [-1, 3, 2])
        cursor.execute("SELECT a FROM t WHERE a > 9")
        self.description = _word_place(cursor, id(cursor.description))
        one.rollback()

    def _table(self, memory: Memory, db: int, name: str) -> int:
        """Which word of SQLite's struct is the first entry of the table that has that name."""
        for place in range(_STRUCT):
            for entry, _ in self.entries(memory, db, place):
                if entry == name:
                    return place
        raise LookupError("the tables of a connection")

    def entries(self, memory: Memory, db: int, place: int) -> Iterator[tuple[str, int]]:
        """The names in a hash table, with the addresses of what they stand for."""
        element = (memory.words(db + place * WORD, 1) or (0,))[0]
        for _ in range(_MOST):
            words = memory.words(element, 4)  # next, previous, data, key
            if not words:
                return
            key = memory.read(words[3], 256)
            end = key.find(b"\0")
            if end < 1 or not memory.words(words[2], 5):
                return
            yield key[:end].decode(errors="replace"), words[2]
            element = words[0]

    def called(self, memory: Memory, context: int) -> Any:
        """The Python object of a callback."""
        return ctypes.cast(memory.words(context, 4)[self.holder], ctypes.py_object).value

    def arguments(self, word: int) -> int:
        most = (1 << (16 if self.wide else 8)) - 1
        return -1 if word & most == most else word & most

    def sharable(self, memory: Memory, db: int) -> int:
        """A byte of a database's B-tree: whether its cache is shared. 0 where it is not found."""
        for place in range(_STRUCT):
            first = memory.words(db + place * WORD, 1)
            names = memory.words(first[0], 2) if first else ()
            if names and memory.read(names[0], 5) == b"main\0":
                return (memory.read(names[1] + 2 * WORD + 1, 1) or b"\0")[0]
        return 0


class _Made:
    """Connections of our own, all of which are closed in the end."""

    def __init__(self, connect: Callable[..., Any]) -> None:
        self._connect = connect
        self._made: list[Any] = []

    def __call__(self, name: str = ":memory:", **settings: Any) -> Any:
        self._made.append(self._connect(name, **settings))
        return self._made[-1]

    def close(self) -> None:
        for each in self._made:
            each.close()


def _function(*_: object) -> int:
    return 0


class _Aggregate:
    def step(self, _: object) -> None: ...

    def inverse(self, _: object) -> None: ...

    def value(self) -> int:
        return 0

    def finalize(self) -> int:
        return 0


def _place(samples: list[Any], wanted: list[int], after: int = 2 * WORD - 4) -> int:
    """Where the samples have an int with these values, behind the place `after`."""
    for place in range(after + 4, type(samples[0]).__basicsize__, 4):
        if [read_int(each, place) for each in samples] == wanted:
            return place
    raise LookupError("the fields of sqlite3's objects")


def _word_place(sample: Any, wanted: int) -> int:
    found = [at for at in range(2, type(sample).__basicsize__ // WORD) if word(sample, at) == wanted]
    if len(found) != 1:
        raise LookupError("the fields of sqlite3's objects")
    return found[0]


def read_int(obj: Any, place: int) -> int:
    return ctypes.c_int.from_address(id(obj) + place).value


def word(obj: Any, place: int) -> int:
    return ctypes.c_size_t.from_address(id(obj) + place * WORD).value

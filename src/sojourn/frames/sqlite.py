# pyright: basic
# (raw memory, a library in C, and a module without stubs)
"""SQLite's connections as SQLite sees them: what `sqlite3` does not show of its objects.

Theory. A `sqlite3.Connection` holds a pointer to SQLite's own struct, and SQLite's C functions take that. They are
those of the library that the program's `_sqlite3` is linked to, found through that module. By them a connection says
which files it has open, whether a transaction is open, what its pragmas and switches are, and what is in its databases,
without the connection's own cursors, caches and factories taking part.

What Python functions a program has registered is in SQLite's hash tables only. They are found by looking: a connection
of our own, with a function, an aggregate, a window function and a collation of known names, shows where its struct has
these tables, and where a table's entries have the function. Reading goes through the kernel (`Memory`), so a word which
is no pointer gives nothing instead of a fault. Likewise the fields of the Python objects that have no accessor.

Guarantees. Nothing here changes a program's connection, nor runs code of the program: one whose statements are traced,
authorized or counted by a callback of the program is refused before anything is asked (`watched`). Calls keep the
interpreter lock. Nothing is imported, or looked at, before the program has imported `sqlite3`.
"""

from __future__ import annotations

import ctypes
import gc
import struct
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from .memory import Memory
from .sqlitelayout import Layout, word

_ROW = 100
_FILE_POINTER, _VFS_NAME = 7, 12  # of sqlite3_file_control
_DESCRIPTOR = 24  # in a unixFile: methods, vfs, inode, then the descriptor
_DETERMINISTIC = 0x800
_SWITCHES = (*range(1002, 1009), *range(1010, 1023))  # of sqlite3_db_config, without what resets a database


class Failed(Exception):
    """SQLite says no."""


class Library:
    """SQLite's functions, and where things are in its memory and in that of `_sqlite3`'s objects."""

    def __init__(self, module: Any) -> None:
        self.module = module
        # A module that is built into the interpreter has no file.
        self.c = ctypes.PyDLL(getattr(module, "__file__", None))
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        for name, result, *arguments in (
            ("sqlite3_prepare_v2", ctypes.c_int, pointer, text, ctypes.c_int, pointer, pointer),
            ("sqlite3_step", ctypes.c_int, pointer),
            ("sqlite3_finalize", ctypes.c_int, pointer),
            ("sqlite3_column_count", ctypes.c_int, pointer),
            ("sqlite3_column_text", text, pointer, ctypes.c_int),
            ("sqlite3_errmsg", text, pointer),
            ("sqlite3_get_autocommit", ctypes.c_int, pointer),
            ("sqlite3_txn_state", ctypes.c_int, pointer, text),
            ("sqlite3_db_readonly", ctypes.c_int, pointer, text),
            ("sqlite3_file_control", ctypes.c_int, pointer, text, ctypes.c_int, pointer),
            ("sqlite3_db_config", ctypes.c_int, pointer, ctypes.c_int, ctypes.c_int, pointer),
            ("sqlite3_limit", ctypes.c_int, pointer, ctypes.c_int, ctypes.c_int),
            ("sqlite3_serialize", pointer, pointer, text, pointer, ctypes.c_uint),
            ("sqlite3_free", None, pointer),
            ("sqlite3_backup_init", pointer, pointer, text, pointer, text),
            ("sqlite3_backup_step", ctypes.c_int, pointer, ctypes.c_int),
            ("sqlite3_backup_finish", ctypes.c_int, pointer),
            ("sqlite3_db_mutex", pointer, pointer),
            ("sqlite3_mutex_try", ctypes.c_int, pointer),
            ("sqlite3_mutex_leave", None, pointer),
            ("sqlite3_last_insert_rowid", ctypes.c_int64, pointer),
            ("sqlite3_set_last_insert_rowid", None, pointer, ctypes.c_int64),
        ):
            function = getattr(self.c, name)
            function.restype, function.argtypes = result, arguments
        self.cursor: Any = None  # that rows are made with
        with Memory() as memory:
            self.layout = Layout(self, memory)

    # ---- through SQLite's functions

    @contextmanager
    def held(self, db: int) -> Generator[None]:
        """Nobody else uses a connection within. (Waiting for it, with the interpreter lock, might be for ever.)

        Raises:
            Failed: another thread uses it just now.
        """
        mutex = self.c.sqlite3_db_mutex(db)
        if self.c.sqlite3_mutex_try(mutex):
            raise Failed("another thread is using it")
        try:
            yield
        finally:
            self.c.sqlite3_mutex_leave(mutex)

    def ask(self, db: int, sql: str) -> list[tuple[str | None, ...]]:
        """The rows that a statement gives, as texts.

        Raises:
            Failed: with SQLite's words.
        """
        statement = ctypes.c_void_p()
        if self.c.sqlite3_prepare_v2(db, sql.encode(), -1, ctypes.byref(statement), None):
            raise Failed(self.c.sqlite3_errmsg(db).decode())
        rows: list[tuple[str | None, ...]] = []
        columns = range(self.c.sqlite3_column_count(statement))
        try:
            while (code := self.c.sqlite3_step(statement)) == _ROW:
                row = [self.c.sqlite3_column_text(statement, each) for each in columns]
                rows.append(tuple(None if each is None else each.decode() for each in row))
            if code != _ROW + 1:
                raise Failed(self.c.sqlite3_errmsg(db).decode())
            return rows
        finally:
            self.c.sqlite3_finalize(statement)

    def databases(self, db: int) -> list[tuple[str, str]]:
        """The name and file of each database of a connection; no file for those in memory."""
        return [(row[1] or "", row[2] or "") for row in self.ask(db, "PRAGMA database_list")]

    def content(self, db: int, name: str) -> bytes:
        """A database as the bytes of its file would be."""
        size = ctypes.c_int64()
        place = self.c.sqlite3_serialize(db, name.encode(), ctypes.byref(size), 0)
        if not place:
            if size.value > 0:
                raise Failed("not enough memory for its content")
            return b""
        try:
            return ctypes.string_at(place, size.value)
        finally:
            self.c.sqlite3_free(place)

    def fill(self, db: int, name: str, content: bytes) -> None:
        """Copy into a database what `content` has given."""
        source = self.module.connect(":memory:")
        try:
            source.deserialize(content)
            copying = self.c.sqlite3_backup_init(db, name.encode(), self.database_of(source), b"main")
            if not copying:
                raise Failed(self.c.sqlite3_errmsg(db).decode())
            self.c.sqlite3_backup_step(copying, -1)
            if self.c.sqlite3_backup_finish(copying):
                raise Failed(self.c.sqlite3_errmsg(db).decode())
        finally:
            source.close()

    def switches(self, db: int) -> dict[int, int]:
        """Which of `sqlite3_db_config` are on."""
        found: dict[int, int] = {}
        for each in _SWITCHES:
            value = ctypes.c_int()
            if not self.c.sqlite3_db_config(db, each, -1, ctypes.byref(value)):
                found[each] = value.value
        return found

    def set_switch(self, db: int, which: int, value: int) -> None:
        self.c.sqlite3_db_config(db, which, value, ctypes.byref(ctypes.c_int()))

    def system_of(self, db: int, name: str) -> str:
        """The name of what gives a database its file."""
        found = ctypes.c_char_p()
        if self.c.sqlite3_file_control(db, name.encode(), _VFS_NAME, ctypes.byref(found)) or not found.value:
            return ""
        value = found.value.decode()
        self.c.sqlite3_free(ctypes.cast(found, ctypes.c_void_p))
        return value

    def descriptor_of(self, db: int, name: str) -> int:
        """The descriptor that a database's file is open under, -1 if none is."""
        place = ctypes.c_void_p()
        if not self.system_of(db, name).startswith("unix"):
            return -1
        if self.c.sqlite3_file_control(db, name.encode(), _FILE_POINTER, ctypes.byref(place)) or not place.value:
            return -1
        with Memory() as memory:
            data = memory.read(place.value + _DESCRIPTOR, 4)
        return struct.unpack("<i", data)[0] if len(data) == 4 else -1

    # ---- through memory

    def set_changes(self, db: int, total: int) -> None:
        """How many rows a connection that was just made is to have changed."""
        ctypes.c_int64.from_address(db + self.layout.changes * 8).value = total

    def database_of(self, connection: Any) -> int:
        """The address of SQLite's struct; 0 if the connection is closed, or was never opened."""
        return word(connection, 2)

    def watched(self, connection: Any) -> bool:
        """Has the program a callback that statements would call?"""
        return any(word(connection, place) for place in self.layout.callbacks)

    def shared(self, db: int) -> bool:
        """Is its main database in memory that other connections see, too?"""
        with Memory() as memory:
            return self.layout.sharable(memory, db) == self.layout.shared

    def functions(self, db: int) -> Iterator[tuple[str, str, int, int, Any]]:
        """What the program has registered: its kind ("" if it is not Python's), name, number of arguments, flags, and
        the function or class (for what is not Python's, its address).
        """
        layout = self.layout
        with Memory() as memory:
            for name, data in layout.entries(memory, db, layout.functions):
                while data:
                    words = memory.words(data, 7)
                    calls, finalize, value = words[3:6]
                    if calls or finalize:
                        kind = layout.kinds.get((calls, bool(value)), "")
                        found = layout.called(memory, words[1]) if kind else calls or finalize
                        flags = words[0] >> 32 & _DETERMINISTIC
                        yield kind, name, layout.arguments(words[0]), flags, found
                    data = words[2]
            for name, data in layout.entries(memory, db, layout.collations):
                compare = memory.words(data, 5)
                if compare[3]:
                    kind = "collation" if compare[3] == layout.compare else ""
                    found = layout.called(memory, compare[2]) if kind else compare[3]
                    yield kind, name, -1, 0, found


_known: list[Library] = []


def library() -> Library:
    """SQLite as the program has imported it.

    Raises:
        LookupError: it is not laid out as expected; says what was not found.
    """
    module: Any = sys.modules["_sqlite3"]
    if not _known or _known[0].module is not module:
        _known[:] = [Library(module)]
    return _known[0]


def open_files() -> dict[int, str]:
    """The descriptors that connections of the program have open, each with the path of its database."""
    module: Any = sys.modules.get("_sqlite3")
    if module is None:
        return {}
    found: dict[int, str] = {}
    for each in gc.get_objects():
        if issubclass(type(each), module.Connection):
            try:
                found |= _files_of(library(), each)
            except (Failed, LookupError, AttributeError):  # it is refused by name
                continue
    return found


def _files_of(known: Library, connection: Any) -> dict[int, str]:
    db = known.database_of(connection)
    if not db or known.watched(connection):
        return {}
    with known.held(db):
        files = ((known.descriptor_of(db, name), file) for name, file in known.databases(db) if file)
        return {number: file for number, file in files if number >= 0}

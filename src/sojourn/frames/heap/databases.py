# pyright: basic
# (a library in C, and a module without stubs)
"""`sqlite3`: connections, cursors and rows.

Theory. A database in memory travels as the bytes that its file would be; one on disk is opened again where it lies,
since SQLite keeps everything of it in its files as long as no transaction is open (`resources.files` sees to it that
these are the same files there). What a connection has besides is set again: settings, pragmas and switches that differ
from a fresh connection's, attached databases, limits, counts, and the functions, aggregates, window functions and
collations that the program has registered (`frames.sqlite` finds them).

A cursor at rest is its description and counts. One with rows still to come is a program half run, in C: it is refused,
and so are an open transaction (it could be committed there, but no longer rolled back), temporary tables, blobs, shared
caches and callbacks that watch statements. All these are states that pass; a freeze waits for that, as for others.

Rejected: fetching what a cursor has still to give (its rows may depend on what the program does meanwhile, and a C
cursor takes no rows back); `backup()` and SQL dumps at the source (they take part in the connection's transactions).
"""

from __future__ import annotations

import _thread
import ctypes
from gc import get_referents
from typing import Any
from urllib.parse import quote

from sojourn.errors import Refused
from sojourn.frames import sqlite
from sojourn.frames.sqlitelayout import read_int

from .contents import content_of
from .dumper import Dumper, Refuse
from .fields import store
from .registry import constructor, name_of, reduces, refuses
from .words import solid_base

_WORD = 8
_LIMITS = range(12)
# Of each database, and of the connection. `query_only` comes last, since it forbids what others do.
_OF_DATABASE = ("page_size", "auto_vacuum", "cache_size", "cache_spill", "synchronous", "secure_delete", "mmap_size",
                "journal_size_limit", "max_page_count", "journal_mode")  # fmt: skip
_OF_CONNECTION = ("encoding", "automatic_index", "cell_size_check", "checkpoint_fullfsync", "count_changes",
                  "fullfsync", "full_column_names", "short_column_names", "ignore_check_constraints",
                  "read_uncommitted", "recursive_triggers", "reverse_unordered_selects", "temp_store", "threads",
                  "wal_autocheckpoint", "busy_timeout", "analysis_limit", "query_only")  # fmt: skip
_KINDS = {
    "function": "create_function", "aggregate": "create_aggregate", "window": "create_window_function",
    "collation": "create_collation",
}  # fmt: skip
_REST = "commit() or rollback() before the move"


def _library(obj: Any) -> sqlite.Library:
    try:
        return sqlite.library()
    except (LookupError, AttributeError) as failure:
        why = f"this SQLite does not show what it holds ({failure})"
        raise Refuse(obj, why, "close it before the move") from None


# Connections

_Registered = list[tuple[str, str, int, int, Any]]


@reduces("sqlite3.Connection")
def _reduce_connection(connection: Any, dumper: Dumper) -> Any:
    return _connection(connection, type(connection), dumper)


@content_of("sqlite3.Connection")
def _connection(connection: Any, cls: type, dumper: Dumper) -> Any:
    base: Any = solid_base(cls)
    library = _library(connection)
    db = library.database_of(connection)
    if not db:
        dumper.later(fill_connection, connection, (connection.row_factory, connection.text_factory, [], None))
        return closed_connection, (base, cls)
    try:
        with library.held(db):
            _at_rest(connection, library, db)
            named = [each for each in library.databases(db) if each[0] != "temp"]
            databases = [_database(connection, library, db, *each) for each in named]
            pragmas = _pragmas(library, db, [name for name, _ in named])
    except sqlite.Failed as failure:
        raise Refuse(connection, f"SQLite does not give it: {failure}", "close it before the move") from None
    layout = library.layout
    thread = ctypes.c_size_t.from_address(id(connection) + layout.thread * _WORD).value
    dumper.later(fill_connection, connection, (
        connection.row_factory, connection.text_factory, _registered(connection, library, db),
        None if thread == _thread.get_ident() else thread,
    ))  # fmt: skip
    settings = {
        "detect_types": read_int(connection, layout.detects),
        "isolation_level": connection.isolation_level,
        "check_same_thread": bool(read_int(connection, layout.checks)),
        "cached_statements": _statements(connection),
    }
    rest = (
        pragmas, library.switches(db), [library.c.sqlite3_limit(db, each, -1) for each in _LIMITS],
        library.c.sqlite3_last_insert_rowid(db), connection.total_changes,
        _autocommit(read_int(connection, layout.autocommit)) if layout.autocommit else None,
    )  # fmt: skip
    return open_connection, (base, cls, settings, databases, *rest)


def _at_rest(connection: Any, library: sqlite.Library, db: int) -> None:
    if library.watched(connection):
        why = "a callback of the program watches its statements (a trace, an authorizer or a progress handler)"
        raise Refuse(connection, why, "set it to None before the move, and again after")
    in_python = library.layout.autocommit and not read_int(connection, library.layout.autocommit)
    if not library.c.sqlite3_get_autocommit(db) and not (in_python and not library.c.sqlite3_txn_state(db, None)):
        raise Refuse(connection, "it is in the middle of a transaction", _REST)
    if library.shared(db):
        why = "it shares its cache with other connections"
        raise Refuse(connection, why, "connect without cache=shared, or close it before the move")
    if int(library.ask(db, "SELECT count(*) FROM temp.sqlite_master")[0][0] or 0):
        why = "it has temporary tables, which are in no file"
        raise Refuse(connection, why, "drop them before the move, or make them in a database in memory")
    if library.ask(db, "PRAGMA locking_mode") == [("exclusive",)]:
        raise Refuse(connection, "it keeps its database locked", "set locking_mode to normal before the move")


def _database(connection: Any, library: sqlite.Library, db: int, name: str, file: str) -> tuple[str, str, bool, bytes]:
    """Name, file, whether it may only be read, and its content if it is in no file."""
    only = library.c.sqlite3_db_readonly(db, name.encode()) == 1
    if not file:
        return name, "", only, library.content(db, name)
    system = library.system_of(db, name)
    if not system.startswith("unix"):
        why = f"its database {file!r} is kept by {system or 'a system of its own'}"
        raise Refuse(connection, why, "close it before the move")
    return name, file, only, b""


def _pragmas(library: sqlite.Library, db: int, names: list[str]) -> list[tuple[str, str]]:
    """What pragmas say, each by its name as it stands in a statement."""
    wanted = [f"{_quoted(name)}.{pragma}" for name in names for pragma in _OF_DATABASE] + list(_OF_CONNECTION)
    said = ((each, library.ask(db, f"PRAGMA {each}")) for each in wanted)
    return [(each, rows[0][0]) for each, rows in said if rows and rows[0][0] is not None]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _statements(connection: Any) -> int:
    cache = next(each for each in get_referents(connection) if name_of(type(each)) == "functools._lru_cache_wrapper")
    return cache.cache_parameters()["maxsize"]


def _autocommit(mode: int) -> Any:
    return bool(mode) if mode >= 0 else mode


def _registered(connection: Any, library: sqlite.Library, db: int) -> _Registered:
    fresh = library.module.connect(":memory:")
    try:
        own = {(name, found) for kind, name, *_, found in library.functions(library.database_of(fresh)) if not kind}
    finally:
        fresh.close()
    found: _Registered = []
    for kind, name, count, flags, thing in library.functions(db):
        if kind:
            found.append((kind, name, count, flags, thing))
        elif (name, thing) not in own:
            why = f"an extension has given it a function {name!r} of its own"
            raise Refuse(connection, why, "close it before the move, and load the extension again after")
    return found


@constructor
def closed_connection(base: Any, cls: type) -> Any:
    made = _initialized(base, cls, ":memory:")
    base.close(made)
    return made


def _initialized(base: Any, cls: type, *arguments: Any, **settings: Any) -> Any:
    made = base.__new__(cls, *arguments, **settings)
    base.__init__(made, *arguments, **settings)
    return made


@constructor
def open_connection(
    base: Any, cls: type, settings: dict[str, Any], databases: list[tuple[str, str, bool, bytes]],
    pragmas: list[tuple[str, str]], switches: dict[int, int], limits: list[int], *rest: Any,
) -> Any:  # fmt: skip
    (_, file, only, content), *attached = databases
    last, changes, autocommit = rest
    try:
        made = _initialized(base, cls, _place(file, only), uri=True, **settings)
        library = sqlite.library()
        db = library.database_of(made)
        if content:
            library.fill(db, "main", content)
        for name, file, only, content in attached:
            library.ask(db, f"ATTACH '{_place(file, only)}' AS {_quoted(name)}")
            if content:
                library.fill(db, name, content)
        for pragma, value in pragmas:
            if library.ask(db, f"PRAGMA {pragma}") != [(value,)]:
                library.ask(db, f"PRAGMA {pragma} = {value}")
        for which, value in switches.items():
            library.set_switch(db, which, value)
        for which, limit in enumerate(limits):
            library.c.sqlite3_limit(db, which, limit)
        library.c.sqlite3_set_last_insert_rowid(db, last)
        library.set_changes(db, changes)
        if autocommit is not None:  # False begins a transaction
            base.autocommit.__set__(made, autocommit)
    except Exception as failure:
        what = f"the program's database {databases[0][1] or 'in memory'}"
        raise Refused(f"{what} cannot be opened here: {failure}", advice="see that both nodes can open it") from None
    return made


def _place(file: str, only: bool) -> str:
    """What to connect to. A file is opened, and never made."""
    return f"file:{quote(file)}?mode={'ro' if only else 'rw'}" if file else ":memory:"


@constructor
def fill_connection(connection: Any, state: tuple[Any, Any, _Registered, int | None]) -> None:
    rows, texts, registered, thread = state
    base: Any = solid_base(type(connection))
    base.row_factory.__set__(connection, rows)
    base.text_factory.__set__(connection, texts)
    for kind, name, count, flags, thing in registered:
        arguments = (name, thing) if kind == "collation" else (name, count, thing)
        more = {"deterministic": True} if kind == "function" and flags else {}
        getattr(base, _KINDS[kind])(connection, *arguments, **more)
    if thread is not None:  # another one's than the main thread's
        place = sqlite.library().layout.thread
        ctypes.c_size_t.from_address(id(connection) + place * _WORD).value = thread


# Cursors


@reduces("sqlite3.Cursor")
def _reduce_cursor(cursor: Any, dumper: Dumper) -> Any:
    return _cursor(cursor, type(cursor), dumper)


@content_of("sqlite3.Cursor")
def _cursor(cursor: Any, cls: type, dumper: Dumper) -> Any:
    base: Any = solid_base(cls)
    layout = _library(cursor).layout
    if any(name_of(type(each)) == "sqlite3.Statement" for each in get_referents(cursor)):
        why = "it has rows still to come, which SQLite finds as it goes"
        raise Refuse(cursor, why, "take all its rows with fetchall(), and go over these")
    state = (
        base.row_factory.__get__(cursor), base.arraysize.__get__(cursor), base.rowcount.__get__(cursor),
        base.description.__get__(cursor), base.lastrowid.__get__(cursor), bool(read_int(cursor, layout.closed)),
    )  # fmt: skip
    dumper.later(fill_cursor, cursor, state)
    return database_cursor, (base, cls, base.connection.__get__(cursor))


@constructor
def database_cursor(base: Any, cls: type, connection: Any) -> Any:
    made = base.__new__(cls)
    if connection is not None:
        thread = ctypes.c_size_t.from_address(id(connection) + sqlite.library().layout.thread * _WORD)
        owner, thread.value = thread.value, _thread.get_ident()
        try:
            base.__init__(made, connection)
        finally:
            thread.value = owner
    return made


@constructor
def fill_cursor(cursor: Any, state: tuple[Any, int, int, Any, Any, bool]) -> None:
    rows, size, count, description, last, closed = state
    base: Any = solid_base(type(cursor))
    layout = sqlite.library().layout
    base.row_factory.__set__(cursor, rows)
    base.arraysize.__set__(cursor, size)
    ctypes.c_int64.from_address(id(cursor) + layout.row_count).value = count
    store(id(cursor) + layout.description * _WORD, description)
    store(id(cursor) + layout.last_row * _WORD, last)
    ctypes.c_int.from_address(id(cursor) + layout.closed).value = closed


# Rows


@reduces("sqlite3.Row")
def _reduce_row(row: Any, dumper: Dumper) -> Any:
    return _row(row, type(row), dumper)


@content_of("sqlite3.Row")
def _row(row: Any, cls: type, dumper: Dumper) -> Any:
    values, description = (each for each in get_referents(row) if each is not cls)
    return database_row, (solid_base(cls), cls, values, description)


@constructor
def database_row(base: Any, cls: type, values: tuple[Any, ...], description: Any) -> Any:
    """A row takes its description from a cursor: from one that is made for that."""
    library = sqlite.library()
    if library.cursor is None:
        connection = library.module.connect(":memory:")
        library.cursor = connection.cursor()
        connection.close()
    store(id(library.cursor) + library.layout.description * _WORD, description)
    made = base.__new__(cls, library.cursor, values)
    store(id(library.cursor) + library.layout.description * _WORD, None)
    return made


refuses("it is open in the middle of a database", "close it before the move, and open it again after", "sqlite3.Blob")

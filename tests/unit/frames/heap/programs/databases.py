import os
import shutil
import sqlite3
import sys
import tempfile
import threading

NEWER = sys.version_info >= (3, 12)


class Base(sqlite3.Connection):
    note = "a class of the program"


class Point:
    def __init__(self, x):
        self.x = x


class Longest:
    def __init__(self):
        self.found = ""

    def step(self, text):
        self.found = max(self.found, text, key=len)

    def finalize(self):
        return self.found


class Running:
    def __init__(self):
        self.total = 0

    def step(self, value):
        self.total += value

    def inverse(self, value):
        self.total -= value

    def value(self):
        return self.total

    finalize = value


def backwards(a, b):
    return (a < b) - (a > b)


def wordy(cursor, row):
    return {column[0]: value for column, value in zip(cursor.description, row)}


def adapt(point):
    return str(point.x)


def convert(data):
    return Point(int(data))


def said(act, *arguments):
    """What sqlite3 complains of."""
    try:
        act(*arguments)
    except sqlite3.Error as error:
        return str(error)
    raise SystemExit("it went well")


def in_thread(act, *arguments):
    found = []
    thread = threading.Thread(target=lambda: found.append(act(*arguments)))
    thread.start()
    thread.join()
    return found[0]


def in_memory():
    sqlite3.register_adapter(Point, adapt)
    sqlite3.register_converter("point", convert)
    base = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES, isolation_level="IMMEDIATE",
                           cached_statements=7, check_same_thread=False, timeout=2.5)
    base.executescript("""
        PRAGMA page_size = 8192; PRAGMA foreign_keys = ON; PRAGMA cache_size = -777; PRAGMA recursive_triggers = 1;
        CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT, place POINT);
        CREATE INDEX by_word ON words (word);
        ATTACH ':memory:' AS "other ""one"; CREATE TABLE "other ""one".more (a); INSERT INTO more VALUES (x'00ff');
    """)
    factor = [3]
    base.create_function("times", 1, lambda x: x * factor[0], deterministic=True)
    base.create_function("pair", -1, lambda *all: repr(all))
    base.create_function("pair", 1, str)
    base.create_aggregate("longest", 1, Longest)
    base.create_collation("backwards", backwards)
    base.create_window_function("running", 1, Running)
    base.set_authorizer(print)
    base.set_authorizer(None)
    base.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, 77)
    words = [(word, Point(len(word))) for word in "a bird in the hand is worth two in the bush".split()]
    base.executemany("INSERT INTO words (word, place) VALUES (?, ?)", words)
    cursor = base.execute("UPDATE words SET word = upper(word) WHERE id < 4")
    base.commit()
    read = base.execute("SELECT id AS number, place FROM words WHERE id = 3")
    row = read.fetchone()
    assert read.fetchone() is None
    closed = base.cursor()
    closed.close()
    base.row_factory = sqlite3.Row
    base.text_factory = bytes
    rows = base.execute("SELECT word, id, word AS again FROM words ORDER BY id LIMIT 2").fetchall()
    base.row_factory = wordy
    return base, factor, cursor, read, row, closed, rows


def check_memory(base, factor, cursor, read, row, closed, rows):
    number, point = row
    assert number == 3 and type(point) is Point and point.x == 2
    assert rows[0].keys() == ["word", "id", "again"] and rows[1]["id"] == 2 and rows[0]["AGAIN"] == rows[0][0] == b"A"
    assert type(rows[0]) is sqlite3.Row and rows[0] != rows[1] and len({*rows, rows[0]}) == 2
    assert cursor.rowcount == 3 and cursor.description is None and cursor.fetchone() is None
    assert cursor.connection is base is read.connection
    assert [each[0] for each in read.description] == ["number", "place"] and read.rowcount == -1
    assert "closed cursor" in said(closed.fetchone)
    assert base.total_changes == 15 and not base.in_transaction and base.isolation_level == "IMMEDIATE"
    assert base.getlimit(sqlite3.SQLITE_LIMIT_COLUMN) == 77

    def one(sql, *values):
        (value,) = base.execute(sql, values).fetchall()[0].values()
        return value

    assert base.row_factory is wordy and base.text_factory is bytes
    assert one("SELECT word FROM words WHERE id = 5") == b"hand"
    base.text_factory = str
    for pragma, value in (("page_size", 8192), ("foreign_keys", 1), ("cache_size", -777), ("recursive_triggers", 1),
                          ("busy_timeout", 2500), ("integrity_check", "ok"), ("journal_mode", "memory")):
        assert base.execute(f"PRAGMA {pragma}").fetchall()[0].popitem()[1] == value, pragma
    assert one('SELECT a FROM "other ""one".more') == b"\0\xff"
    assert one("SELECT last_insert_rowid()") == 11
    assert one("SELECT times(?)", 2) == 6 and one("SELECT pair(1, 2)") == "(1, 2)" and one("SELECT pair(1)") == "1"
    factor[0] = 5
    assert one("SELECT times(?)", 2) == 10
    assert one("SELECT longest(word) FROM words") == "worth"
    assert one("SELECT word FROM words ORDER BY word COLLATE backwards LIMIT 1") == "worth"
    got = base.execute("SELECT running(id) OVER (ORDER BY id ROWS 1 PRECEDING) AS r FROM words").fetchall()
    assert [each["r"] for each in got] == [1, *range(3, 22, 2)]
    base.execute("CREATE INDEX folded ON words (times(id))")
    base.execute("INSERT INTO words (word, place) VALUES ('end', ?)", (Point(9),))
    assert base.in_transaction and base.total_changes == 16
    base.rollback()
    assert one("SELECT place FROM words WHERE id = 1").x == 1
    assert in_thread(one, "SELECT 1") == 1


def on_disk(folder):
    path = os.path.join(folder, "it's 100% a #file?.db")
    base = sqlite3.connect(path, factory=Base)
    base.own = {"of": base}
    base.execute("PRAGMA journal_mode = WAL").fetchall()
    base.execute("CREATE TABLE t (a)")
    base.executemany("INSERT INTO t VALUES (?)", [(each,) for each in range(5)])
    base.commit()
    base.execute("PRAGMA synchronous = OFF")
    base.execute("ATTACH ? AS more", (os.path.join(folder, "more.db"),))
    base.execute("CREATE TABLE more.u (b)")
    reader = sqlite3.connect(f"file:{os.path.join(folder, 'more.db')}?mode=ro", uri=True)
    assert reader.execute("SELECT * FROM u").fetchall() == []
    over = sqlite3.connect(":memory:")
    cursor = over.cursor()
    over.close()
    empty = sqlite3.connect(":memory:")
    wide = sqlite3.connect(":memory:", isolation_level=None)
    wide.executescript("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a); INSERT INTO t VALUES ('ü')")
    return folder, base, reader, over, cursor, empty, wide


def check_disk(folder, base, reader, over, cursor, empty, wide):
    assert type(base) is Base and base.own == {"of": base} and base.note
    assert base.execute("SELECT sum(a) FROM t").fetchall() == [(10,)]
    assert base.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    assert base.execute("PRAGMA synchronous").fetchall() == [(0,)]
    with base:
        base.execute("INSERT INTO more.u VALUES (1)")
        base.execute("INSERT INTO t VALUES (100)")
    assert reader.execute("SELECT * FROM u").fetchall() == [(1,)]
    assert "readonly" in said(reader.execute, "INSERT INTO u VALUES (2)")
    assert "closed database" in said(over.execute, "SELECT 1")
    assert "closed" in said(cursor.execute, "SELECT 1")
    assert "same thread" in in_thread(said, reader.execute, "SELECT 1")
    empty.execute("CREATE TABLE t (a)")
    assert wide.execute("SELECT a FROM t").fetchall() == [("ü",)] and wide.isolation_level is None
    assert wide.execute("PRAGMA encoding").fetchall() == [("UTF-16le",)]
    for each in (base, reader, empty, wide):
        each.close()
    shutil.rmtree(folder)


def modern():
    return sqlite3.connect(":memory:", autocommit=False), sqlite3.connect(":memory:", autocommit=True)


def check_modern(implicit, automatic):
    assert implicit.autocommit is False and implicit.in_transaction and automatic.autocommit is True
    implicit.execute("CREATE TABLE t (a)")
    implicit.rollback()
    assert implicit.execute("SELECT count(*) FROM sqlite_master").fetchall() == [(0,)] and implicit.in_transaction


def make():
    return in_memory(), on_disk(tempfile.mkdtemp()), modern() if NEWER else ()


def check(made):
    memory, disk, newer = made
    sqlite3.register_adapter(Point, adapt)  # of the library, whose changes travel with the world
    sqlite3.register_converter("point", convert)
    check_memory(*memory)
    check_disk(*disk)
    if newer:
        check_modern(*newer)

"""Databases on disk, one transaction after the other: one with a write-ahead log, one with a journal, attached."""

import os
import sqlite3

path = "log.db"
base = sqlite3.connect(path)
base.row_factory = sqlite3.Row
base.execute("PRAGMA journal_mode = WAL")
base.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT)")
base.execute("ATTACH ? AS counts", ("counts.db",))
base.execute("CREATE TABLE counts.digits (digit INTEGER PRIMARY KEY, count INTEGER)")
with base:
    base.executemany("INSERT INTO counts.digits VALUES (?, 0)", [(digit,) for digit in range(10)])
last = None
for step in range(300):
    with base:
        cursor = base.execute("INSERT INTO log (what) VALUES (?)", (f"step {step}",))
        base.execute("UPDATE counts.digits SET count = count + 1 WHERE digit = ?", (step % 10,))
    last = base.execute("SELECT * FROM log WHERE id = ?", (cursor.lastrowid,)).fetchall()[0]
    assert last["what"] == f"step {step}", tuple(last)
    for _ in range(220_000):
        pass
print(base.execute("SELECT count(*) AS count, max(id) FROM log").fetchall()[0]["count"], base.total_changes)
print([row["count"] for row in base.execute("SELECT count FROM counts.digits ORDER BY digit").fetchall()])
base.close()
for name in (path, "counts.db"):
    os.remove(name)

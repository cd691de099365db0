"""Databases in memory, with functions and collations of the program's own; rows, and cursors at rest."""

import collections
import queue
import sqlite3
import threading

Total = collections.namedtuple("Total", "count sum")


class Spread:
    def __init__(self):
        self.values = []

    def step(self, value):
        self.values.append(value)

    def finalize(self):
        return max(self.values) - min(self.values)


def square(value):
    global calls
    calls += 1
    return value * value


def count(asked, answered):
    """In a thread, whose connection nobody else may use."""
    own = sqlite3.connect(":memory:")
    own.execute("CREATE TABLE t (a)")
    while (value := asked.get()) is not None:
        with own:
            own.execute("INSERT INTO t VALUES (?)", (value,))
        answered.put(own.execute("SELECT sum(a) FROM t").fetchall()[0][0])


calls = 0
asked, answered = queue.Queue(), queue.Queue()
counting = threading.Thread(target=count, args=(asked, answered))
counting.start()
base = sqlite3.connect(":memory:")
base.execute("CREATE TABLE seen (step INTEGER PRIMARY KEY, square INTEGER, word TEXT)")
base.create_function("square", 1, square)
base.create_aggregate("spread", 1, Spread)
base.create_collation("backwards", lambda a, b: (a < b) - (a > b))
named = sqlite3.connect(":memory:", isolation_level=None)
named.row_factory = sqlite3.Row
cursor = named.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT)")
last = None
for step in range(300):
    with base:
        base.execute("INSERT INTO seen VALUES (?, square(?), ?)", (step, step, f"word {step % 17}"))
    cursor.execute("INSERT INTO log (what) VALUES (?)", (f"step {step}",))
    last = named.execute("SELECT * FROM log WHERE id = ?", (cursor.lastrowid,)).fetchall()[0]
    assert last["what"] == f"step {step}", tuple(last)
    asked.put(step)
    assert answered.get() == step * (step + 1) // 2
    for _ in range(220_000):
        pass
asked.put(None)
counting.join()
base.row_factory = lambda cursor, row: Total(*row)
print(base.execute("SELECT count(*), sum(square) FROM seen").fetchall(), calls, base.total_changes)
base.row_factory = None
print(base.execute("SELECT DISTINCT word FROM seen ORDER BY word COLLATE backwards LIMIT 3").fetchall())
print(base.execute("SELECT spread(square) FROM seen").fetchall(), last.keys(), tuple(last), cursor.rowcount)

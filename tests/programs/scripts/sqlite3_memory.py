"""A database in memory: tables, joins, functions in Python, a rolled back transaction, with sqlite3."""

import sqlite3

import pyperf


def work():
    base = sqlite3.connect(":memory:")
    base.create_function("half", 1, lambda value: value // 2)
    base.execute("create table t (id integer primary key, x integer, name text)")
    with base:
        base.executemany("insert into t (x, name) values (?, ?)", [(n, f"n{n % 5}") for n in range(200)])
    try:
        with base:
            base.execute("delete from t")
            raise KeyError
    except KeyError:
        pass
    rows = base.execute("select name, sum(half(x)), count(*) from t group by name order by 2").fetchall()
    base.close()
    return rows


pyperf.Runner().bench_func("sqlite3_memory", work)

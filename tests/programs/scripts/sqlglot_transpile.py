"""Queries from one dialect into another, optimized, with sqlglot."""

import pyperf
import sqlglot
from sqlglot.optimizer import optimize

QUERY = "SELECT a.x, COUNT(*) FILTER (WHERE b.y > {n}) AS c FROM t AS a LEFT JOIN u AS b ON a.id = b.id AND b.z IN (1, 2, {n}) GROUP BY a.x HAVING c > 3 ORDER BY 2 LIMIT {n}"
SCHEMA = {"t": {"id": "INT", "x": "INT"}, "u": {"id": "INT", "y": "INT", "z": "INT"}}


def work():
    found = [
        sqlglot.transpile(QUERY.format(n=n), read="duckdb", write="spark", pretty=True)[0] for n in range(10)
    ]
    return found[-1], optimize(sqlglot.parse_one(QUERY.format(n=5)), schema=SCHEMA).sql()


pyperf.Runner().bench_func("sqlglot_transpile", work)

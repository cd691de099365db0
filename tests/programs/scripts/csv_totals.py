"""Rows are written, read, grouped and summed, with csv, statistics and itertools."""

import csv
import io
import itertools
import statistics

import pyperf


def work():
    out = io.StringIO()
    writer = csv.DictWriter(out, ["name", "group", "value"], quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    for n in range(300):
        writer.writerow({"name": f"n, {n}", "group": f'g"{n % 7}', "value": n * 1.5})
    out.seek(0)
    rows = sorted(csv.DictReader(out, quoting=csv.QUOTE_NONNUMERIC), key=lambda row: row["group"])
    return [
        (key, statistics.fmean(row["value"] for row in part))
        for key, part in itertools.groupby(rows, lambda row: row["group"])
    ]


pyperf.Runner().bench_func("csv_totals", work)

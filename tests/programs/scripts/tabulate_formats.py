"""Tables in every format, with tabulate."""

import pyperf
import tabulate


def work():
    rows = [[n, n / 7, "word " * (n % 4), None if n % 5 else "é漢"] for n in range(20)]
    return [
        tabulate.tabulate(rows, headers=["n", "part", "words", "wide"], tablefmt=name)
        for name in ("grid", "pipe", "html", "latex", "rst")
    ]


pyperf.Runner().bench_func("tabulate_formats", work)

"""C functions are parsed and written again, with pycparser (upon ply's grammar tables)."""

import pyperf
from pycparser import c_generator, c_parser

SOURCE = "\n".join(
    f"struct s{n} {{ int a[{n + 1}]; struct s{n} *next; }};\nint f{n}(int x, char **y) {{ for (int i = 0; i < {n}; i++) {{ if (x > i && y[i]) return f{n}(x - 1, y + 1); }} return x ? {n} : -1; }}"
    for n in range(25)
)


def work():
    return c_generator.CGenerator().visit(c_parser.CParser().parse(SOURCE))[-700:]


pyperf.Runner().bench_func("pycparser_functions", work)

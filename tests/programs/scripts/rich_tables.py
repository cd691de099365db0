"""Tables, trees, syntax and markup are rendered to text, with rich."""

import io

import pyperf
from rich.console import Console
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table
from rich.tree import Tree


def work():
    console = Console(
        file=io.StringIO(), width=90, force_terminal=True, color_system="truecolor", legacy_windows=False
    )
    table = Table(title="Rows")
    for name in ("a", "b", "c"):
        table.add_column(name)
    for n in range(20):
        table.add_row(str(n), f"[bold]{n * n}[/]", "word " * (n % 7))
    tree = Tree("root")
    for n in range(6):
        tree.add(f"branch {n}").add("leaf")
    console.print(table, tree, Markdown("# Head\n\n* one\n* two"), Syntax("def f(x): return x + 1", "python"))
    return console.file.getvalue()


pyperf.Runner().bench_func("rich_tables", work)

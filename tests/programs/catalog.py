"""The programs, and why those that do not move do not.

A program is a benchmark of pyperformance, a tool of the standard library run as `python -m`, or one of `scripts/`, each
of which works with one package or a few modules. All repeat their work as often as ROUNDS says: benchmarks and scripts
print each different result once (`shim/pyperf.py`), tools are run again in one process (`shim/again.py`).
"""

from __future__ import annotations

import functools
import pickle
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"
SHIM = Path(__file__).parent / "shim"
STDLIB = "standard library"
PYPERFORMANCE = "pyperformance"
PYPI = "PyPI"


@dataclass(frozen=True)
class Program:
    """One row of the table."""

    name: str
    kind: str
    args: tuple[str, ...] = ()
    script: str = ""  # of pyperformance its benchmark, else the file in `scripts/`
    module: str = ""  # of `python -m`
    files: Callable[[], Mapping[str, bytes]] = dict
    stdin: bytes = b""
    stays: str = ""  # the reason in nature why it does not move; what it is refused with is `refused`
    yet: str = ""  # why it does not move yet
    refused: str = ""  # a regular expression for what moves may be refused with
    once: bool = False  # its work is not repeated

    @property
    def repeats(self) -> bool:
        return not self.once


def _bench(name: str, *args: str, script: str = "", stays: str = "", refused: str = "") -> Program:
    return Program(name, PYPERFORMANCE, args, script=script or name, stays=stays, refused=refused)


_SOCKETS = "connected sockets belong to the node's network"
PYPERFORMANCE_PROGRAMS = [
    _bench("2to3"),
    _bench("argparse", "many_optionals"),
    _bench("argparse_subparsers", "subparsers", script="argparse"),
    _bench("async_generators"),
    _bench("async_tree", "none"),
    _bench("async_tree_io", "io", script="async_tree"),
    _bench("async_tree_memoization", "memoization", script="async_tree"),
    _bench("async_tree_cpu_io_mixed_tg", "cpu_io_mixed", "--task-groups", script="async_tree"),
    _bench("asyncio_tcp", stays=_SOCKETS, refused="socket|eventpoll|transport"),
    _bench("asyncio_websockets", stays=_SOCKETS, refused="socket|eventpoll|transport"),
    _bench("barnes_hut"),
    _bench("base64"),
    _bench("bpe_tokeniser"),
    _bench("chameleon"),
    _bench("chaos"),
    _bench("comprehensions"),
    _bench("concurrent_imap", stays="child processes, and pipes to them", refused="pipe|process|thread"),
    _bench("coroutines"),
    _bench("coverage", stays="it is watched by a tracer in C", refused="trace|monitoring"),
    _bench("crypto_pyaes"),
    _bench("decimal_factorial"),
    _bench("decimal_pi"),
    _bench("deepcopy"),
    _bench("deltablue"),
    _bench("django_template"),
    _bench("docutils"),
    _bench("dulwich_log", stays="it maps files into its memory", refused="mmap"),
    _bench("fannkuch"),
    _bench("fastapi"),
    _bench("float"),
    _bench("gc_collect"),
    _bench("gc_traversal"),
    _bench("generators"),
    _bench("genshi"),
    _bench("go"),
    _bench("hexiom"),
    _bench("html5lib"),
    _bench("json_dumps"),
    _bench("json_loads"),
    _bench("logging", "silent"),
    _bench("logging_simple", "simple", script="logging"),
    _bench("logging_format", "format", script="logging"),
    _bench("mako"),
    _bench("mdp"),
    _bench("meteor_contest"),
    _bench("nbody"),
    _bench("networkx", "shortest_path"),
    _bench("networkx_connected_components", "connected_components", script="networkx"),
    _bench("nqueens"),
    _bench("pathlib"),
    _bench("pickle_pure_python", "--pure-python", "pickle", script="pickle"),
    _bench("unpickle_pure_python", "--pure-python", "unpickle", script="pickle"),
    _bench("pidigits"),
    _bench("pprint"),
    _bench("pyflate"),
    _bench("raytrace"),
    _bench("regex_compile"),
    _bench("regex_dna"),
    _bench("regex_effbot"),
    _bench("regex_v8"),
    _bench("richards"),
    _bench("richards_super"),
    _bench("scimark"),
    _bench("spectral_norm"),
    _bench("sphinx"),
    _bench("sqlalchemy_declarative"),
    _bench("sqlalchemy_imperative"),
    _bench("sqlglot_v2_parse", "parse", script="sqlglot_v2"),
    _bench("sqlglot_v2_optimize", "optimize", script="sqlglot_v2"),
    _bench("sqlglot_v2_normalize", "normalize", script="sqlglot_v2"),
    _bench("sqlite_synth"),
    _bench("sympy", "integrate"),
    _bench("sympy_str", "str", script="sympy"),
    _bench("sympy_sum", "sum", script="sympy"),
    _bench("telco"),
    _bench("tomli_loads"),
    _bench("tornado_http", stays=_SOCKETS, refused="socket|eventpoll"),
    _bench("typing_runtime_protocols"),
    _bench("unpack_sequence"),
    _bench("xdsl"),
    _bench("xml_etree_parse", "parse", script="xml_etree"),
    _bench("xml_etree_iterparse", "iterparse", script="xml_etree"),
    _bench("xml_etree_generate", "generate", script="xml_etree"),
    _bench("xml_etree_process", "process", script="xml_etree"),
    _bench("yaml"),
]


@functools.cache
def _source(times: int = 1) -> bytes:
    """Python source of the library, many times over."""
    return (Path(sysconfig.get_path("stdlib")) / "argparse.py").read_bytes() * times


@functools.cache
def _json(rows: int) -> bytes:
    return (
        "["
        + ", ".join(f'{{"n": {n}, "of": [1.5, null, "é{n}"], "in": {{"b": true}}}}' for n in range(rows))
        + "]"
    ).encode()


@functools.cache
def _words(lines: int) -> bytes:
    return b"".join(b"line %d of some words that come again and again\n" % n for n in range(lines))


_DOCTEST = b'''def square(n):
    """
    >>> [square(n) for n in range(4)]
    [0, 1, 4, 9]
    >>> sum(square(n) for n in range(900000)) and square(7)
    49
    >>> for n in range(1200000): _ = square(n)
    >>> square("x")
    Traceback (most recent call last):
    TypeError: can't multiply sequence by non-int of type 'str'
    """
    return n * n
'''
_TESTS = b"""import unittest

class Things(unittest.TestCase):
    def test_sums(self):
        for n in range(400):
            with self.subTest(n=n):
                self.assertEqual(sum(range(n)), n * (n - 1) // 2)
    def test_sorting(self):
        for n in range(300):
            self.assertEqual(sorted([(n * k) % 17 for k in range(60)], key=lambda v: -v)[0] >= 0, True)
    def test_slow(self):
        total = 0
        for n in range(9_000_000):
            total += n % 7
        self.assertGreater(total, 5)
"""
_PROGRAM = b"""import sys
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def main(n):
    found = []
    for each in range(n):
        found.append(fib(each))
    return found
print(main(30))
"""


def _tool(module: str, *args: str, name: str = "", stays: str = "", refused: str = "", stdin: bytes = b"",
          once: bool = False, **files: bytes) -> Program:  # fmt: skip
    made = {key.replace("__", "."): value for key, value in files.items()}
    return Program(
        f"python -m {name or module}", STDLIB, args, module=module, files=lambda: made, stdin=stdin, stays=stays,
        refused=refused, once=once,
    )  # fmt: skip


_COMPRESSES = "all its work is one compression, and how far that has come is in zlib"
TOOLS = [
    _tool("json.tool", "in.json", name="json.tool", in__json=_json(50_000)),
    _tool(
        "json.tool",
        "--sort-keys",
        "--json-lines",
        "in.json",
        name="json.tool --json-lines",
        in__json=b"\n".join([_json(30)] * 1500),
    ),
    _tool("ast", "big.py", name="ast", big__py=_source(8)),
    _tool("dis", "big.py", name="dis", big__py=_source(16)),
    _tool("tokenize", "big.py", name="tokenize", big__py=_source(16)),
    _tool("tabnanny", "-v", "big.py", name="tabnanny", big__py=_source(60)),
    _tool("pyclbr", "big.py", name="pyclbr", big__py=_source(40)),
    _tool(
        "pickletools",
        "in.pickle",
        name="pickletools",
        in__pickle=pickle.dumps([[n, str(n)] for n in range(40_000)]),
    ),
    _tool("calendar", "--type", "html", "2024", name="calendar"),
    _tool("base64", "-e", "in.txt", name="base64", in__txt=_words(300_000)),
    _tool("quopri", "in.txt", name="quopri", in__txt=_words(200_000)),
    _tool(
        "compileall",
        "-f",
        "-q",
        ".",
        name="compileall",
        a__py=_source(30),
        b__py=_source(30),
        c__py=_source(30),
        d__py=_source(30),
    ),
    _tool(
        "zipfile",
        "-c",
        "out.zip",
        "a.txt",
        "b.txt",
        name="zipfile -c",
        a__txt=_words(400_000),
        b__txt=_words(200_000),
        stays=_COMPRESSES,
        refused="compress",
    ),
    _tool(
        "tarfile",
        "-c",
        "out.tar",
        "a.txt",
        "b.txt",
        name="tarfile -c",
        a__txt=_words(400_000),
        b__txt=_words(200_000),
    ),
    _tool(
        "gzip",
        "a.txt",
        name="gzip",
        a__txt=_words(400_000),
        stays=_COMPRESSES,
        refused="hashed|compress|buffer cannot be carried",
    ),
    _tool("unittest", "-v", "things", name="unittest", things__py=_TESTS),
    _tool("doctest", "-v", "square.py", name="doctest", square__py=_DOCTEST),
    _tool(
        "timeit",
        "-n",
        "400",
        "-r",
        "3",
        "-s",
        "x = list(range(3000))",
        "sorted(x, key=lambda n: -n); [n * n for n in x]",
        name="timeit",
    ),
    _tool(
        "pdb",
        "-c",
        "continue",
        "program.py",
        name="pdb -c continue",
        program__py=_PROGRAM,
        refused="trace",
        once=True,
    ),
    _tool(
        "pdb",
        "program.py",
        name="pdb, stepping",
        program__py=_PROGRAM,
        stdin=b"break fib, n == 20\ncontinue\nargs\nwhere\nclear 1\ncontinue\nquit\n",
        refused="trace",
        once=True,
    ),
    _tool(
        "trace",
        "--count",
        "--missing",
        "program.py",
        name="trace --count",
        program__py=_PROGRAM.replace(b"30", b"20"),
        stays="a trace function is set",
        refused="trace",
    ),
    _tool(
        "cProfile",
        "program.py",
        name="cProfile",
        program__py=_PROGRAM.replace(b"30", b"26"),
        stays="a profiler is at work",
        refused="profil|monitoring",
    ),
    _tool("symtable", "big.py", name="symtable", big__py=_source(10)),
    _tool("runpy", "program", name="runpy", program__py=_PROGRAM),
    _tool("pydoc", "argparse", name="pydoc"),
]
_STDLIB_SCRIPTS = (
    "ast_rewrite", "asyncio_queues", "calendar_years", "cmd_sessions", "configparser_argparse", "csv_totals",
    "difflib_pages", "doctest_run", "email_messages", "fractions_decimals", "graphlib_ip", "logging_tree",
    "minidom_html", "pickle_python", "pprint_nested", "sqlite3_memory", "tarfile_memory", "threads_pool",
    "tokenize_round", "unittest_run", "zipfile_memory",
)  # fmt: skip
_REFUSED: dict[str, str] = {
    "click_commands": "NamedTextIOWrapper",
    "sqlite3_memory": "sqlite3",
    "tarfile_memory": "buffer cannot be carried|compress|hashed",
    "zipfile_memory": "compress",
}
_YET: dict[str, str] = {
    "click_commands": "its runner keeps a text stream of a class of its own, derived from one made in C",
}
SCRIPT_PROGRAMS = [
    Program(
        path.stem,
        STDLIB if path.stem in _STDLIB_SCRIPTS else PYPI,
        script=path.stem,
        yet=_YET.get(path.stem, ""),
        refused=_REFUSED.get(path.stem, ""),
    )
    for path in sorted(SCRIPTS.glob("*.py"))
]
PROGRAMS = [*PYPERFORMANCE_PROGRAMS, *TOOLS, *SCRIPT_PROGRAMS]
BY_NAME = {program.name: program for program in PROGRAMS}

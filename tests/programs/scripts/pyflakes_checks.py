"""A module of the library is checked, with pyflakes and pycodestyle."""

import ast
import inspect
import textwrap

import pycodestyle
import pyperf
from pyflakes import checker


def work():
    source = inspect.getsource(textwrap)
    style = pycodestyle.Checker("textwrap.py", lines=source.splitlines(True), quiet=1, max_line_length=60)
    found = checker.Checker(ast.parse(source), "textwrap.py")
    return sorted(map(str, found.messages)), style.check_all()


pyperf.Runner().bench_func("pyflakes_checks", work)

"""Its own source as HTML, with pygments."""

import inspect

import pygments
import pyperf
from pygments import formatters, lexers


def work():
    text = inspect.getsource(pygments)
    found = [
        pygments.highlight(text, lexers.PythonLexer(), formatter())
        for formatter in (formatters.HtmlFormatter, formatters.LatexFormatter)
    ]
    return [len(each) for each in found], found[0][-300:]


pyperf.Runner().bench_func("pygments_html", work)

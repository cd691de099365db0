"""Examples in docstrings are run, with doctest; some are wrong."""

import doctest
import io
from contextlib import redirect_stdout

import pyperf


def sample():
    """
    >>> sorted({3, 1, 2})
    [1, 2, 3]
    >>> for n in range(30): _ = [each * n for each in range(40)]
    >>> 1 / 0
    Traceback (most recent call last):
    ZeroDivisionError: division by zero
    >>> print("\\n".join("abc"))  # doctest: +ELLIPSIS
    a
    ...
    c
    >>> 2 + 2
    5
    """


def work():
    out = io.StringIO()
    with redirect_stdout(out):
        runner = doctest.DocTestRunner(verbose=True)
        for test in doctest.DocTestFinder().find(sample, "sample", globs={}):
            runner.run(test)
    return runner.tries, runner.failures, out.getvalue()[-500:]


pyperf.Runner().bench_func("doctest_run", work)

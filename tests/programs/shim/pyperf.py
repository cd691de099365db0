"""Stands where pyperf stands: runs a benchmark's function again and again in this very process, and prints its results.

pyperf starts a process for each sample and times it; here the benchmark itself is what is looked at. Each different
result is printed once, by its digest, so that those of a run that was moved can be compared with those of one that
was not.
"""

import argparse
import asyncio
import hashlib
import runpy
import sys
from time import perf_counter  # noqa: F401  (benchmarks take it from here)

from rounds import rounds


def python_implementation():
    return "cpython"


def python_has_jit():
    return False


class Runner:
    def __init__(self, **options):
        self.metadata = {}
        self.argparser = argparse.ArgumentParser()
        self.args = None

    def parse_args(self, args=None):
        if self.args is None:
            self.args = self.argparser.parse_args(args)
        return self.args

    def bench_func(self, name, function, *args, inner_loops=None, metadata=None):
        self._rounds(name, lambda: function(*args))

    def bench_time_func(self, name, function, *args, inner_loops=None, metadata=None):
        self._rounds(name, lambda: self._timed(function(1, *args)))

    def bench_async_func(self, name, function, *args, loop_factory=None, inner_loops=None, metadata=None):
        self._rounds(name, lambda: self._untimed(asyncio.run(function(*args))))

    def bench_command(self, name, command):
        """One that is `python -m MODULE ARGS` is run here."""
        self.parse_args()
        assert command[1] == "-m", command
        for _ in rounds():
            sys.argv = command[2:]
            try:
                runpy.run_module(command[2], run_name="__main__", alter_sys=True)
            except SystemExit as exit:
                print(name, "exit code", exit.code)

    def _timed(self, seconds):
        """What such a function gives is how long it took."""
        return isinstance(seconds, float)

    def _untimed(self, result):
        """Some give how long they took."""
        return type(result) if isinstance(result, float) else result

    def _rounds(self, name, once):
        self.parse_args()
        seen, done = set(), 0
        for done in rounds():
            result = digest(once())
            if result not in seen:
                seen.add(result)
                print(name, result, flush=True)
        print(name, "done", done, flush=True)


def digest(value):
    text = repr(value)
    if " at 0x" in text:  # an address is no result
        text = type(value).__name__
    return hashlib.md5(text.encode()).hexdigest()[:12] + " " + text[:50]

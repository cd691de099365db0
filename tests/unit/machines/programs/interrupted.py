# ruff: noqa
"""Ends by a KeyboardInterrupt that nobody catches."""

import atexit

atexit.register(print, "at exit")


def work():
    raise KeyboardInterrupt("stop")


work()

# ruff: noqa
"""Ends by an exception that goes through the program's own hook."""

import sys
import traceback


def hook(kind, value, tb):
    print("hooked", kind, value, [frame.name for frame in traceback.extract_tb(tb)], sys.last_type, file=sys.stderr)
    raise ValueError("the hook fails too")


sys.excepthook = hook


def fail():
    raise LookupError("first")


fail()

# ruff: noqa
"""Ends by an exception with a cause, after registering what runs at the end."""

import atexit
import threading


class Noisy:
    def __del__(self):
        print("finalized", type(self).__name__, flush=True)


kept = Noisy()
kept.me = kept
other = Noisy()
atexit.register(print, "at exit")
gate = threading.Event()
thread = threading.Thread(target=lambda: (gate.wait(), print("thread done")))
thread.start()
threading.Timer(0.01, gate.set).start()


def inner():
    return {}["missing"]


def outer():
    try:
        inner()
    except KeyError as error:
        raise RuntimeError("told") from error


outer()

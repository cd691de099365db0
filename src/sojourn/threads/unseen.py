"""Errors of threads that nobody joins: told, as those of kernel-level threads are."""

from __future__ import annotations

import sys


class Unseen:
    """The error of a thread that nobody has joined yet; told when it is clear that nobody will."""

    __slots__ = ("error", "name", "seen")

    def __init__(self, name: str, error: BaseException) -> None:
        self.name = name
        self.error = error
        self.seen = False

    def __del__(self) -> None:
        if not self.seen:
            excepthook(self.name, self.error)


def excepthook(name: str, error: BaseException) -> None:
    """What happens to the error of a thread that nobody joins: printed, as by `threading.excepthook`."""
    stderr = sys.stderr
    if stderr is None or sys.is_finalizing():  # pyright: ignore[reportUnnecessaryComparison]
        return
    print(f"Exception in thread {name}, which nobody has joined:", file=stderr)
    # In C: `traceback` parses source lines, which 3.11 cannot do while a collection interrupts its parser.
    sys.__excepthook__(type(error), error, error.__traceback__)

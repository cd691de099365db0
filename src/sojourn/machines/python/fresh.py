"""What a copy of a process must not share with its original: the random numbers that nobody asked it to repeat.

Theory. `os.urandom`, and with it `secrets`, `uuid4`, `SystemRandom` and `numpy.random.default_rng()`, are the
kernel's: two processes never draw the same from it. What is left are generators in memory. Those that the library
makes for everybody (`random`'s functions, `numpy.random`'s) were seeded by the kernel when they were imported, and
are seeded by it again in a copy. Whether the program has called `random.seed(7)` since then cannot be told from their
state; a program, or who clones it, that wants the numbers to be the same says so. Generators that the program has made
itself are its own values, and are copied like any other.

Guarantee: nothing of the program runs, and nothing but the state of these generators changes.
"""
# pyright: basic
# (modules that may not be there)

from __future__ import annotations

import sys
from typing import Any


def freshen() -> None:
    """Seeds the library's own generators anew, where they have been imported."""
    shared: Any = vars(sys.modules.get("random", sys)).get("_inst")
    for kind in type(shared).__mro__:
        # The class made in C, by its name: the one that this module could import is not the program's.
        if kind.__module__ == "_random":
            kind.seed(shared)
            shared.gauss_next = None
            break
    legacy: Any = vars(sys.modules.get("numpy.random.mtrand", sys)).get("_rand")
    if legacy is not None:
        try:
            legacy.seed()
        except TypeError:  # the program has put a generator of its own there (set_bit_generator)
            pass

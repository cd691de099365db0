# pyright: basic
# (raw memory, and C methods, have no types worth the name)
"""Calls that wait for input: which of them may be made again elsewhere, and when.

Theory. A program that waits for somebody to type is blocked in `read`, most often below several layers of C. The kernel
has given nothing when the signal comes, so making the call again loses nothing, if no layer in between holds what an
earlier `read` of the same call gave. Reads of one piece (`os.read`, `read1`, `read(1)`) never do. Those of a line do
when a part of it has come: they keep it in a list that nothing but the C stack leads to. That list is looked for there;
a line half read is a pin, until its end has come. What asks for more (`read(100)`, `read()`) is a pin.

`input` has shown its prompt already: it is called again with an empty one. At a terminal where the program has
imported `readline` it is a pin: the C library has the line, its history and the terminal's settings.

Guarantee: a call of which something has been read is not made again.
"""

from __future__ import annotations

import builtins
import gc
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .analyze import ITERATOR_SLOTS, Facts, Instruction
from .cstack import words_above
from .layout import Frame, plain


@dataclass(frozen=True, slots=True)
class Read:
    """A call that waits for input."""

    callable: Any
    lines: bool = False  # it may hold a part of a line
    sized: int | None = None  # which argument says how much it is to read, at most
    whole: bool = False  # it reads exactly so much: may be made again for one
    shown: int | None = None  # which argument it has written out already


READS = (
    Read(os.read),
    Read(builtins.input, lines=True, shown=0),
    Read(io.FileIO.read, sized=0),
    Read(io.FileIO.readinto),
    Read(io.BufferedReader.peek),
    Read(io.BufferedReader.read1),
    Read(io.BufferedReader.read, sized=0, whole=True),
    Read(io.BufferedReader.readline, lines=True),
    Read(io.TextIOWrapper.read, sized=0, whole=True),
    Read(io.TextIOWrapper.readline, lines=True),
)
_LOOP = Read(None, lines=True)


def looping(view: Frame, facts: Facts, instruction: Instruction) -> Read | None:
    """Is the frame in a `for` over the lines of the standard input?"""
    depth = len(facts.kinds(instruction)) - ITERATOR_SLOTS
    iterator = plain(view.word(facts.locals_count + depth))
    for stream in (sys.stdin, sys.__stdin__):
        if type(stream) is io.TextIOWrapper and iterator in (id(stream), id(stream.buffer)):
            return _LOOP
    return None


def objection(read: Read, arguments: list[Any], words: Sequence[int] | None) -> str | None:
    """Why the call may not be made again; None if it may. `words` are of the C stack of the thread that reads; None
    for the main thread's, in the handler that has interrupted it.
    """
    if read.sized is not None:
        size = arguments[read.sized] if len(arguments) > read.sized else None
        if type(size) is not int or size < 0 or (read.whole and size != 1):
            return "waiting for more input, of which it may have read a part, in"
    if read.shown is not None and "readline" in sys.modules and os.isatty(0):
        return "in the hands of GNU readline, which has the line that is being edited, in"
    if read.lines and gathered(words_above() if words is None else words):
        return "in the middle of a line, in"
    return None


def gathered(words: Sequence[int] | None) -> bool:
    """Does a C function that waits hold parts of a line?"""
    if words is None:
        return True  # it cannot be known
    near = set(words)
    return any(id(each) in near and count == _HELD for each, count in _counted(gc.get_objects()))


def _counted(objects: list[Any]) -> Iterator[tuple[Any, int]]:
    """The lists of strings or bytes, with the number of references that are seen here."""
    for each in objects:
        if type(each) is list and each and type(each[0]) in (str, bytes):
            yield each, sys.getrefcount(each)


_HELD = next(_counted([[""]]))[1] + 1  # of a list that one place holds, and no object

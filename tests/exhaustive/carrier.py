"""Images for the exhaustive test: the stack and `__main__`, through the engine's own heap, with no world behind it."""

from __future__ import annotations

import sys
from types import ModuleType

from sojourn.frames.heap import dump as heap_dump
from sojourn.frames.heap import load as heap_load
from sojourn.frames.record import FrameRecord, Stack


def dump(stack: Stack) -> bytes:
    return heap_dump((stack.records, sys.modules["__main__"]), stack=stack)


def load(image: bytes) -> tuple[list[FrameRecord], ModuleType]:
    return heap_load(image)

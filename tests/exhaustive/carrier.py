"""Images for the exhaustive test: the stack, `__main__` and the context variables, through the engine's own heap, with
no world behind it."""

from __future__ import annotations

import contextvars
import sys
from types import ModuleType

from sojourn.frames.heap import dump as heap_dump
from sojourn.frames.heap import load as heap_load
from sojourn.frames.record import FrameRecord, Stack


def dump(stack: Stack) -> bytes:
    context = stack.context if stack.context is not None else contextvars.Context()
    return heap_dump((stack.records, sys.modules["__main__"], list(context.items())), stack=stack)


def load(image: bytes) -> tuple[list[FrameRecord], ModuleType]:
    records, main, variables = heap_load(image)
    for variable, value in variables:
        variable.set(value)
    return records, main

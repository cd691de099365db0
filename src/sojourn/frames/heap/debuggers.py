# pyright: basic
# (objects of any type)
"""Debuggers that have been left: `bdb.Bdb` and what is made of it, `pdb.Pdb` above all.

One that watches is refused before anything is written (`frames.tracing`). After its `continue` without breakpoints it
is an object like others, but for the frames that it has stopped in last, which it still holds. It takes others when it
is called again, and looks at these no more; so they stay behind, and it travels.
"""

from __future__ import annotations

from types import FrameType
from typing import Any

from .dumper import Dumper
from .iterators import fill_attributes
from .registry import BY_NAME, reduces


@reduces("bdb.Bdb")
def _reduce_debugger(debugger: Any, dumper: Dumper) -> Any:
    cls = type(debugger)
    kept = [(name, _without_frames(value)) for name, value in debugger.__dict__.items()]
    dumper.later(fill_attributes, debugger, [part for item in kept for part in item])
    return object.__new__, (cls,)


BY_NAME["bdb.Bdb"].family = True  # type: ignore[attr-defined]


def _without_frames(value: Any) -> Any:
    if type(value) is FrameType:
        return None
    return {} if type(value).__name__ == "FrameLocalsProxy" else value

"""Images for the exhaustive test with the whole world behind them: the library's state, clocks, loops, descriptors.

The harness is no part of the program: its modules are hidden, and it may watch.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from sojourn.frames import alone, api
from sojourn.frames.capture import capture_stack
from sojourn.frames.record import Stack
from sojourn.frames.sites import Elsewhere, Pin
from sojourn.frames.threads import parking
from sojourn.frames.threads.gathering import Gathering

_HARNESS = ("carrier", "worlds", "stage", "recorder", "resumer")
_HIGH = 1000  # descriptors from here on are not the program's
_match: list[Any] = []
_TRIES = 20  # to bring the program's other threads to rest


def hide() -> None:
    for name in _HARNESS:
        sys.modules.pop(name, None)


def survey() -> dict[str, Any]:
    """What a resuming process needs to know; to be called when the program has imported everything."""
    hide()
    api.watchers = list  # type: ignore[assignment] # it is the harness that watches
    modules = api.library_modules()
    baseline = alone.baseline_of(modules, os.environ["PYTHONHASHSEED"])
    _match.append(api.match(baseline))
    return {"baseline": baseline, "modules": modules, "path": sys.path}


def prepare(record: dict[str, Any]) -> None:
    """Have this process ready to load images of a recording."""
    hide()
    sys.path += [each for each in record["path"] if each not in sys.path]
    api.import_modules(name for name in record["modules"] if name != "__main__")
    _match.append(api.match(record["baseline"]))


def ours(*functions: Callable[..., Any]) -> None:
    """A thread that runs one of these is on its way back to the program."""
    parking._CODES |= {each.__code__ for each in functions}


def take(frame: FrameType, base: FrameType | None) -> bytes:
    """An image of the program with all its threads, the calling one at an instruction of `frame`."""
    gathering = Gathering()
    held: Pin | None = None
    try:
        for _ in range(_TRIES):
            held = _held(gathering, frame)
            if held is None:
                stack = capture_stack(frame, base=base, mode="exact")
                gathering.join(stack)
                image = dump(stack)
                if gathering.holds():
                    return image
                gathering.release()
        raise held or Pin(frame, "a thread has woken up each time")
    finally:
        gathering.release()


def _held(gathering: Gathering, frame: FrameType) -> Pin | None:
    """Which thread does not come to rest; None if all have. (An exception that is being handled would be taken for the
    program's.)
    """
    try:
        gathering.gather(frame)
    except Elsewhere as late:
        return late
    return None


def dump(stack: Stack) -> bytes:
    fd = os.memfd_create("image")
    try:
        size = api.freeze_to(fd, stack, match=_match[0])
        return os.pread(fd, size, 0)
    finally:
        os.close(fd)


def load(image: bytes) -> Callable[[], object]:
    opened = api.Image.parse(memoryview(bytearray(image)))
    opened.origin.check()
    return api.thaw_from(opened, match=_match[0]).release()


def above(fd: int) -> int:
    """The same file, out of the program's way."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(fd)
    return moved

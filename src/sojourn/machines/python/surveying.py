"""What a program needs at a target, and what of it cannot travel: read in the host, while its program stands still."""
# pyright: basic
# (frames and files are Any)

from __future__ import annotations

import gc
import io
import os
import sys
from types import FrameType
from typing import Any

from sojourn._util import kernel
from sojourn.frames import api, loops, tracing
from sojourn.frames.capture import visible_locals
from sojourn.frames.heap.blame import find_path, frame_roots, module_roots
from sojourn.frames.heap.library import Library
from sojourn.frames.record import Stack
from sojourn.resources import files


class Surveyor:
    """Knows the baseline that this process has been matched with, and who held which descriptor when last surveyed."""

    def __init__(self, streams: files.Streams) -> None:
        self.match: Any = None
        self._digest = ""  # of the baseline that is matched, as the node names it
        self._streams = streams
        self._holders: dict[int, str] = {}

    def adopt(self, match: Any, digest: str) -> None:
        self.match = match
        self._digest = digest

    def survey(self, frame: FrameType, *, copy: bool) -> dict[str, Any]:
        """Descriptors, modules, files; and the reasons against a move, or against a copy."""
        stack = visible_locals(frame, base=None)
        library = Library()
        entries, reasons = files.capture(self._streams, lambda fd: _found_holder(fd, stack, library))
        self._holders = {entry["fd"]: entry.get("holder", "") for entry in entries}
        modules = api.library_modules()
        covered = self.match is not None and self.match.pristine.issuperset(modules)
        if self.match is not None and covered:
            api.warm_up(self.match)
        return {
            "descriptors": entries,
            "reasons": reasons + objections() + (files.unshareable(entries) if copy else []),
            "modules": modules,
            "matched": self._digest if covered else "",
            "files": {name: getattr(module, "__file__", None) for name, module in library.library.items()},
            "path": list(map(str, sys.path)),
            "folder": _folder(),
            "pages": int(kernel.read_file("/proc/self/statm").split()[1]),
        }

    def holder(self, fd: int) -> str:
        """The path to what holds a descriptor, as the last survey found it."""
        return self._holders.get(fd, "")


def objections() -> list[str]:
    """What keeps the process where it is, whatever its frames and objects: children, watchers, event loops."""
    return _company() + tracing.watchers() + loops.objections()


def _found_holder(fd: int, stack: Stack, library: Library) -> str:
    for thing in gc.get_objects():
        if issubclass(type(thing), io.FileIO) or type(thing).__name__ in ("socket", "SSLSocket"):
            try:
                if thing.fileno() != fd:
                    continue
            except (OSError, ValueError):
                continue
            return find_path(thing, [*frame_roots(stack), *module_roots(library)]) or ""
    return ""


def _company() -> list[str]:
    """Child processes, which do not travel."""
    reasons: list[str] = []
    for task in os.listdir("/proc/self/task"):
        try:
            children = kernel.read_file(f"/proc/self/task/{task}/children").decode().split()
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            continue
        for child in children:
            reasons.append(f"process {child} is a child of the program and stays here. Wait for its end first")
    return reasons


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""

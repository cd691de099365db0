# pyright: basic
# (modules of any kind)
"""What installed packages say of how their objects travel: the entry points of the group `sojourn.reducers`.

    [project.entry-points."sojourn.reducers"]
    "camera.Handle" = "camera._sojourn"          # a module, or module:object, that has `capture` and `restore`

Theory. The name is that of the type, so that nothing is imported before an object of it is met. The files that list
entry points are read here and not by `importlib.metadata`, which would bring half of the library into the process; they
are read once for a state of the folders that packages are installed in, and never where no process is frozen or thawed.

The module is imported out of the program's sight: it is not left in `sys.modules`, nor as an attribute of its package.
What it imports itself does stay; it should need nothing that its package has not imported.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from sojourn.errors import Refused

GROUP = "sojourn.reducers"
_FOLDERS = ("site-packages", "dist-packages")
_LISTS = (".dist-info", ".egg-info")
_LARGEST = 1 << 20  # bytes of a list that are read

_known: dict[tuple[tuple[str, int], ...], dict[str, str]] = {}  # of the last state of the folders
_imported: dict[str, ModuleType] = {}


def named() -> dict[str, str]:
    """Types that packages speak for, "module.qualname", and where: "module" or "module:object"."""
    state: list[tuple[str, int]] = []
    for folder in sys.path:
        if type(folder) is str and folder.rstrip("/").endswith(_FOLDERS):
            try:
                state.append((folder, os.stat(folder).st_mtime_ns))
            except OSError:
                continue
    key = tuple(state)
    if key not in _known:
        _known.clear()
        _known[key] = {name: where for folder, _ in reversed(state) for name, where in _of_folder(folder)}
    return _known[key]


def _of_folder(folder: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    try:
        packages = [name for name in os.listdir(folder) if name.endswith(_LISTS)]
    except OSError:
        return []
    for package in packages:
        try:
            with open(f"{folder}/{package}/entry_points.txt", "rb") as file:
                text = file.read(_LARGEST).decode("utf-8", "replace")
        except OSError:  # it has none
            continue
        found += _of_list(text)
    return found


def _of_list(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    ours = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            ours = line == f"[{GROUP}]"
        elif ours and "=" in line and not line.startswith(("#", ";")):
            name, _, where = line.partition("=")
            found.append((name.strip(), where.partition("[")[0].strip()))
    return found


def load(name: str) -> Any:
    """What has `capture` and `restore` for the type of that name.

    Raises:
        Refused: no package here speaks for it, or what it names cannot be imported.
    """
    where = named().get(name)
    if where is None:
        raise Refused(
            f"no package here says how a {name} is restored", advice="install the one that the source has, here too"
        )
    module, _, attribute = where.partition(":")
    try:
        found: Any = _module(module)
        for part in attribute.split(".") if attribute else ():
            found = getattr(found, part)
        if not (callable(found.capture) and callable(found.restore)):
            raise TypeError("capture and restore cannot be called")
    except Exception as failure:
        why = f"{type(failure).__name__}: {failure}"
        raise Refused(
            f"the entry point of {name}, {where!r}, is of no use: {why}", advice="mend or upgrade the package"
        ) from None
    return found


def _module(name: str) -> ModuleType:
    there = sys.modules.get(name) or _imported.get(name)
    if there is not None:
        return there
    before = set(sys.modules)
    __import__(name)
    made = _imported[name] = sys.modules[name]
    for each in [each for each in sys.modules if each not in before]:
        if f"{each}.".startswith(f"{name}.") or name.startswith(f"{each}."):
            parent, _, child = each.rpartition(".")
            module = sys.modules.pop(each)
            if parent in sys.modules and sys.modules[parent].__dict__.get(child) is module:
                del sys.modules[parent].__dict__[child]
    return made

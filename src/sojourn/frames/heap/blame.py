# pyright: basic
# (objects of any type, and modules without stubs)
"""Where is it? The path from the program's roots to an object that cannot travel, in the program's own words.

Computed only when a dump has failed: a breadth-first walk over `gc.get_referents`, so the path is a shortest one:
`main() line 14 -> conn`, `__main__.pool[3].sock`. Steps that the program did not write (a dict of attributes, a cell,
a bound method) are named by what they stand for.
"""

from __future__ import annotations

from collections import deque
from gc import get_referents
from types import CellType, FunctionType, MethodType
from typing import Any

from sojourn.errors import Unmovable
from sojourn.frames.analyze import local_names
from sojourn.frames.record import FrameRecord, Stack

from .dumper import Refuse
from .library import Library
from .registry import is_class, is_module

_LIMIT = 2_000_000
_attributes = object.__getattribute__


def unmovable(
    refusal: Refuse, roots: list[tuple[str, Any]], stack: Stack | None, library: Library
) -> Unmovable:
    """The error that names object, path and advice."""
    culprit = refusal.culprit
    path = find_path(culprit, [*frame_roots(stack), *module_roots(library)]) or find_path(culprit, roots)
    name = f"{type(culprit).__module__}.{type(culprit).__qualname__}".removeprefix("builtins.")
    where = f", found at {path}" if path else ""
    return Unmovable(
        f"{_short(culprit)} ({name}){where}: {refusal.why}",
        advice=refusal.advice or "close it or drop it before a move",
        details={"type": name, "path": path, "why": refusal.why},
    )


def _short(obj: Any) -> str:
    try:
        text = object.__repr__(obj) if not issubclass(type(obj), str | int | type) else repr(obj)
    except Exception:
        text = "an object"
    return text if len(text) <= 80 else text[:77] + "…"


def frame_roots(stack: Stack | None) -> list[tuple[str, Any]]:
    """The locals of every frame, innermost first, with their names."""
    found: list[tuple[str, Any]] = []
    records = [] if stack is None else [*stack.records, *stack.running.values()]
    for record in reversed(records):
        found += _of_record(record)
    return found


def _of_record(record: FrameRecord) -> list[tuple[str, Any]]:
    where = f"{record.qualname}() line {_line(record)}"
    names = [name for name, bound in zip(local_names(record.code), record.bound, strict=False) if bound]
    named = [
        (f"{where} -> {name}", value)
        for name, value in zip(names, record.values, strict=False)
        if name is not None
    ]
    return named + [(f"{where} -> (a value in use)", value) for value in record.values[len(names) :]]


def _line(record: FrameRecord) -> int | None:
    offset = record.site if record.site is not None else record.target
    for start, end, line in record.code.co_lines():
        if start <= offset < end:
            return line
    return record.code.co_firstlineno


def module_roots(library: Library) -> list[tuple[str, Any]]:
    return [
        (f"{name}.{key}", value)
        for name, module in library.modules.items()
        for key, value in module.__dict__.items()
        if key != "__builtins__"
    ]


def find_path(culprit: Any, roots: list[tuple[str, Any]]) -> str | None:
    """A shortest path, as text; None if the object is reached by nothing that was asked for."""
    parents: dict[int, tuple[Any, Any]] = {}
    names: dict[int, str] = {}
    queue: deque[Any] = deque()
    for name, obj in roots:
        if id(obj) not in names:
            names[id(obj)] = name
            parents[id(obj)] = (obj, None)
            queue.append(obj)
    while queue and len(parents) < _LIMIT:
        here = queue.popleft()
        if here is culprit:
            return _spell(here, parents, names)
        if is_module(here):
            continue
        for each in _contents(here):
            if id(each) not in parents:
                parents[id(each)] = (each, here)
                queue.append(each)
    return None


def _contents(obj: Any) -> list[Any]:
    if issubclass(type(obj), FunctionType):
        return [obj.__closure__, obj.__defaults__, obj.__kwdefaults__, obj.__dict__]
    found = get_referents(obj)
    return [each for each in found if each is not type(obj)] if not is_class(obj) else found


def _spell(obj: Any, parents: dict[int, tuple[Any, Any]], names: dict[int, str]) -> str:
    steps: list[str] = []
    while id(obj) not in names:
        holder = parents[id(obj)][1]
        steps.append(_step(holder, obj))
        obj = holder
    return names[id(obj)] + "".join(reversed(steps))


def _step(holder: Any, obj: Any) -> str:
    if issubclass(type(holder), dict):
        for key, value in dict.items(holder):
            if value is obj:
                return f".{key}" if type(key) is str and key.isidentifier() else f"[{_short(key)}]"
        return "[a key]"
    if issubclass(type(holder), list | tuple):
        for index, value in enumerate(holder):
            if value is obj:
                return f"[{index}]"
    if issubclass(type(obj), dict | CellType | tuple) and not issubclass(type(holder), dict):
        return "" if not issubclass(type(obj), dict) or _is_attributes(holder, obj) else " -> a dict"
    if issubclass(type(holder), CellType):
        return " -> (closure)"
    if issubclass(type(holder), MethodType):
        return ".__self__"
    try:
        attributes = _attributes(holder, "__dict__")
    except AttributeError:
        attributes = {}
    for name, value in attributes.items():
        if value is obj:
            return f".{name}"
    for base in type(holder).__mro__:
        for name, slot in base.__dict__.items():
            if type(slot).__name__ == "member_descriptor":
                try:
                    if slot.__get__(holder) is obj:
                        return f".{name}"
                except AttributeError:
                    pass
    return f" -> {_short(obj)}" if not is_class(obj) else f" -> class {obj.__name__}"


def _is_attributes(holder: Any, obj: Any) -> bool:
    try:
        return _attributes(holder, "__dict__") is obj
    except AttributeError:
        return False

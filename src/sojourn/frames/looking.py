# pyright: basic
# (frames and objects of any type)
"""What a program is doing, as plain data: its frames with their lines, its locals with their types and sizes, its
modules.

For people, while the program stands in a handler or at a safe point. No code of the program is run: no `repr`, no
`__len__`, no property of a metaclass; up to 3.12 not `f_locals` either, which would write back. A size is what the
object itself takes (an array with its data, a list with its slots), not what it leads to.

Guarantee. The answer is bounded: `FRAMES` frames, `LOCALS` names in each, `TEXT` characters a name.
"""

from __future__ import annotations

from types import CellType, FrameType, MethodDescriptorType, ModuleType, WrapperDescriptorType
from typing import Any

from .analyze import local_names
from .assemble import plan_of
from .heap.library import Library, module_dict, type_module
from .layout import NULL, Frame, TaggedInt

FRAMES = 200  # shown; of a deeper stack the middle is left out
LOCALS = 100
TEXT = 200
_OPTIMIZED = 1
_BUILT_IN = (list, tuple, dict, set, frozenset, str, bytes, bytearray)
_C_METHODS = (MethodDescriptorType, WrapperDescriptorType)
_mro = type.__dict__["__mro__"].__get__
_dict = type.__dict__["__dict__"].__get__
_qualname = type.__dict__["__qualname__"].__get__

Row = dict[str, Any]


def frames(innermost: FrameType, base: FrameType | None) -> list[Row]:
    """The stack down to `base`, outermost first."""
    found: list[FrameType] = []
    frame: FrameType | None = innermost
    while frame is not None and frame is not base:
        found.append(frame)
        frame = frame.f_back
    found.reverse()
    if len(found) <= FRAMES:
        return [_row(each) for each in found]
    half = FRAMES // 2
    omitted = {"function": "", "file": "", "line": 0, "locals": [], "omitted": len(found) - 2 * half}
    return [*map(_row, found[:half]), omitted, *map(_row, found[-half:])]


def modules() -> Row:
    """The program's own modules with their files, and how many of the environment's it has imported."""
    library = Library()
    own = {name: module_dict(module).get("__file__") for name, module in library.modules.items()}
    return {
        "modules": [
            {"name": _text(name), "file": _text(file) if type(file) is str else ""}
            for name, file in list(own.items())[:LOCALS]
        ],
        "library": len(library.library),
    }


def _row(frame: FrameType) -> Row:
    plan = plan_of(frame.f_code)
    code = plan.record.code if plan else frame.f_code
    whole = plan is None or frame.f_lasti >= plan.shift  # else it is still being refilled after a thaw
    return {
        "function": _text(code.co_qualname),
        "file": _text(code.co_filename),
        "line": frame.f_lineno or _line_before(frame),
        "locals": _locals(frame, code) if whole else [],
    }


def _line_before(frame: FrameType) -> int:
    """The line of the last instruction that has one: jumps back that the compiler has added have none."""
    found = frame.f_code.co_firstlineno
    for start, _, line in frame.f_code.co_lines():
        if start > frame.f_lasti:
            break
        found = line or found
    return found


def _locals(frame: FrameType, code: Any) -> list[Row]:
    if not code.co_flags & _OPTIMIZED:
        if code.co_name != "<module>":
            return []  # the body of a class
        own = [(n, v) for n, v in list(frame.f_globals.items()) if type(n) is str and not n.startswith("__")]
        return [_local(name, value) for name, value in own if type(value) is not ModuleType][:LOCALS]
    view, boxed = Frame.of(frame), {*code.co_cellvars, *code.co_freevars}
    found: list[Row] = []
    for index, name in enumerate(local_names(code)[: 2 * LOCALS]):
        value = view.slot(index)
        if name in boxed and type(value) is CellType:
            try:
                value = value.cell_contents
            except ValueError:  # nothing is in it yet
                continue
        if value is not NULL and type(value) is not TaggedInt:
            found.append(_local(name, value))
    return found[:LOCALS]


def _local(name: str, value: Any) -> Row:
    row = {"name": _text(name), "type": type_name(type(value)), "size": size(value)}
    if type(value) in _BUILT_IN:
        row["length"] = len(value)
    return row


def type_name(cls: type) -> str:
    """Module and name of a class, not asking a metaclass."""
    module = type_module(cls)
    text = f"{module}.{_qualname(cls)}" if type(module) is str else str(_qualname(cls))
    return _text(text.removeprefix("builtins."))


def size(value: Any) -> int:
    """Bytes of the object itself, by the size method that its C base has; one written in Python is passed over."""
    for cls in _mro(type(value)):
        method = _dict(cls).get("__sizeof__")
        if type(method) in _C_METHODS:
            try:
                return int(method(value))
            except Exception:
                break
    return object.__sizeof__(value)


def _text(text: str) -> str:
    """Bounded, and with nothing that JSON in UTF-8 cannot hold."""
    return text[:TEXT].encode("utf-8", "replace").decode()

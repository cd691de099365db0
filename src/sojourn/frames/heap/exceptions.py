# pyright: basic
# (objects of any type, and modules without stubs)
"""Exceptions and tracebacks.

An exception is carried bare, as other instances are: a shell from the solid base's `__new__` without arguments (so that
no `__init__` of the program runs), then `args`, the C fields, the chain and the traceback.

A traceback's frames have ended, or will go on elsewhere. Each entry gets an ended frame of the same code and globals,
at the same position: printing and logging find what they would have found, columns included.

Stated limit: the locals of frames in tracebacks do not travel.
"""

from __future__ import annotations

from types import CodeType, FrameType, GetSetDescriptorType, MemberDescriptorType, TracebackType
from typing import Any

from sojourn.frames.resume import traceback_parts, traceback_restore

from .dumper import Dumper, Refuse
from .instances import plan_of
from .registry import BY_TYPE, constructor, reduces
from .words import python_made

_names = type.__dict__["__dict__"].__get__
_mro = type.__dict__["__mro__"].__get__
_APART = frozenset(("__dict__", "__cause__", "__context__", "__traceback__", "__suppress_context__"))
_fields: dict[type, list[tuple[type, str, Any]]] = {}


def _c_fields(solid: type) -> list[tuple[type, str, Any]]:
    """The writable fields that the C bases of an exception class keep."""
    known = _fields.get(solid)
    if known is None:
        known = _fields[solid] = [
            (base, name, thing)
            for base in _mro(solid)
            for name, thing in _names(base).items()
            if type(thing) in (MemberDescriptorType, GetSetDescriptorType) and name not in _APART
        ]
    return known


@reduces(BaseException)
def _reduce_exception(error: BaseException, dumper: Dumper) -> Any:
    cls = type(error)
    plan = plan_of(cls, dumper.plans)
    solid = plan.solid
    arguments: tuple[Any, ...] = ()
    if isinstance(error, BaseExceptionGroup):
        arguments = (error.message, list(error.exceptions))
    values: list[Any] = []
    for base, name, field in _c_fields(solid):
        try:
            value = field.__get__(error)
        except (AttributeError, TypeError):  # not set
            continue
        if value is not None:
            values += (base, name, value)
    state = (values, error.__cause__, error.__context__, error.__suppress_context__, error.__traceback__)
    dumper.later(fill_exception, error, state)
    if error.__dict__ or plan.slots:
        dumper.instances.append(error)
    return make_exception, (solid, cls, arguments)


BY_TYPE[BaseException].family = True  # type: ignore[attr-defined]


@constructor
def make_exception(solid: Any, cls: type, arguments: tuple[Any, ...]) -> Any:
    return solid.__new__(cls, *arguments)


@constructor
def fill_exception(error: BaseException, state: tuple[Any, ...]) -> None:
    fields, error.__cause__, error.__context__, suppress, traceback = state
    error.__suppress_context__ = suppress
    BaseException.__traceback__.__set__(error, traceback)  # type: ignore[attr-defined]
    parts = iter(fields)
    for base, name, value in zip(parts, parts, parts, strict=True):
        try:
            _names(base)[name].__set__(error, value)
        except (AttributeError, TypeError):  # a read-only field, which `__new__` has set
            pass


@reduces(TracebackType)
def _reduce_traceback(traceback: TracebackType, dumper: Dumper) -> Any:
    if traceback.tb_next is not None:
        dumper.later(fill_traceback, traceback, traceback.tb_next)
    return make_traceback, traceback_parts(traceback)


@constructor
def make_traceback(code: CodeType, namespace: dict[str, Any], offset: int, line: int) -> TracebackType:
    return traceback_restore(None, (code, namespace, offset, line))


@constructor
def fill_traceback(traceback: TracebackType, after: TracebackType) -> None:
    traceback.tb_next = after


@reduces(FrameType)
def _reduce_frame(frame: FrameType, dumper: Dumper) -> Any:
    raise Refuse(
        frame,
        f"a frame object (of {frame.f_code.co_qualname}) belongs to the interpreter's own stack",
        "do not keep the result of sys._getframe() or inspect.currentframe()",
    )


assert not python_made(ValueError)

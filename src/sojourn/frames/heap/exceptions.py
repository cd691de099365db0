"""Exceptions and tracebacks.

An exception is carried bare, as other instances are: a shell from the solid base's `__new__` without arguments (so that
no `__init__` of the program runs), then `args`, the C fields, the chain and the traceback.

A traceback's frames have ended, or will go on elsewhere. Each entry gets a frame of a stand-in function with the same
name, file, line and globals, which is what printing and logging ask for.

Stated limit: the locals of frames in tracebacks do not travel.
"""

from __future__ import annotations

from types import FrameType, FunctionType, GetSetDescriptorType, MemberDescriptorType, TracebackType
from typing import Any

from sojourn.frames.assemble import original_of

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
    frame = traceback.tb_frame
    code = original_of(frame.f_code)
    where = (code.co_name, code.co_qualname, code.co_filename, code.co_firstlineno)
    if traceback.tb_next is not None:
        dumper.later(fill_traceback, traceback, traceback.tb_next)
    return make_traceback, (frame.f_globals, where, traceback.tb_lineno)


@constructor
def make_traceback(namespace: dict[str, Any], where: tuple[str, str, str, int], line: int) -> TracebackType:
    name, qualname, file, first = where
    code = _stand_in.__code__.replace(
        co_name=name, co_qualname=qualname, co_filename=file, co_firstlineno=first, co_linetable=b""
    )
    try:
        FunctionType(code, namespace)(_Ended)
    except _Ended as ended:
        inner = ended.__traceback__
        assert inner is not None and inner.tb_next is not None
        return TracebackType(None, inner.tb_next.tb_frame, -1, line)
    raise AssertionError


class _Ended(Exception):
    """Ends a stand-in, so that its frame is over."""


def _stand_in(ended: Any) -> None:
    raise ended


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

# pyright: basic
# (generators and frames of the interpreter have few static types)
"""Frames that a thaw has rebuilt and that are still in their prologue: they follow their plan (`assemble.Plan`).

Nothing of the program has run in them since, so that what the plan was made of still holds; only what the prologue has
put on the frame's stack so far is read there.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from .assemble import Plan, original_of, unbuilt
from .boundary import Pin
from .reading import Reading, settle_exceptions
from .record import FrameRecord
from .sites import code_behind
from .steps import awaits


def has_called(reading: Reading, plan: Plan, inner: Reading) -> bool:
    """Make sure that the inner frame is what the prologue runs; False if it is a generator that it drives."""
    call, course = plan.call_at(reading.frame.f_lasti), plan.course
    if call is not None and (course is None or course.resumer is not None):
        if call == plan.calls[0] and inner.frame.f_code is plan.inner:
            return True
    elif call is not None and course is not None:
        driven = getattr(course.step, "generator", None)
        if driven is not None and awaits(inner.generator, driven):
            return False
        if code_behind(course.calling) is original_of(inner.frame.f_code):
            return True
        raise Pin(reading.frame, "held by", getattr(course.calling, "func", None))
    raise Pin(reading.frame, "a finalizer or a signal handler is running")


def follow_plan(reading: Reading, plan: Plan) -> None:
    """The frame's stack stands as at a call of ours: read it, and take the rest from the plan."""
    record, planned = reading.record, plan.record
    _read_planned_stack(reading, plan)
    first = reading.code_facts.locals_count + len(planned.kinds)
    reading.push_pre([reading.view.slot(first + index) for index in range(len(planned.pre))])
    record.after = planned.after
    if plan.course is not None:
        reading.take_course(plan.course.state())


def _read_planned_stack(reading: Reading, plan: Plan) -> None:
    record, planned = reading.record, plan.record
    reading.read_stack(planned.kinds)
    record.lasti = dict(planned.lasti)
    record.target, record.site, record.exit = planned.target, planned.site, planned.exit


def read_prologue(reading: Reading) -> list[FrameRecord]:
    """An opcode event inside a prologue: nothing is lost by waiting, except right before the inner frame is entered.

    Returns the records of the frames that would have been entered.
    """
    plan, frame = reading.plan, reading.frame
    assert plan is not None
    if frame.f_lasti not in plan.calls:
        raise Pin(frame, "it is being rebuilt")
    follow_plan(reading, plan)
    if plan.course is not None and plan.course.resumer is None:
        return []  # the course's own call has not been made, and will be named again
    reading.record.has_inner = True
    return unbuilt(_resumer_at(reading, plan))


def _resumer_at(reading: Reading, plan: Plan) -> FunctionType:
    """The resumer that the prologue is about to call."""
    if plan.course is not None:
        found: Any = plan.course.resumer
        return found
    first = reading.code_facts.locals_count + len(plan.record.kinds) + len(plan.record.pre)
    callables = (reading.view.slot(first), reading.view.slot(first + 1))  # the order depends on the version
    return next(c for c in callables if isinstance(c, FunctionType))


def read_paused(reading: Reading, plan: Plan) -> FrameRecord:
    """A rebuilt generator that has not run since: not started at all, or at its priming pause."""
    offset = reading.frame.f_lasti
    if offset in (plan.entry, plan.entry + 2):
        record, _ = plan.remaining()
        record.name, record.qualname = reading.record.name, reading.record.qualname
        return record
    if plan.pause is None or offset not in (plan.pause, plan.pause + 2):
        raise Pin(reading.frame, "it is being rebuilt")
    record, planned = reading.record, plan.record
    reading.read_locals()
    _read_planned_stack(reading, plan)
    record.yield_arg, record.resume_arg, record.async_wrap = planned.yield_arg, planned.resume_arg, planned.async_wrap
    settle_exceptions([[reading]], None)
    reading.finish()
    if planned.prime == "running":
        left, resumer = plan.remaining()
        record.prime = "running"
        record.pre, record.after, record.course = planned.pre, planned.after, planned.course
        record.has_inner = planned.has_inner
        record.values += left.values
        record.inner = unbuilt(resumer)
    else:
        record.prime = "yield"
    return record

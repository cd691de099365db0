"""Who watches the program: named, with the way out; and nobody else is."""

from __future__ import annotations

import bdb
import cProfile
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from sojourn.frames.layout import VERSION
from sojourn.frames.tracing import watchers


@pytest.fixture(autouse=True)
def unwatched() -> Iterator[None]:
    """Whoever measures the tests does not count."""
    tracer, profiler = sys.gettrace(), sys.getprofile()
    sys.settrace(None)
    sys.setprofile(None)
    if watchers():
        pytest.skip("a tool of sys.monitoring watches the tests")
    yield
    sys.setprofile(profiler)
    sys.settrace(tracer)


def tracer(frame: FrameType, event: str, arg: Any) -> None:
    return None


def test_nobody_watches() -> None:
    assert watchers() == []


@pytest.mark.parametrize("install", [sys.settrace, sys.setprofile])
def test_a_function_is_named(install: Callable[[Any], None]) -> None:
    install(tracer)
    try:
        (reason,) = watchers()
    finally:
        install(None)
    assert f"{__name__}.tracer()" in reason
    assert f"sys.{install.__name__}(None)" in reason
    assert watchers() == []


def test_a_debugger_is_named() -> None:
    debugger = bdb.Bdb()
    debugger.reset()
    sys.settrace(debugger.trace_dispatch)
    try:
        (reason,) = watchers()
    finally:
        sys.settrace(None)
    assert "bdb.Bdb.trace_dispatch()" in reason
    assert "clear its breakpoints" in reason


def test_a_profiler_is_named() -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        (reason,) = watchers()
    finally:
        profiler.disable()
    assert "profile" in reason.lower()
    assert watchers() == []


@pytest.mark.skipif(VERSION < (3, 12), reason="there is no sys.monitoring")
def test_a_tool_is_named_but_not_ours() -> None:
    monitoring: Any = getattr(sys, "monitoring")  # noqa: B009
    monitoring.use_tool_id(monitoring.COVERAGE_ID, "coverage")
    monitoring.use_tool_id(4, "sojourn")
    try:
        (reason,) = watchers()
    finally:
        monitoring.free_tool_id(4)
        monitoring.free_tool_id(monitoring.COVERAGE_ID)
    assert "'coverage'" in reason
    assert "Coverage.stop()" in reason

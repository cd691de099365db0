"""Static facts: they must agree with `dis` and, wherever the interpreter has written its depth down, with that."""

from __future__ import annotations

import asyncio.base_events
import collections
import dis
import inspect
import json.decoder
import sys
import textwrap
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

import pytest

from sojourn.frames.analyze import Facts, after, facts, local_names
from sojourn.frames.layout import VERSION, Frame

ASYNC_LOOPS = """
async def nested(one, two):
    for each in one:
        async for other in two(each):
            try:
                if other % 2:
                    break
                yield [number async for number in two(other) if number]
            finally:
                await each
        else:
            continue
        async for other in two(each):
            each = other, each, {await number: 1 for number in one}
        return
"""
MODULES = [asyncio.base_events, collections, inspect, json.decoder, textwrap]


def nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from nested(const)


def codes() -> Iterator[CodeType]:
    for module in MODULES:
        yield from nested(compile(inspect.getsource(module), module.__name__, "exec"))
    yield from nested(compile(ASYNC_LOOPS, "loops", "exec"))


@pytest.fixture(scope="module")
def analyzed() -> list[Facts]:
    return [Facts(code) for code in codes()]


def test_instructions_are_those_of_dis(analyzed: list[Facts]) -> None:
    jumps = {*dis.hasjrel, *dis.hasjabs} - {dis.opmap["END_ASYNC_FOR"]}  # which only says where the loop began
    for each in analyzed:
        ours = [(i.offset, i.name, i.target) for i in each.instructions]
        theirs = [
            (i.offset, i.opname, i.argval if i.opcode in jumps else None)
            for i in dis.get_instructions(each.code)
            if i.opname not in ("EXTENDED_ARG", "CACHE")
        ]
        assert ours == theirs


def test_exception_tables_are_those_of_dis(analyzed: list[Facts]) -> None:
    for each in analyzed:
        theirs = [tuple(entry) for entry in dis._parse_exception_table(each.code)]  # type: ignore[attr-defined]
        assert [(h.start, h.end, h.target, h.depth, h.lasti) for h in each.handlers] == theirs


def test_the_depth_stays_within_what_the_compiler_reserved(analyzed: list[Facts]) -> None:
    for each in analyzed:
        assert max(map(len, each.kinds_at.values())) <= each.code.co_stacksize


def test_every_way_to_an_instruction_finds_the_same_kinds(analyzed: list[Facts]) -> None:
    for each in analyzed:
        for instruction in each.instructions:
            if instruction.start not in each.kinds_at:
                continue  # cannot be reached
            kinds = each.kinds(instruction)
            if instruction.target is not None:
                assert len(each.kinds_at[instruction.target]) == len(after(instruction, kinds, jump=True))


def test_local_names_are_in_the_order_of_the_slots() -> None:
    def outer(a: int, b: int) -> Any:
        c = a

        def inner(d: int) -> int:
            return a + c + d

        return inner

    assert local_names(outer.__code__)[:2] == ("a", "b")
    assert set(local_names(outer.__code__)) == {"a", "b", "c", "inner"}
    assert local_names(outer(1, 2).__code__) == ("d", "a", "c")


@pytest.mark.skipif(VERSION not in ((3, 11), (3, 14), (3, 15)), reason="the depth is not written down at opcode events")
@pytest.mark.skipif(
    len(sys._current_frames()) > 1,
    reason="everything is traced, also what a worker has left; tests/unit/test_other_versions.py runs it",
)
def test_the_depth_is_the_interpreters() -> None:
    wrong: list[str] = []
    checked = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal checked
        frame.f_trace_opcodes = True
        if event == "opcode":
            known = facts(frame.f_code)
            instruction = known.at(frame.f_lasti)
            saved = Frame.of(frame).saved_depth(known.locals_count)
            if saved is not None:
                checked += 1
                if saved != len(known.kinds(instruction)):
                    wrong.append(f"{frame.f_code.co_qualname} {instruction}: {saved}")
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        textwrap.wrap("some words to wrap " * 20, 30)
        json.loads('{"a": [1, 2.5, {"b": null}], "c": "text"}', object_hook=lambda d: d)
        inspect.signature(textwrap.wrap)
        list(collections.OrderedDict.fromkeys("abc").items())
    finally:
        sys.settrace(former)
    assert not wrong
    assert checked > 3000

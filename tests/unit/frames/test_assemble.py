"""One-time code: its tables, its size, its positions."""

from __future__ import annotations

import inspect
import sys
import traceback
import weakref
from types import TracebackType
from typing import Any

import pytest
from conftest import Snapshots, copied
from hypothesis import given
from hypothesis import strategies as st

from sojourn.frames.analyze import Handler, Position, read_exception_table
from sojourn.frames.assemble import original_of, plan_of
from sojourn.frames.resume import build, forget_makers, traceback_parts, traceback_restore
from sojourn.frames.tables import write_exception_table, write_line_table

units = st.integers(0, 1 << 20).map(lambda n: 2 * n)
handlers = st.builds(Handler, units, units, units, st.integers(0, 300), st.booleans())


@given(st.lists(handlers, unique_by=lambda h: h.start))
def test_exception_tables_come_back(entries: list[Handler]) -> None:
    entries = [Handler(h.start, h.start + h.end, h.target, h.depth, h.lasti) for h in entries]
    assert list(read_exception_table(write_exception_table(entries))) == sorted(entries, key=lambda h: h.start)


def spans_of_a_prologue(first: int) -> st.SearchStrategy[list[tuple[int, Position]]]:
    none: st.SearchStrategy[Position] = st.just((None, None, None, None))
    lines = st.integers(first, first + 5000)
    bare: st.SearchStrategy[Position] = st.builds(lambda line: (line, None, None, None), lines)
    full: st.SearchStrategy[Position] = st.builds(
        lambda line, more, column, end: (line, line + more, column, end),
        lines, st.integers(0, 90), st.integers(0, 5000), st.integers(0, 5000),
    )  # fmt: skip
    return st.lists(st.tuples(st.integers(0, 40).map(lambda n: 2 * n), none | bare | full), max_size=8)


@given(spans_of_a_prologue(10))
def test_line_tables_come_back(spans: list[tuple[int, Position]]) -> None:
    spans = [*spans, (2, (None, None, None, None))]  # the last unit leads back to the first line
    code = spans_of_a_prologue.__code__
    total = sum(length for length, _ in spans)
    made = code.replace(co_firstlineno=10, co_code=bytes(total), co_linetable=write_line_table(10, spans),
                        co_exceptiontable=b"")  # fmt: skip
    expected = [position for length, position in spans for _ in range(length // 2)]
    got = list(made.co_positions())
    assert len(got) == len(expected)
    for (line, end_line, column, end_column), wanted in zip(got[:-1], expected[:-1], strict=True):
        if wanted[1] is None:  # a line without columns
            assert line == wanted[0]
        else:
            assert (line, end_line, column, end_column) == wanted
    assert got[-1][0] == 10


def test_a_resumed_frame_prints_the_traceback_of_the_original(snapshots: Snapshots) -> None:
    def fails() -> None:
        snapshots.take()
        raise ValueError("late")

    def calls() -> str:
        try:
            return str(
                [1][0]
                + len(fails() or "")
            )  # fmt: skip
        except ValueError:
            return traceback.format_exc()

    expected = snapshots.run(calls)
    assert "fails()" in expected
    assert snapshots.resume() == expected


def test_a_resumed_frame_knows_what_it_is(snapshots: Snapshots) -> None:
    def whole(a: int) -> tuple[Any, ...]:
        snapshots.take()
        frame = sys._getframe()
        return original_of(frame.f_code), frame.f_code.co_name, frame.f_lineno, plan_of(frame.f_code) is not None

    first = snapshots.run(whole, 1)
    assert first[3] is False
    again = snapshots.resume()
    assert again[3] is True
    assert first[:3] == again[:3]
    assert again[0] is whole.__code__


@pytest.mark.parametrize("lines", [300, 20_000])
def test_large_code_needs_larger_arguments(snapshots: Snapshots, lines: int) -> None:
    body = "\n".join(f"    t = (t * {n} + a) % 1000003" for n in range(lines))
    tail = "    take()\n    for i in range(3):\n        t += i\n    return t\n"
    source = f"def large(a, take):\n    t = 0\n{body}\n{tail}"
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    large = namespace["large"]
    if lines > 1000:
        assert len(large.__code__.co_code) > 2 * 65536
    expected = snapshots.run(large, 5, snapshots.take)
    assert snapshots.resume() == expected


def test_a_restored_traceback_prints_as_the_original() -> None:
    def inner(value: list[int]) -> int:
        return value[0] + value[7]

    def outer() -> int:
        return max(0, inner([1]))

    try:
        outer()
    except IndexError as error:
        entries = []
        entry = error.__traceback__
        while entry is not None:
            entries.append(entry)
            entry = entry.tb_next
        restored = None
        for entry in reversed(entries):
            restored = traceback_restore(restored, traceback_parts(entry))
        expected = traceback.format_exception(error)
        assert traceback.format_exception(error.with_traceback(restored)) == expected
        # and once more, from the restored one
        again = None
        while restored is not None:
            again, restored = (traceback_parts(restored), restored.tb_next)
        assert again is not None and again[0] is inner.__code__


def test_deep_stacks_need_no_recursion(snapshots: Snapshots) -> None:
    def deep(n: int) -> int:
        if n == 0:
            snapshots.take(0)
            return 0
        return deep(n - 1) + 1

    assert snapshots.run(deep, 900) == 900
    assert len(snapshots.stacks[-1].records) == 901
    assert snapshots.resume() == 900


def test_build_takes_the_values_out_of_the_records(snapshots: Snapshots) -> None:
    def keeps(a: list[int]) -> int:
        snapshots.take(1)
        return len(a)

    snapshots.run(keeps, [1])
    records = snapshots.stacks[-1].records
    resumer = build(records)
    assert all(not record.values for record in records)
    assert resumer() == 1


def test_a_copy_of_a_copy_of_a_generator(snapshots: Snapshots) -> None:
    def produce(n: int) -> Any:
        for i in range(n):
            try:
                got = yield i
            except KeyError as error:
                got = yield repr(error)
            if got:
                yield got

    original = produce(5)
    unstarted = copied(copied(produce(2)))
    assert list(unstarted) == [0, 1]
    assert next(original) == 0
    twice = copied(copied(original))
    assert twice.send("x") == "x"
    assert next(twice) == 1  # shares the range iterator: both are one program's objects
    thrown = copied(copied(twice))
    assert thrown.throw(KeyError("k")) == "KeyError('k')"
    assert inspect.isgenerator(thrown) and thrown.__qualname__ == original.__qualname__


def test_a_restored_traceback_keeps_nothing_of_its_making() -> None:
    class Held:
        pass

    def fails() -> None:
        raise ValueError

    def makes(held: Held) -> TracebackType:
        try:
            fails()
        except ValueError as error:
            assert error.__traceback__ is not None
            return traceback_restore(None, traceback_parts(error.__traceback__))
        raise AssertionError

    held = Held()
    watched = weakref.ref(held)
    entry = makes(held)
    forget_makers()
    del held
    assert watched() is None
    assert entry.tb_frame.f_code.co_name == "makes"

"""A heap says by name what it calls: images outlast additions, moves and changes of order in our own table."""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sojourn.resources.fileobjects  # noqa: F401  # pyright: ignore[reportUnusedImport] (enters its constructors)
from sojourn.errors import BadImage, InternalError, Refused
from sojourn.frames import heap
from sojourn.frames.heap import generators, registry, table
from sojourn.frames.record import FrameRecord

HEADER = struct.Struct("<4sII")


def sample() -> Any:
    cells = [(lambda kept: lambda: kept)(each) for each in "ab"]
    return [deque([1, 2], 5), OrderedDict(a=1), {5, 700}, cells[0].__closure__, iter([1, 2, 3])]


def seen(made: Any) -> Any:
    ordered, rows, numbers, (cell,), items = made[1], made[0], made[2], made[3], made[4]
    return list(ordered.items()), rows, list(numbers), cell.cell_contents, list(items)


def parts(data: bytes) -> tuple[list[str], bytes]:
    _, size, worldly = HEADER.unpack_from(data)
    assert worldly == 0
    return data[HEADER.size : HEADER.size + size].decode().split("\n"), data[HEADER.size + size :]


def joined(listed: bytes, body: bytes) -> bytes:
    return HEADER.pack(b"SJH2", len(listed), 0) + listed + body


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have a table that begins with further entries, and ends without some."""

    def grow(*names: str, without: str = "") -> None:
        kept = {name: thing for name, thing in registry.TABLE.items() if name != without}
        monkeypatch.setattr(registry, "TABLE", dict.fromkeys(names, registry.constructor) | kept)

    return grow


def test_an_image_survives_that_the_table_grows_and_is_entered_in_another_order(
    grown: Callable[..., None],
) -> None:
    data = heap.dump(sample())
    grown("one_more", "another.one")
    assert parts(heap.dump(sample()))[0][:2] == ["one_more", "another.one"]
    assert seen(heap.load(data)) == seen(sample())


def test_what_a_newer_one_has_and_the_image_does_not_use_is_no_reason_to_refuse(
    grown: Callable[..., None],
) -> None:
    grown("one_more")
    data = heap.dump(sample())
    grown(without="one_more")
    assert seen(heap.load(data)) == seen(sample())


def test_a_name_that_is_not_known_is_refused_when_it_is_used(grown: Callable[..., None]) -> None:
    data = heap.dump(sample())
    grown(without="fill_cell")
    with pytest.raises(Refused, match=r"needs 'fill_cell', which this Sojourn does not have.*newer Sojourn wrote it"):
        heap.load(data)


def test_format_1_had_places_and_no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as then:
        then.setattr(registry, "TABLE", {name: registry.TABLE[name] for name in table.FORMAT_1})
        names, body = parts(heap.dump(sample()))
    assert names == table.FORMAT_1
    old = struct.pack("<4sIII", b"SJH1", 7, len(names), 0) + body
    assert seen(heap.load(old)) == seen(sample())
    with pytest.raises(BadImage, match="more than its format knows"):
        heap.load(struct.pack("<4sIII", b"SJH1", 7, 10_000, 0) + body)
    with pytest.raises(BadImage, match=r"has format b'SJH9'.*newer Sojourn wrote it"):
        heap.load(b"SJH9" + old[4:])


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["fill_dict", "os system"], "cannot be a constructor"),
        (["fill_dict", ""], "cannot be a constructor"),
        (["fill_dict", "x" * 101], "cannot be a constructor"),
        (["fill_dict", "fïll_set"], "cannot be a constructor"),
        (["fill_dict", "fill_dict"], "twice"),
        (["a" * 90 for _ in range(1000)], "65536 are allowed"),
    ],
)
def test_a_table_is_hostile_until_checked(names: list[str], why: str) -> None:
    with pytest.raises(BadImage, match=why):
        heap.load(joined("\n".join(names).encode(), parts(heap.dump(sample()))[1]))


@given(st.binary(max_size=300))
def test_any_bytes_as_a_table_are_names_or_refused_by_type(data: bytes) -> None:
    try:
        names = table.read(data)
    except BadImage:
        return
    assert table.written(names) == data


def test_no_two_constructors_have_one_name() -> None:
    def fill_dict() -> None: ...

    fill_dict.__qualname__ = "fill_dict"
    with pytest.raises(InternalError, match="two constructors are called fill_dict"):
        registry.constructor(fill_dict)


def test_a_frame_of_an_older_image_has_defaults_for_what_came_later() -> None:
    record = FrameRecord(sample.__code__, {}, "sample", "sample", target=8)
    shape = generators.shape_of(record)
    assert generators.make_record(shape[:-1]).target == 8
    with pytest.raises(Refused, match="more to it than this Sojourn knows"):
        generators.make_record((*shape, None))

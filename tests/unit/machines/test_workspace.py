"""What a source gives of a workspace, and when, without a process in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sojourn.errors import BadImage
from sojourn.folders.manifest import digest_of, read
from sojourn.folders.store import Store
from sojourn.machines.python.workspace import Kept


def kept(folder: Path, store: Store) -> Kept:
    place = folder / "place"
    (place / "top").mkdir(parents=True)
    (place / "copy").write_text("copy")
    return Kept(place, "top", "id", os.open(place, os.O_RDONLY), store)


@pytest.fixture
def source(tmp_path: Path) -> Kept:
    made = kept(tmp_path / "source", Store(tmp_path / "here"))
    (made.root / "a").write_text("content of a")
    (made.root / "b").write_text("content of b")
    return made


@pytest.fixture
def target(tmp_path: Path) -> Kept:
    made = kept(tmp_path / "target", Store(tmp_path / "there"))
    made.root.rmdir()
    return made


def brought(source: Kept, target: Kept, there: Store, *, without: str = "") -> None:
    """The offer's part of a move, but for chunks of one content."""
    offered, blobs = source.offer()
    manifest = read((there.folder.parent / "here" / offered.manifest).read_bytes())
    for digest in list(blobs)[1:]:
        if digest != digest_of(without.encode()).hex() and (data := source.chunk(bytes.fromhex(digest))):
            there.put(data)
    target.make(manifest)


def content(one: Kept) -> dict[str, str]:
    return {path.name: path.read_text() for path in one.root.iterdir()}


def test_nothing_travels_of_what_has_not_changed(source: Kept, target: Kept, tmp_path: Path) -> None:
    brought(source, target, Store(tmp_path / "there"))
    assert source.change() == b""
    target.apply(b"")
    assert content(target) == {"a": "content of a", "b": "content of b"}


def test_what_was_overwritten_before_it_was_asked_for_travels_later(
    source: Kept, target: Kept, tmp_path: Path
) -> None:
    there = Store(tmp_path / "there")
    offered, blobs = source.offer()
    (source.root / "a").write_text("overwritten!")
    for digest in list(blobs)[1:]:
        if (data := source.chunk(bytes.fromhex(digest))) is not None:
            there.put(data)
    target.make(read((tmp_path / "here" / offered.manifest).read_bytes()))
    assert content(target) == {"b": "content of b"} and target.lacks == 1
    with pytest.raises(BadImage):
        target.apply(b"")
    (source.root / "a").write_text("content of a")  # back to what was offered, and could not be given
    change = source.change()
    assert b"content of a" in change
    target.apply(change)
    assert content(target) == {"a": "content of a", "b": "content of b"} and target.lacks == 0


def test_a_file_that_was_renamed_is_found_under_its_new_name(source: Kept) -> None:
    source.offer()
    os.rename(source.root / "a", source.root / "c")
    source.change()
    assert source.chunk(digest_of(b"content of a")) == b"content of a"


def test_one_who_shares_the_copy_is_sent_nothing(source: Kept) -> None:
    offered, _ = source.offer()
    (source.root / "a").write_text("changed")
    (source.place / offered.note).touch()
    assert source.change() == b""


@pytest.mark.parametrize("damage", [b"", b"\x00", b"not a change at all"])
def test_a_damaged_change_is_refused(source: Kept, target: Kept, tmp_path: Path, damage: bytes) -> None:
    brought(source, target, Store(tmp_path / "there"), without="content of b")
    with pytest.raises(BadImage):
        target.apply(damage)
    assert content(target) == {"a": "content of a"}

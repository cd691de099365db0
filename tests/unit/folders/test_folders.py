"""Trees as content: what is read is what is built, and what a stranger may not say is refused."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sojourn.errors import BadImage, ProtocolError
from sojourn.folders import build
from sojourn.folders.manifest import CHUNK, MOST_ENTRIES, Entry, Manifest, digest_of, encode, order, read
from sojourn.folders.scan import TICK, Scan
from sojourn.folders.store import Store

OLD = 1_000_000_000 * 10**9  # long settled

Content = dict[str, tuple[str, object]]


def made(folder: Path, content: Content) -> Path:
    folder.mkdir(exist_ok=True)
    for name, (kind, what) in sorted(content.items()):
        path = folder / name
        if kind == "folder":
            path.mkdir(exist_ok=True)
        elif kind == "link":
            path.symlink_to(str(what))
        else:
            assert isinstance(what, bytes)
            path.write_bytes(what)
            os.utime(path, ns=(OLD, OLD))
    return folder


def content_of(folder: Path) -> Content:
    found: Content = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = ("folder", None)
        else:
            found[name] = ("file", path.read_bytes())
    return found


def stored(folder: Path, scan: Scan) -> tuple[Manifest, Store]:
    store = Store(folder)
    return scan.look(store.put), store


# -- there and back -------------------------------------------------------------------------------

FIRST: Content = {
    "a": ("folder", None),
    "a/b": ("folder", None),
    "a/b/c.txt": ("file", b"hello"),
    "a-b": ("file", b""),  # sorts between a and a/b as text, not as a path
    "big": ("file", b"x" * CHUNK + b"y" * CHUNK + b"tail"),
    "into": ("link", "a/b"),
    "out": ("link", "/nowhere"),
    "changes": ("file", b"one"),
}
SECOND: Content = {
    "a": ("file", b"was a folder"),
    "a-b": ("folder", None),
    "a-b/new": ("file", b"n"),
    "big": ("file", b"x" * CHUNK + b"y" * CHUNK + b"longer tail"),
    "into": ("folder", None),
    "into/it": ("link", "../big"),
    "changes": ("link", "big"),
}


def test_a_tree_is_built_as_it_was(tmp_path: Path) -> None:
    source = made(tmp_path / "source", FIRST)
    (source / "a").chmod(0o500)
    (source / "big").chmod(0o640)
    manifest, store = stored(tmp_path / "store", Scan(source))
    target = tmp_path / "target"
    target.mkdir()
    build.build(read(encode(manifest)), target, store.read)
    assert content_of(target) == FIRST
    assert (target / "a").stat().st_mode & 0o777 == 0o500
    assert (target / "big").stat().st_mode & 0o777 == 0o640
    assert (target / "big").stat().st_mtime_ns == OLD
    build.remove(target)
    assert not target.exists()


@pytest.mark.parametrize(("before", "after"), [(FIRST, SECOND), (SECOND, FIRST), (FIRST, {}), ({}, FIRST)])
def test_a_tree_is_brought_up_to_date(tmp_path: Path, before: Content, after: Content) -> None:
    old, store = stored(tmp_path / "store", Scan(made(tmp_path / "old", before)))
    new, _ = stored(tmp_path / "store", Scan(made(tmp_path / "new", after)))
    target = tmp_path / "target"
    target.mkdir()
    build.build(old, target, store.read)
    build.bring(old, new, target, store.read)
    assert content_of(target) == after
    assert Scan(target).look() == new


def test_of_a_file_that_grows_only_the_end_is_new(tmp_path: Path) -> None:
    old, _ = stored(tmp_path / "s", Scan(made(tmp_path / "old", FIRST)))
    new, _ = stored(tmp_path / "s", Scan(made(tmp_path / "new", SECOND)))
    lacking = build.missing(new, old.chunks().__contains__)
    assert sorted(lacking.values()) == [1, len("longer tail"), len("was a folder")]


def test_a_missing_chunk_is_named_and_nothing_half_is_left(tmp_path: Path) -> None:
    manifest = Scan(made(tmp_path / "source", {"f": ("file", b"x")})).look()
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(BadImage, match="f"):
        build.build(manifest, target, lambda digest: None)
    assert content_of(target) == {}


# -- looking again --------------------------------------------------------------------------------


def test_only_what_has_changed_is_read_again(tmp_path: Path) -> None:
    source = made(tmp_path / "source", {"a": ("file", b"a"), "b": ("file", b"b")})
    scan, seen = Scan(source), list[bytes]()
    until = time.time_ns() + 2 * TICK
    while time.time_ns() < until:  # what is as young as this look is read again
        first = scan.look()
    assert scan.look(lambda data, digest: seen.append(data)) == first and seen == []
    (source / "b").write_bytes(b"c")
    scan.look(lambda data, digest: seen.append(data))
    assert seen == [b"c"]


def test_a_change_in_the_same_tick_is_seen(tmp_path: Path) -> None:
    source = made(tmp_path / "source", {})
    for number in range(50):
        (source / "f").write_bytes(b"%02d" % number)
        scan = Scan(source)
        scan.look()
        (source / "f").write_bytes(b"%02d" % (number + 50))  # as long, and most likely at the same time
        (entry,) = scan.look().entries
        assert entry.chunks == (digest_of(b"%02d" % (number + 50)),)


def test_only_what_is_named_and_what_is_on_the_way(tmp_path: Path) -> None:
    source = made(tmp_path / "source", FIRST)
    scan = Scan(source, [b"a/b/c.txt", b"big"], [b"a-b"])
    assert {entry.path for entry in scan.look().entries} == {b"a", b"a/b", b"a/b/c.txt", b"big", b"a-b"}


def test_what_cannot_be_carried_is_named(tmp_path: Path) -> None:
    source = made(tmp_path / "source", FIRST)
    os.mkfifo(source / "pipe")
    scan = Scan(source)
    assert "pipe" not in [entry.path for entry in scan.look().entries]
    assert len(scan.problems) == 1 and str(source / "pipe") in scan.problems[0]


# -- hostile --------------------------------------------------------------------------------------

FOLDER = Entry(b"d", "folder", 0o755)
CHUNKS = (digest_of(b"x"),)

HOSTILE: dict[str, tuple[Entry, ...]] = {
    "up": (Entry(b"..", "folder"),),
    "up below": (FOLDER, Entry(b"d/../../etc", "link", target=b"x")),
    "absolute": (Entry(b"/etc/passwd", "file"),),
    "here": (Entry(b".", "folder"),),
    "empty": (Entry(b"", "folder"),),
    "double": (FOLDER, Entry(b"d//e", "file")),
    "zero byte": (Entry(b"a\0b", "file"),),
    "long name": (Entry(b"n" * 256, "file"),),
    "long path": (Entry(b"/".join([b"n" * 200] * 20), "file"),),
    "through a link": (Entry(b"d", "link", target=b"/etc"), Entry(b"d/passwd", "file")),
    "in a file": (Entry(b"d", "file"), Entry(b"d/e", "file")),
    "in nothing": (Entry(b"d/e", "file"),),
    "twice": (Entry(b"d", "file"), Entry(b"d", "file")),
    "out of order": (Entry(b"e", "file"), Entry(b"d", "file")),
    "setuid": (Entry(b"f", "file", 0o4755),),
    "negative size": (Entry(b"f", "file", size=-1),),
    "too few chunks": (Entry(b"f", "file", size=CHUNK + 1, chunks=CHUNKS),),
    "too many chunks": (Entry(b"f", "file", size=1, chunks=CHUNKS * 2),),
    "short digest": (Entry(b"f", "file", size=1, chunks=(b"x",)),),
    "folder with content": (Entry(b"f", "folder", size=1, chunks=CHUNKS),),
    "link to nothing": (Entry(b"f", "link"),),
    "link with a zero byte": (Entry(b"f", "link", target=b"a\0"),),
    "time": (Entry(b"f", "file", modified=1 << 62),),
    "crowd": tuple(Entry(b"%06d" % n, "folder") for n in range(MOST_ENTRIES + 1)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_manifest_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError, match="cannot be"):
        read(encode(Manifest(HOSTILE[name])))


def test_a_device_is_no_kind_of_entry() -> None:
    data = msgspec.msgpack.encode({"entries": [[b"null", "device", 0o666]]})
    with pytest.raises(ProtocolError, match="not a manifest"):
        read(data)


@given(st.binary(max_size=200))
@example(encode(Manifest((FOLDER,)))[:-1])
def test_any_bytes_are_a_manifest_or_a_protocol_error(data: bytes) -> None:
    try:
        manifest = read(data)
    except ProtocolError:
        return
    assert all(not entry.path.startswith(b"/") for entry in manifest.entries)


_NAMES = st.sampled_from([b"a", b"b", b"..", b".", b"", b"a.b", b"x" * 256])
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map(b"/".join)
_ENTRIES = st.builds(
    Entry, _PATHS, st.sampled_from(["folder", "file", "link"]), st.integers(0, 0o7777),
    target=st.sampled_from([b"", b"../.."]),
)  # fmt: skip


@given(st.lists(_ENTRIES, max_size=8))
def test_what_is_accepted_stays_below_its_root(entries: list[Entry]) -> None:
    entries = sorted({entry.path: entry for entry in entries}.values(), key=lambda entry: order(entry.path))
    try:
        manifest = read(encode(Manifest(tuple(entries))))
    except ProtocolError:
        return
    kinds = {entry.path: entry.kind for entry in manifest.entries}
    for entry in manifest.entries:
        assert os.path.normpath(entry.path) == entry.path and not entry.path.startswith((b"/", b".."))
        parent = os.path.dirname(entry.path)
        assert not parent or kinds[parent] == "folder"


# -- the store ------------------------------------------------------------------------------------


def test_the_store_keeps_what_was_promised(tmp_path: Path) -> None:
    store = Store(tmp_path / "blobs")
    name = store.put(b"data")
    assert store.read(digest_of(b"data")) == b"data" and store.path(name) == tmp_path / "blobs" / name
    with pytest.raises(ProtocolError):
        store.put(b"data", digest_of(b"other"))
    assert store.read(digest_of(b"other")) is None
    for hostile in ("../../etc/passwd", "", "x" * 64, name.upper()):
        assert store.path(hostile) is None


def test_the_oldest_go_first_and_what_is_needed_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    names = [store.put(bytes([n]) * 100) for n in range(5)]
    for age, name in enumerate(reversed(names)):
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    young = store.put(b"young" * 100)
    store.trim({names[0]}, cap=250 + 500)
    assert [store.path(name) is not None for name in names] == [True, False, False, True, True]
    store.trim((), cap=0)
    assert store.path(young) is not None and store.path(names[4]) is None

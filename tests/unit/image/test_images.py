"""Images at rest: what was written is read back, and everything else is a typed error."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import random
import resource
import signal
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sojourn.errors import BadImage, NotFound, SojournError, StorageError, Untrusted, UsageError
from sojourn.image import layout, manifest
from sojourn.image.draft import Cancelled, Draft
from sojourn.image.manifest import LARGEST_PIECE
from sojourn.image.opened import opened
from sojourn.image.signing import Believed, KeyFile, fingerprint
from tests.unit.image.images import key, segment, write

LARGE = random.Random(1).randbytes(LARGEST_PIECE + 12345)


@pytest.fixture
def signer(tmp_path: Path) -> KeyFile:
    return key(tmp_path)


def read(path: str, believed: Believed) -> tuple[manifest.Manifest, bytes, bytes]:
    """What the manifest says, the memory and the log."""
    with opened(path, believed) as image:
        room = image.memory()
        try:
            size = os.fstat(room.fd).st_size
            return image.manifest, os.pread(room.fd, size, 0), image.segment("log")
        finally:
            room.close()


@pytest.mark.parametrize("form", ["image", "image/"])
@pytest.mark.parametrize("memory", [b"a little", LARGE], ids=["small", "large"])
def test_what_was_written_is_read_back(tmp_path: Path, signer: KeyFile, form: str, memory: bytes) -> None:
    path = f"{tmp_path}/{form}"
    said = write(path, signer, memory=memory, log=b"what it wrote")
    assert read(path, Believed([signer.public])) == (said, memory, b"what it wrote")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["image", "key"]


def test_other_tools_read_it_as_an_oci_layout(tmp_path: Path, signer: KeyFile) -> None:
    write(f"{tmp_path}/image", signer)
    with tarfile.open(tmp_path / "image") as tar:
        tar.extractall(tmp_path / "out", filter="data")
    out = tmp_path / "out"
    assert json.loads((out / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((out / "index.json").read_text())
    assert (index["schemaVersion"], index["mediaType"]) == (2, "application/vnd.oci.image.index.v1+json")

    def blob(descriptor: dict[str, object]) -> bytes:
        algorithm, _, digest = str(descriptor["digest"]).partition(":")
        data = (out / "blobs" / algorithm / digest).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (digest, descriptor["size"])
        return data

    found = json.loads(blob(index["manifests"][0]))
    assert found["schemaVersion"] == 2
    for each in (found["config"], *found["layers"]):
        blob(each)
    assert len(list((out / "blobs" / "sha256").iterdir())) == len(found["layers"]) + 2


def test_one_that_was_unpacked_and_packed_again_by_tar_is_read(tmp_path: Path, signer: KeyFile) -> None:
    said = write(f"{tmp_path}/image/", signer)
    with tarfile.open(tmp_path / "again.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(tmp_path / "image", arcname=".")
    assert read(f"{tmp_path}/again.tar", Believed([signer.public]))[0] == said


@pytest.mark.parametrize("form", ["image", "image/"])
def test_images_are_their_owners_alone(tmp_path: Path, signer: KeyFile, form: str) -> None:
    write(f"{tmp_path}/{form}", signer)
    for path in (tmp_path / "image", *(tmp_path / "image").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_equal_pieces_are_stored_once(tmp_path: Path, signer: KeyFile) -> None:
    memory = bytes(3 * LARGEST_PIECE)
    write(f"{tmp_path}/image", signer, memory=memory)
    assert (tmp_path / "image").stat().st_size < 1.1 * LARGEST_PIECE
    assert read(f"{tmp_path}/image", Believed([signer.public]))[1] == memory


def test_nothing_is_overwritten(tmp_path: Path, signer: KeyFile) -> None:
    (tmp_path / "image").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        write(f"{tmp_path}/image", signer)
    (tmp_path / "image").unlink()
    draft = Draft(f"{tmp_path}/image")
    (tmp_path / "image").write_text("mine")
    with pytest.raises(UsageError, match="has come to exist"):
        draft.keep()
    draft.drop()
    assert (tmp_path / "image").read_text() == "mine"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["image", "key"]


@pytest.mark.parametrize("form", ["image", "image/"])
def test_a_cancelled_draft_leaves_nothing(tmp_path: Path, form: str) -> None:
    draft = Draft(f"{tmp_path}/{form}")
    segment(draft, "memory", b"some")
    draft.cancel()
    with pytest.raises(Cancelled):
        segment(draft, "memory", b"more")
    with pytest.raises(Cancelled):
        draft.keep()
    draft.drop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["image", "image/"])
def test_a_full_disk_leaves_nothing_and_is_named(tmp_path: Path, form: str) -> None:
    """A file size limit stands for the disk here (the same system calls fail); `tests/node` fills a real one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    draft = Draft(f"{tmp_path}/{form}")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
        with pytest.raises(StorageError, match=os.strerror(errno.EFBIG)):
            draft.blob(LARGE, len(LARGE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    draft.drop()
    assert list(tmp_path.iterdir()) == []


# -- whose it is
# -----------------------------------------------------------------------------------------------------


def test_a_strangers_image_is_refused_naming_him_and_can_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir()
    theirs, ours = key(tmp_path / "theirs"), key(tmp_path / "ours")
    write(f"{tmp_path}/image", theirs, inspect=b'{"a": 1}')
    with opened(f"{tmp_path}/image", Believed([ours.public])) as image:
        assert image.segment("inspect") == b'{"a": 1}'
        with pytest.raises(Untrusted, match="node n1 of cluster here") as refused:
            image.memory()
    assert fingerprint(theirs.public) in str(refused.value)
    assert "--trust" in str(refused.value)
    read(f"{tmp_path}/image", Believed([ours.public], [fingerprint(theirs.public)]))


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> str:
    """The same image with its files changed, and their names in order again where they are digests."""
    with tarfile.open(path) as tar:
        files = {each.name: tar.extractfile(each).read() for each in tar}  # pyright: ignore
    change(files)
    out = path.with_name("changed")
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return str(out)


def resigned(files: dict[str, bytes], alter: Callable[[dict[str, object], dict[str, object]], None]) -> None:
    """Change the OCI manifest and our manifest, and make all digests fit again (but the signature)."""
    index = json.loads(files["index.json"])
    around = json.loads(files.pop(blob_name(index["manifests"][0]["digest"])))
    config = json.loads(files.pop(blob_name(around["config"]["digest"])))
    alter(around, config)
    data = json.dumps(config).encode()
    around["config"] |= {"digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}
    files[blob_name(around["config"]["digest"])] = data
    data = json.dumps(around).encode()
    index["manifests"][0] |= {"digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}
    files[blob_name(index["manifests"][0]["digest"])] = data
    files["index.json"] = json.dumps(index).encode()


def blob_name(digest: str) -> str:
    return "blobs/sha256/" + digest.removeprefix("sha256:")


def test_an_unsigned_image_and_a_changed_one_are_refused(tmp_path: Path, signer: KeyFile) -> None:
    write(f"{tmp_path}/image", signer)
    believed = Believed([signer.public])

    def unsign(around: dict[str, object], config: dict[str, object]) -> None:
        around["annotations"] = {}

    def change(around: dict[str, object], config: dict[str, object]) -> None:
        config["seed"] = 2

    for alter, why in ((unsign, "nobody has signed"), (change, "signature of the image does not hold")):
        path = rewritten(tmp_path / "image", lambda files, alter=alter: resigned(files, alter))
        with pytest.raises(BadImage, match=why), opened(path, believed):
            pass


@pytest.mark.parametrize(
    ("alter", "why"),
    [
        (lambda said: msgspec.structs.replace(said, version=manifest.VERSION + 1), "a newer Sojourn wrote it"),
        (lambda said: msgspec.structs.replace(said, pieces=said.pieces[:1]), "not whole"),
        (
            lambda said: msgspec.structs.replace(
                said, pieces=[*said.pieces, msgspec.structs.replace(said.pieces[-1], offset=99)]
            ),
            "do not join",
        ),
        (
            lambda said: msgspec.structs.replace(
                said, pieces=[msgspec.structs.replace(said.pieces[0], size=LARGEST_PIECE + 1)]
            ),
            "are allowed",
        ),
    ],
)
def test_what_a_believed_signer_says_is_checked_too(
    tmp_path: Path, signer: KeyFile, alter: Callable[[manifest.Manifest], manifest.Manifest], why: str
) -> None:
    said = alter(write(f"{tmp_path}/first", signer))
    draft = Draft(f"{tmp_path}/image")
    segment(draft, "inspect", b"{}")
    segment(draft, "memory", b"memory")
    from sojourn.image.writing import finish

    finish(draft, said, signer)
    draft.keep()
    with pytest.raises(BadImage, match=why), opened(f"{tmp_path}/image", Believed([signer.public])):
        pass


# -- hostile bytes
# --------------------------------------------------------------------------------------------------


def attempt(path: str, believed: Believed) -> bytes | None:
    """The memory of an image, or None for any typed error; anything else is the test's failure."""
    try:
        return read(path, believed)[1]
    except (BadImage, Untrusted, NotFound):
        return None


@pytest.mark.parametrize(
    "entry",
    [
        tarfile.TarInfo("../../etc/passwd"),
        tarfile.TarInfo("/etc/passwd"),
        tarfile.TarInfo("blobs/sha256/short"),
        tarfile.TarInfo("oci-layout"),  # twice
        *(_link for kind in (b"1", b"2", b"3", b"4", b"6", b"7", b"x", b"g", b"S", b"L")
          for _link in [tarfile.TarInfo("index.json")] if not setattr(_link, "type", kind)),
    ],
    ids=lambda entry: f"{entry.name}-{entry.type.decode()}",
)  # fmt: skip
def test_entries_that_no_image_has(tmp_path: Path, signer: KeyFile, entry: tarfile.TarInfo) -> None:
    write(f"{tmp_path}/image", signer)
    data = (tmp_path / "image").read_bytes()
    entry.linkname = "/etc/passwd" if entry.type in (b"1", b"2") else ""
    (tmp_path / "hostile").write_bytes(entry.tobuf(tarfile.USTAR_FORMAT) + data)
    with pytest.raises(BadImage), opened(f"{tmp_path}/hostile", Believed([signer.public])):
        pass


def test_links_in_a_folder_are_not_followed(tmp_path: Path, signer: KeyFile) -> None:
    write(f"{tmp_path}/image/", signer)
    real = tmp_path / "image" / "index.json"
    real.rename(tmp_path / "elsewhere")
    for make in (lambda: real.symlink_to(tmp_path / "elsewhere"), lambda: os.mkfifo(real), real.mkdir):
        make()
        with pytest.raises(BadImage), opened(f"{tmp_path}/image", Believed([signer.public])):
            pass
        real.rmdir() if real.is_dir() and not real.is_symlink() else real.unlink()


def test_what_is_no_file_at_all(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    for name, error in (("pipe", BadImage), ("empty", BadImage), ("folder", BadImage), ("none", NotFound)):
        with pytest.raises(error), opened(str(tmp_path / name), Believed([])):
            pass


def test_sizes_that_are_only_claimed_take_no_memory(tmp_path: Path, signer: KeyFile) -> None:
    """Headers that claim gigabytes, and an index that does: refused, by what is really there."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    huge = layout.header("index.json", (8 << 30) - 1)
    (tmp_path / "a").write_bytes(huge + bytes(1024))
    with open(tmp_path / "b", "wb") as file:  # as large as it says, but sparse
        file.write(layout.header("oci-layout", 2) + b"{}".ljust(512, b"\0") + huge)
        file.truncate(16 << 30)
    for name in ("a", "b"):
        with pytest.raises(BadImage), opened(str(tmp_path / name), Believed([])):
            pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # in KB


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, Believed]:
    folder = tmp_path_factory.mktemp("fuzz")
    signer = key(folder)
    write(f"{folder}/image", signer, memory=b"m" * 3000, log=b"l" * 700)
    return folder, (folder / "image").read_bytes(), Believed([signer.public])


EXAMPLES = settings(max_examples=300, deadline=None)


@EXAMPLES
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, 1 << 20), st.sampled_from(["set", "cut", "drop", "double"]), st.binary(max_size=40)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_mutated_image_is_refused_or_is_the_same(
    genuine: tuple[Path, bytes, Believed], changes: list[tuple[int, str, bytes]]
) -> None:
    folder, data, believed = genuine
    for where, what, payload in changes:
        at = where % (len(data) or 1)
        match what:
            case "set":
                data = data[:at] + payload + data[at + len(payload) :]
            case "cut":
                data = data[:at]
            case "drop":
                data = data[:at] + data[at + len(payload) :]
            case _:
                data = data[:at] + data[max(0, at - len(payload)) : at] + data[at:]
    (folder / "mutated").write_bytes(data)
    assert attempt(f"{folder}/mutated", believed) in (None, b"m" * 3000)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@EXAMPLES
@given(which=st.sampled_from(["index", "around", "config"]), data=st.data())
def test_documents_of_any_shape(
    genuine: tuple[Path, bytes, Believed], which: str, data: st.DataObject
) -> None:
    """Every document replaced, whole or one field of it, with all digests in order: a typed error, or as before."""
    folder, _, believed = genuine
    value = data.draw(_json)

    def alter_any(document: dict[str, object]) -> object:
        if data.draw(st.booleans()):
            return value
        document[data.draw(st.sampled_from(sorted(document)))] = value
        return document

    def change(files: dict[str, bytes]) -> None:
        index = json.loads(files["index.json"])
        if which == "index":
            files["index.json"] = json.dumps(alter_any(index)).encode()
            return
        around = json.loads(files[blob_name(index["manifests"][0]["digest"])])
        config = json.loads(files[blob_name(around["config"]["digest"])])
        if which == "config":
            body = json.dumps(alter_any(config)).encode()
            around["config"] |= {"digest": "sha256:" + hashlib.sha256(body).hexdigest(), "size": len(body)}
            files[blob_name(around["config"]["digest"])] = body
        else:
            around = alter_any(around)
        body = json.dumps(around).encode()
        index["manifests"][0] |= {"digest": "sha256:" + hashlib.sha256(body).hexdigest(), "size": len(body)}
        files[blob_name(index["manifests"][0]["digest"])] = body
        files["index.json"] = json.dumps(index).encode()

    assert attempt(rewritten(folder / "image", change), believed) in (None, b"m" * 3000)


@EXAMPLES
@given(document=_json)
def test_a_signed_manifest_of_any_shape(document: object) -> None:
    """What the type check lets through has its types; nothing but BadImage comes out of it."""
    try:
        said = manifest.read(json.dumps(document).encode(), [])
    except BadImage:
        return
    assert isinstance(said.process.name, str)


def test_a_document_that_is_nested_without_end(tmp_path: Path, signer: KeyFile) -> None:
    write(f"{tmp_path}/image", signer)

    def change(files: dict[str, bytes]) -> None:
        files["index.json"] = b'{"manifests":' + b"[" * 1_000_000

    with pytest.raises(BadImage), opened(rewritten(tmp_path / "image", change), Believed([signer.public])):
        pass


def test_a_key_that_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(SojournError, match="is not a key"):
        KeyFile(tmp_path / "key")

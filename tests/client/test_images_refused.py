"""What stands in the way of a freeze, and what does not fit at a thaw: nothing is lost, and nothing stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sojourn.client import Cluster, Process, connect
from sojourn.errors import (
    BadImage,
    Refused,
    SojournError,
    StorageError,
    Unmovable,
    UsageError,
    WrongState,
)
from sojourn.image.draft import Draft
from sojourn.image.opened import opened
from sojourn.image.signing import Believed, KeyFile
from sojourn.image.writing import finish
from sojourn.testing import LocalCluster

from .programs import COUNT, left, small_disk, still_runs

LARGE = """
data = bytearray(64 << 20)
import random
data[:] = random.randbytes(1 << 20) * 64
for at in range(0, len(data), 4096):
    data[at] = at >> 12 & 255
print("made", flush=True)
while True:
    pass
"""


def test_paths_that_cannot_be(start: Callable[..., Process], tmp_path: Path) -> None:
    process = start(COUNT, "1_000_000_000")
    (tmp_path / "there").write_text("mine")
    for path, why in ((tmp_path / "there", "exists already"), (tmp_path / "no" / "image", "no folder")):
        with pytest.raises(UsageError, match=why):
            process.freeze(path)
    assert left(tmp_path) == {"there"} and (tmp_path / "there").read_text() == "mine"
    still_runs(process)


def test_what_cannot_travel_is_named_and_goes_on(start: Callable[..., Process], tmp_path: Path) -> None:
    process = start("""
import ctypes
number, held = 0, ctypes.pointer(ctypes.c_int())
while True:
    number += 1
    if number % 100_000 == 1: print(number, flush=True)
""")
    with pytest.raises(Unmovable, match="held"):
        process.freeze(tmp_path / "image")
    assert left(tmp_path) == set()
    still_runs(process)


@pytest.mark.parametrize("form", ["image", "image/"])
def test_a_full_disk(start: Callable[..., Process], cluster: Cluster, tmp_path: Path, form: str) -> None:
    process = start(COUNT, "1_000_000_000")
    with small_disk("64k") as disk:
        for _ in range(2):
            with pytest.raises(StorageError, match="No space left on device"):
                process.freeze(f"{disk}/{form}")
            assert list(disk.iterdir()) == []
            still_runs(process)
    process.freeze(tmp_path / "image")
    assert cluster.thaw(tmp_path / "image").process.id == process.id


def test_ctrl_c_while_it_is_written(
    local_cluster: LocalCluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    """The command is interrupted as soon as the draft is on the disk: the process goes on, and the draft is gone."""
    process = start(LARGE.replace("    pass", "    print('on', flush=True)"))
    environment = {**os.environ, "SOJOURN_HOME": str(local_cluster.home)}
    command = [sys.executable, "-m", "sojourn.cli.main", "freeze", process.name, str(tmp_path / "image")]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as freezing:
        until(lambda: any(name.startswith(".image") for name in left(tmp_path)))
        freezing.send_signal(2)
        freezing.wait(30)
    if freezing.returncode == 0:  # it was faster than we
        pytest.skip("the freeze was over before it could be interrupted")
    assert freezing.returncode == 130
    until(lambda: process.info().state == "running" and not any(".image" in name for name in left(tmp_path)))
    assert left(tmp_path) == set()
    still_runs(process)


def until(condition: Callable[[], bool]) -> None:
    """Waits for it."""
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit
        os.sched_yield()


def test_the_program_is_killed_while_it_is_written(
    cluster: Cluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    process = start(LARGE)
    failed: list[BaseException] = []

    def freeze() -> None:
        try:
            with connect(cluster.home) as own:
                own.process(process.id).freeze(tmp_path / "image")
        except SojournError as why:
            failed.append(why)

    freezing = threading.Thread(target=freeze)
    freezing.start()
    until(lambda: any(name.startswith(".image") for name in left(tmp_path)))
    try:
        process.kill()
    except WrongState:
        pytest.skip("the freeze was over before it could be killed")
    freezing.join(30)
    assert process.wait(30).signal == 9
    assert failed and left(tmp_path) == set()


# -- what does not fit
# -------------------------------------------------------------------------------------------------


def altered(home: Path, source: Path, target: Path, **changes: Any) -> None:
    """The image as this cluster would have signed it on another machine."""
    signer = KeyFile(home / "image.key")
    with opened(str(source), Believed([signer.public])) as image:
        draft = Draft(str(target))
        for piece in image.manifest.pieces:
            data = image.piece(piece)
            draft.blob(data, len(data))
        finish(draft, msgspec.structs.replace(image.manifest, **changes), signer)
        draft.keep()


def test_everything_that_is_missing_is_said_at_once(
    cluster: Cluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    (tmp_path / "cwd").mkdir()
    process = start("held = open('data', 'w')\nprint(1, flush=True)\nwhile True: pass\n")
    process.freeze(tmp_path / "image")
    with opened(str(tmp_path / "image"), Believed([])) as image:
        said = image.manifest
    other = msgspec.structs.replace(said.interpreter, version="3.12.1", arch="riscv64", digest="other")
    altered(
        cluster.home, tmp_path / "image", tmp_path / "other", interpreter=other,
        detail={**said.detail, "cwd": "/nowhere"},
    )  # fmt: skip
    altered(
        cluster.home, tmp_path / "image", tmp_path / "packages", packages={"numpy": "0.1", "none-such": "1.0"}
    )
    (tmp_path / "data").unlink()
    for name, wanted in (
        ("other", ["3.12.1 (riscv64)", "data", "/nowhere"]),
        ("packages", ["numpy 0.1", "none-such 1.0", "data"]),
    ):
        with pytest.raises(Refused) as refused:
            cluster.thaw(tmp_path / name)
        for each in wanted:
            assert sum(each in reason for reason in refused.value.reasons) == 1, refused.value.reasons
    assert process.info().state == "frozen", "a thaw that was refused leaves it as it was"
    (tmp_path / "data").touch()


def test_a_copy_shares_no_file_that_two_cannot_share(
    cluster: Cluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    process = start("held = open('data', 'w')\nprint(1, flush=True)\nwhile True: pass\n")
    process.freeze(tmp_path / "image")
    with pytest.raises(Refused) as refused:
        cluster.thaw(tmp_path / "image", name="beside-it")
    assert any("open for writing" in reason for reason in refused.value.reasons)
    assert "beside-it" not in {row.name for row in cluster.ps(all=True)}
    assert cluster.thaw(tmp_path / "image").process.id == process.id


def test_a_damaged_image_is_refused_and_the_process_stays_frozen(
    cluster: Cluster, start: Callable[..., Process], tmp_path: Path
) -> None:
    process = start(COUNT, "1_000_000_000")
    process.freeze(f"{tmp_path}/image/")
    with opened(str(tmp_path / "image"), Believed([])) as image:
        digest = image.manifest.of("memory")[0].digest
    memory = tmp_path / "image" / "blobs" / "sha256" / digest.removeprefix("sha256:")
    data = memory.read_bytes()
    for damage in (data[:-1], data[:-1] + bytes([data[-1] ^ 1]), b""):
        memory.write_bytes(damage)
        with pytest.raises(BadImage):
            cluster.thaw(tmp_path / "image", node=process.info().node)
        memory.write_bytes(data)
    assert process.info().state == "frozen"
    cluster.thaw(tmp_path / "image")
    still_runs(process)

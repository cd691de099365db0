"""FILE is on the machine of the one who asks, wherever the process is: frozen, thawed, looked into from each."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sojourn.client import Cluster, connect, connect_async
from sojourn.client.calls import Call
from sojourn.errors import BadImage, NotFound, SojournError, StorageError, UsageError
from sojourn.image.opened import opened
from sojourn.image.signing import Believed

from .places import Places, three_places
from .programs import COUNT, RANDOM, small_disk, still_runs

LARGE = """
import random, sys
data = random.randbytes(int(sys.argv[1]) << 20)
number = 0
print("made", flush=True)
while True:
    number += 1
    if number % 1_000_000 == 0: print(number, flush=True)
"""


@pytest.fixture(scope="module")
def all_places() -> Iterator[Places]:
    with three_places() as places:
        yield places


@pytest.fixture
def places(all_places: Places) -> Iterator[Places]:
    yield all_places
    all_places.clear()


@pytest.fixture
def laptop(places: Places) -> Iterator[Cluster]:
    with connect(places.laptop) as cluster:
        yield cluster


def in_background(work: Any) -> tuple[threading.Thread, list[BaseException]]:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as why:
            raised.append(why)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def test_from_afar(places: Places, laptop: Cluster) -> None:
    """It goes from a node into a file on the laptop, and from there on at another node."""
    process = laptop.process(places.run(RANDOM, "far").id)
    carried: list[int] = []
    report = process.freeze(places.mine / "image", on_bytes=carried.append)
    assert carried and carried[-1] >= report.bytes
    assert {each.name for each in places.mine.iterdir()} == {"image"}
    assert places.there(places.far) == places.there(places.host) == set()
    row = process.info()
    assert (row.state, row.file, row.file_at) == ("frozen", f"{places.mine}/image", "laptop")
    assert process.show()["file_at"] == "laptop"
    with pytest.raises(SojournError, match=f"is frozen in laptop:{places.mine}/image"):
        process.stop()
    found = laptop.inspect(places.mine / "image")
    assert found["image"]["believed"] and found["image"]["file"] == f"{places.mine}/image"
    assert found["execution"][-1]["function"] == "<module>"
    thawed = laptop.thaw(places.mine / "image", node="n1")
    assert (thawed.process.id, thawed.report.who, process.info().node) == (process.id, "itself", "n1")
    process.write_stdin(b"", eof=True)
    assert process.wait(60).exit_code == 0
    assert process.output()[0] == b"ready\n%r\n" % random.Random(1).random()


def test_a_file_that_the_node_sees_is_not_carried(places: Places, laptop: Cluster) -> None:
    """Also where the one who asks is known as somebody from afar."""
    carried: list[int] = []
    process = laptop.process(places.run(COUNT, "far", "1_000_000_000").id)
    process.freeze(places.shared / "image", on_bytes=carried.append)
    assert process.info().file_at == "laptop"
    assert laptop.thaw(places.shared / "image", node="far", on_bytes=carried.append).process.id == process.id
    assert not carried
    assert not list(places.shared.glob(".*"))


def test_typed_on_the_machine_of_a_node(places: Places, laptop: Cluster) -> None:
    """The process is at the host; its file comes to who asks at the other machine, and is looked for there."""
    process, image = places.run(COUNT, "n1", "1_000_000_000"), str(places.mine / "sim.image")
    said = places.command(places.far, "freeze", process.name, image)
    assert said.stdout.startswith(f"{process.name} is frozen in {image}: "), said
    assert (places.there(places.far), places.there(places.host)) == ({"sim.image"}, set())
    assert not list(places.mine.iterdir())
    assert f"in far:{image}" in places.command(places.host, "ps").stdout
    with pytest.raises(NotFound, match="there is no image") as refused:
        laptop.thaw(image)
    assert refused.value.advice == f"{process.name} is frozen in far:{image}"
    assert "believed here" in places.command(places.far, "inspect", image).stdout
    said = places.command(places.far, "thaw", image, "--node", "n1")
    assert said.stdout.startswith(f"{process.name} goes on at n1: "), said
    still_runs(process)


def test_with_asyncio(places: Places) -> None:
    process = places.run(COUNT, "far", "1_000_000_000")

    async def main() -> None:
        async with await connect_async(places.laptop) as own:
            handle, stages, carried = await own.process(process.id), list[str](), list[int]()
            await handle.freeze(f"{places.mine}/image/", on_stage=stages.append, on_bytes=carried.append)
            assert stages == ["survey", "freeze", "write", "commit"] and carried
            assert (await own.inspect(places.mine / "image"))["process"]["id"] == process.id
            assert (await own.thaw(places.mine / "image")).process.id == process.id

    asyncio.run(main())
    still_runs(process)


def test_a_full_disk_on_the_laptop(places: Places, laptop: Cluster) -> None:
    process = laptop.process(places.run(COUNT, "far", "1_000_000_000").id)
    with small_disk("64k") as disk:
        for form in ("image", "image/", "image"):
            with pytest.raises(StorageError, match=f"{disk}/image cannot be written: No space left"):
                process.freeze(f"{disk}/{form}")
            assert list(disk.iterdir()) == []
            still_runs(process)
    (places.mine / "image").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        process.freeze(places.mine / "image")
    with pytest.raises(UsageError, match="no folder"):
        process.freeze(places.mine / "no" / "image")
    assert [each.read_text() for each in places.mine.iterdir()] == ["mine"]
    still_runs(process)


def interrupted(places: Places, *command: str) -> None:
    """Type that on the laptop, and Ctrl-C in the middle of the image."""
    with places.wire() as wire:
        wire.stop_after(1 << 20)
        typed = [sys.executable, "-m", "sojourn.cli.main", *command]
        environment = {**os.environ, "SOJOURN_HOME": str(places.laptop)}
        with subprocess.Popen(typed, env=environment, stderr=subprocess.PIPE) as running:
            wire.until_stopped()
            running.send_signal(signal.SIGINT)
            wire.go_on()
            running.wait(60)
        assert running.returncode == 130


def test_ctrl_c_while_it_comes(places: Places) -> None:
    process = places.run(LARGE, "far", "4")
    interrupted(places, "freeze", process.name, str(places.mine / "image"))
    assert not list(places.mine.iterdir())
    still_runs(process)


def test_ctrl_c_while_it_goes(places: Places, laptop: Cluster) -> None:
    """It stays frozen, its file as good as it was."""
    process = places.run(LARGE, "far", "4")
    laptop.process(process.id).freeze(places.mine / "image")
    interrupted(places, "thaw", str(places.mine / "image"), "--node", "n1")
    assert process.info().state == "frozen"
    assert laptop.thaw(places.mine / "image", node="far").process.id == process.id
    still_runs(process)


def test_cut_while_it_comes(places: Places) -> None:
    process = places.run(LARGE, "far", "4")
    with places.wire() as wire, connect(places.laptop) as laptop:
        handle = laptop.process(process.id)
        wire.stop_after(1 << 20)
        freezing, raised = in_background(lambda: handle.freeze(places.mine / "image"))
        wire.until_stopped()
        wire.cut()
        freezing.join(60)
        assert isinstance(raised[0], SojournError)
        assert not list(places.mine.iterdir())
        still_runs(process)
        handle.freeze(places.mine / "image")
        assert process.info().state == "frozen"


def test_cut_when_it_is_complete(places: Places) -> None:
    """The file stays: it is all that is left of the process."""
    process = places.run(COUNT, "n1", "1_000_000_000")

    def at_host(op: str) -> None:
        with connect(places.host) as cluster:
            cluster.link.ask(Call(op, {"point": "freeze.written"}, object))

    with places.wire() as wire, connect(places.laptop) as laptop:
        at_host("testing.hold")
        freezing, raised = in_background(lambda: laptop.process(process.id).freeze(places.mine / "image"))
        at_host("testing.reached")
        wire.cut()
        at_host("testing.release")
        freezing.join(60)
        assert isinstance(raised[0], SojournError) and "is complete" in raised[0].message
        assert raised[0].advice == "the process is frozen in it: `sojourn thaw` goes on"
        assert process.info().state == "frozen"
        assert laptop.thaw(places.mine / "image").process.id == process.id
    still_runs(process)


def test_cut_while_it_goes(places: Places) -> None:
    """A frozen process stays frozen, and nothing of the attempt is left at the node."""
    process = places.run(LARGE, "far", "4")
    with places.wire() as wire, connect(places.laptop) as laptop:
        laptop.process(process.id).freeze(places.mine / "image")
        wire.stop_after(1 << 20)
        thawing, raised = in_background(lambda: laptop.thaw(places.mine / "image", node="n1"))
        wire.until_stopped()
        assert process.info().state == "frozen"
        wire.cut()
        thawing.join(60)
        assert isinstance(raised[0], SojournError)
        assert process.info().state == "frozen"
        assert laptop.thaw(places.mine / "image", node="far").process.id == process.id
    still_runs(process)


def test_a_damaged_image_is_refused_wherever_it_lies(places: Places, laptop: Cluster) -> None:
    process = laptop.process(places.run(COUNT, "far", "1_000_000_000").id)
    process.freeze(f"{places.mine}/image/")
    with opened(f"{places.mine}/image", Believed([])) as image:
        memory = image.manifest.of("memory")[0].digest.removeprefix("sha256:")
    blobs = places.mine / "image" / "blobs" / "sha256"
    data = (blobs / memory).read_bytes()
    for damage in (data[:-1], data[:-1] + bytes([data[-1] ^ 1]), b""):
        (blobs / memory).write_bytes(damage)
        with pytest.raises(BadImage):
            laptop.thaw(places.mine / "image", node="n1")
    (blobs / memory).write_bytes(data)
    (places.mine / "none").write_text("no image")
    with pytest.raises(BadImage):
        laptop.thaw(places.mine / "none", node="n1")
    assert process.info().state == "frozen"
    assert laptop.thaw(places.mine / "image", node="n1").process.id == process.id

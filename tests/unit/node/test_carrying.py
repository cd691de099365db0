"""An image on its way between a node and somebody elsewhere who has the file, each side with real threads and files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sojourn.client import carrying as client
from sojourn.errors import BadImage, ProtocolError, TransferCut
from sojourn.folders.layout import LARGEST, open_layout
from sojourn.image.draft import Cancelled, Draft
from sojourn.image.opened import opened
from sojourn.image.signing import Believed
from sojourn.node import carrying
from sojourn.node.apart import apart
from sojourn.node.carrying import AHEAD, PART, Delivery, Lending, Lent
from tests.unit.image import images

Bring = {"node": "n1", "ticket": "t", "epoch": 1}


def lending(wanted: int, **more: Any) -> Lending:
    return Lending(node="n1", ticket="t", wanted=wanted, **more)


class Asking:
    """One who has a file, and heeds what a node wants of it."""

    def __init__(self, file: str) -> None:
        self.lender = client.Lender(file, lambda count: None)
        self.loan: Lent
        self.wants: list[tuple[str, int]] = []

    async def emit(self, item: dict[str, Any]) -> None:
        self.wants.append((item["want"]["name"], item["want"]["size"]))
        self.work = asyncio.create_task(self.heed(item))

    async def heed(self, item: dict[str, Any]) -> None:
        steps = self.lender.heed(item)
        call = client.step(steps, None)
        while call is not None:
            call = client.step(steps, await self.loan.lend(Lending(**call.args)))


@pytest.mark.parametrize("form", ["image", "image/"])
def test_what_is_read_is_fetched_and_nothing_else(tmp_path: Path, form: str) -> None:
    key = images.key(tmp_path)
    images.write(f"{tmp_path}/{form}", key, memory=bytes(range(256)) * 20_000, log=b"a log", inspect=b'{"a": 1}')

    async def main() -> None:
        asking = Asking(f"{tmp_path}/image")
        asking.loan = Lent(asking.emit, "n1", "t")
        opening = opened("there", Believed([key.public]), lambda _: asking.loan.open())
        image = await apart(opening.__enter__)
        assert all(size < 4096 for _, size in asking.wants), "documents only"
        assert await apart(lambda: image.segment("inspect")) == b'{"a": 1}'
        room = await apart(image.memory)
        assert bytes(room.fit(image.manifest.size("memory"))) == bytes(range(256)) * 20_000
        room.close()
        assert image.manifest.of("log")[0].digest.removeprefix("sha256:") not in str(asking.wants)
        opening.__exit__(None, None, None)
        asking.lender.close()

    asyncio.run(main())


def test_what_nobody_asked_for_is_not_taken(tmp_path: Path) -> None:
    async def main() -> None:
        wanted = asyncio.Queue[dict[str, Any]]()
        loan = Lent(wanted.put, "n1", "t")
        opening = asyncio.create_task(apart(loan.open))
        number = (await wanted.get())["want"]["wanted"]
        for sizes in ({"../x": 1}, {"index.json": -1}, {"blobs/sha256/x": 1}):
            with pytest.raises(BadImage):
                await loan.lend(lending(number, sizes=sizes))
        assert await loan.lend(lending(number + 1, data=b"x")) == {"over": True}
        await loan.lend(lending(number, sizes={"index.json": 4}))
        await opening
        into = bytearray(4)
        reading = asyncio.create_task(apart(lambda: loan.read("index.json", memoryview(into))))
        number = (await wanted.get())["want"]["wanted"]
        for at, data in ((1, b"x"), (-1, b"x"), (0, b"12345")):
            with pytest.raises(ProtocolError):
                await loan.lend(lending(number, at=at, data=data))
        await loan.lend(lending(number, data=b"12"))
        await loan.lend(lending(number, at=2, data=b"34"))
        await reading
        assert into == b"1234"
        with pytest.raises(BadImage):
            await apart(lambda: loan.read("oci-layout", memoryview(into)))
        with pytest.raises(BadImage):
            await apart(lambda: loan.read("index.json", memoryview(bytearray(5))))
        reading = asyncio.create_task(apart(lambda: loan.read("index.json", memoryview(into))))
        await wanted.get()
        loan.end()
        with pytest.raises(TransferCut):
            await reading
        assert await loan.lend(lending(number + 1)) == {"over": True}

    asyncio.run(main())


def test_who_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "STALL", 0.02)

    async def main() -> None:
        async def emit(item: object) -> None:
            pass

        with pytest.raises(TransferCut, match="nothing was heard"):
            await apart(Lent(emit, "n1", "t").open)
        delivery = Delivery()
        with pytest.raises(TransferCut, match="nothing was heard"):
            await apart(lambda: delivery.put("index.json", (bytes(PART * (AHEAD + 1)),), PART * (AHEAD + 1)))

    asyncio.run(main())


def test_no_more_is_ready_than_is_taken() -> None:
    """A reader that is slow holds up who writes."""

    async def main() -> None:
        delivery, size = Delivery(), PART * (AHEAD + 3)
        putting = asyncio.create_task(apart(lambda: delivery.put("index.json", (bytes(size),), size)))
        for _ in range(3):
            assert len((await delivery.take())["data"]) == PART
        assert not putting.done()
        delivery.cancel()
        with pytest.raises(Cancelled):
            await putting
        assert await delivery.take() == await delivery.take() == {"over": True} == await delivery.kept()

    asyncio.run(main())


def receive(receipt: client.Receipt, answers: Callable[[int], dict[str, Any]]) -> None:
    """Give it these answers, one for each request."""
    for item in ({"seen": False}, {"bring": Bring}):
        steps, number = receipt.heed(item), 0
        call = client.step(steps, None)
        while call is not None:
            call = client.step(steps, call.result(answers(number)))
            number += 1


@pytest.mark.parametrize("form", ["image", "image/"])
def test_what_is_taken_becomes_the_file(tmp_path: Path, form: str) -> None:
    key = images.key(tmp_path)
    images.write(f"{tmp_path}/first", key, memory=bytes(range(256)) * 20_000, log=b"", inspect=b"{}")

    async def main() -> None:
        delivery = Delivery()

        def copy() -> None:
            draft = Draft(delivery)
            layout = open_layout(f"{tmp_path}/first")
            for name, size in layout.sizes().items():
                if name != "oci-layout":
                    data = bytearray(size)
                    layout.read(name, memoryview(data))
                    delivery.put(name, (data,), size)
            layout.close()
            draft.keep()

        copying = asyncio.create_task(apart(copy))
        loop = asyncio.get_running_loop()

        def answer(number: int) -> dict[str, Any]:
            return asyncio.run_coroutine_threadsafe(answered(), loop).result()

        async def answered() -> dict[str, Any]:
            if (tmp_path / "second" / form.rstrip("/")).exists():
                return await delivery.kept()
            return await delivery.take()

        (tmp_path / "second").mkdir()
        receipt = client.Receipt("sim", f"{tmp_path}/second/{form}", None, lambda count: None)
        await apart(lambda: receive(receipt, answer))
        await copying

    asyncio.run(main())
    assert {each.name for each in (tmp_path / "second").iterdir()} == {"image"}
    with opened(f"{tmp_path}/second/image", Believed([key.public])) as image:
        assert image.distrust is None and image.segment("memory") == bytes(range(256)) * 20_000


@pytest.mark.parametrize(
    "parts",
    [
        [{"name": "../../x", "size": 1, "data": b"x"}],
        [{"name": "/etc/x", "size": 1, "data": b"x"}],
        [{"name": "index.json", "size": -1, "data": b""}],
        [{"name": "index.json", "size": LARGEST + 1, "data": b"x"}],
        [{"name": "index.json", "size": 1, "data": b"xy"}],
        [{"name": "index.json", "size": 2, "data": b""}],
        [{"name": "index.json", "size": 2, "data": b"x"}, {"name": "oci-layout", "size": 2, "data": b"x"}],
        [{"name": "index.json", "size": 1, "data": b"x"}] * 2,
        [{"name": "blobs/sha256/" + "0" * 64, "size": 1, "data": b"x"}],
        [{"name": 7}],
    ],
)
def test_what_no_node_would_send_leaves_no_file(tmp_path: Path, parts: list[dict[str, Any]]) -> None:
    receipt = client.Receipt("sim", f"{tmp_path}/image", None, lambda count: None)
    with pytest.raises((BadImage, ProtocolError)):
        receive(receipt, lambda number: parts[number])
    receipt.failed()
    receipt.close()
    assert list(tmp_path.iterdir()) == []

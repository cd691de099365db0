"""The origin's side of a clone: one freeze, and for each copy a driver of `model.clone.ORIGIN`.

First every target says yes: if one does not, there is no copy at all, and the answer has the reasons of each.
Then the original is frozen, once, and goes on as soon as its image is complete. From there each copy stands
by itself: one that fails takes no other with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from sojourn._util import clock
from sojourn.errors import HostDied, InternalError, Refused, SojournError
from sojourn.image.stream import length_on_wire
from sojourn.machines.base import Frozen, Host, Offer
from sojourn.mobility.account import Report
from sojourn.mobility.link import boot_id
from sojourn.mobility.sender import PREPARE, SLOW, THAW, Sender, refusal
from sojourn.model import clone
from sojourn.model.clone import Origin
from sojourn.model.move import On
from sojourn.names.registry import Known
from sojourn.wire import peer


class OriginSide(Sender):
    """One copy.

    Args:
        known: its record as reserved, and the revision of that.
        offer: the original's; it goes out under the copy's name.
        keep_random: the copy goes on drawing the original's random numbers.
    """

    def __init__(
        self,
        *,
        known: Known,
        offer: Offer,
        patience: float,
        keep_random: bool,
        **common: Any,
    ) -> None:
        record = known.record
        super().__init__(
            name=record.name, move=record.move, epoch=record.epoch, start=Origin.OFFERING,
            step=clone.step, outcomes=clone.OUTCOMES,
            offer=msgspec.structs.replace(offer, id=record.id, name=record.name, epoch=record.epoch), **common,
        )  # fmt: skip
        self.record = record
        self._reserved = known.revision
        self._patience = patience
        self._keep_random = keep_random
        self._frozen: Frozen | None = None
        self.placed = asyncio.Event()  # the target has said yes, or the outcome is there
        self.latency: float | None = None  # seconds from the last instruction of the original to the copy's first
        self.one_clock = False

    async def run(self) -> Origin:
        """From the offer to the outcome."""
        await self.reach("origin.reserved")
        self.spawn(self._begin())
        try:
            await self.drive()
        finally:
            self.placed.set()
        assert isinstance(self.state, Origin)
        return self.state

    @property
    def accepted(self) -> bool:
        return self.state is Origin.ACCEPTED

    def image(self, frozen: Frozen) -> None:
        """The image is complete; it stays open until `run` has returned."""
        self._frozen = frozen
        self.arm(On.DEADLINE, THAW + frozen.size / SLOW)
        self.give(On.FROZEN)

    async def _begin(self) -> None:
        self.arm(On.DEADLINE, PREPARE)
        try:
            self.link = await self._call()
        except SojournError as why:
            self.give(On.CUT, why)
            return
        await self.link.send(
            peer.Duplicate(
                epoch=self.epoch,
                record=msgspec.Raw(msgspec.msgpack.encode(self.record)),
                revision=self._reserved,
                offer=msgspec.Raw(msgspec.msgpack.encode(self._offer)),
                patience=self._patience,
                keep_random=self._keep_random,
            )
        )
        await self._listen(self.link)

    async def _hear(self, message: peer.Message) -> None:
        match message:
            case peer.Accepted():
                self.disarm(On.DEADLINE)
                self.give(On.ACCEPTED)
            case peer.Refused() | peer.Failed():
                self.give(On.FAILED, refusal(self.name, self.record.node, message.error))
            case peer.Running():
                self.one_clock = message.boot == boot_id()
                if self._frozen is not None:
                    until = message.first_at if self.one_clock else clock.monotonic_ns()
                    self.latency = (until - self._frozen.stopped_at) / 1e9
                self.give(On.RUNNING)
            case _:
                self.give(On.GO)  # a stray, whatever it is

    async def do_send(self) -> None:
        await self.reach("origin.before-send")
        assert self.link is not None and self._frozen is not None
        await self.link.send_bytes(
            peer.Image(epoch=self.epoch, size=self._frozen.size, log={}), self._frozen.fd
        )

    async def do_withdraw(self) -> None:
        await self.reach("origin.withdrawing")
        await self.withdraw(self._reserved)

    def classify(self, known: Known | None) -> On:
        there = known is not None and known.record.id == self.record.id
        return On.CONFIRMED if there else On.OTHERS

    def do_tell_placed(self) -> None:
        self.placed.set()

    def why(self) -> SojournError:
        """Why there is no copy."""
        error = self.error or InternalError(f"the copy {self.name} came to nothing, without a reason")
        if error.history[-len(self.history) :] != self.history:
            error.history += self.history
        return error


class Cloning:
    """One clone: all of its copies.

    Args:
        name: the original's.
        sides: one for each copy.
        host: the original's.
        freeze: seconds to wait for a safe point.
        wish: the number of the program's own request, if it is one.
        report: told of each stage.
    """

    def __init__(
        self, name: str, sides: Sequence[OriginSide], host: Host, *, freeze: float, wish: int | None, report: Report
    ) -> None:
        self._name = name
        self._sides = sides
        self._host = host
        self._freeze = freeze
        self._wish = wish
        self._report = report
        self._began = time.monotonic_ns()
        self._pause = 0.0  # seconds that the original stood still
        self._frozen: Frozen | None = None
        self.went_on = asyncio.Event()  # the original has done its part, or is not needed for it

    async def run(self) -> dict[str, Any]:
        """From the offers to the outcome of every copy; the facts. Raises why there is no copy at all."""
        runs = [asyncio.create_task(side.run()) for side in self._sides]
        watch = asyncio.create_task(self._watch_host())
        try:
            try:
                if await self._placed():
                    await self._image()
            finally:
                self.went_on.set()
                watch.cancel()
            await asyncio.gather(*runs)
            if not any(side.state is Origin.CLONED for side in self._sides):
                raise self._all_reasons()
        finally:
            for run in runs:
                run.cancel()
            if self._frozen is not None:
                os.close(self._frozen.fd)
        self._report("running")
        return self._facts()

    async def _placed(self) -> bool:
        """Whether every target has made a place; if one has not, the others are told that there is no clone."""
        self._report("offer")
        for placed in asyncio.as_completed([side.placed.wait() for side in self._sides]):
            await placed
            if any(side.placed.is_set() and not side.accepted for side in self._sides):
                self._give(On.CANCEL)
                return False
        return True

    async def _image(self) -> None:
        """The freeze; the original runs again when this returns."""
        first = self._sides[0]
        await first.reach("origin.before-freeze")
        self._report("freeze")
        try:
            frozen = self._frozen = await self._host.freeze(deadline=self._freeze, copy=True, wish=self._wish)
        except SojournError as why:
            self._give(On.CANNOT_FREEZE, why)
            return
        await first.reach("origin.frozen")
        with contextlib.suppress(HostDied):  # somebody killed it: its copies are none the worse
            await self._host.unfreeze()
        self._pause = (clock.monotonic_ns() - frozen.stopped_at) / 1e9
        self._report("send")
        for side in self._sides:
            side.image(frozen)

    def call_off(self) -> None:
        """There are to be no copies; means nothing once the image is complete."""
        if self._frozen is None:
            self._give(On.CANCEL, SojournError("the program gave it up"))

    def _give(self, on: On, why: SojournError | None = None) -> None:
        for side in self._sides:
            side.give(on, why)

    async def _watch_host(self) -> None:
        """Until its image is complete the original's end is the end of the clone."""
        await self._host.wait()
        self._give(On.HOST_ENDED, HostDied(f"{self._name} ended before it was cloned"))

    def _all_reasons(self) -> SojournError:
        """One error for all copies: what each of them was refused for, or else the first."""
        errors = {id(side.error): side.why() for side in self._sides if side.error is not None}
        if len(errors) > 1 and all(isinstance(error, Refused) for error in errors.values()):
            reasons = [r for e in errors.values() if isinstance(e, Refused) for r in e.reasons or [e.message]]
            return Refused(f"{self._name} cannot be cloned", reasons=dict.fromkeys(reasons))
        return next(iter(errors.values()), self._sides[0].why())

    def _facts(self) -> dict[str, Any]:
        now = time.monotonic_ns()
        frozen = self._frozen
        assert frozen is not None
        copies = [side for side in self._sides if side.state is Origin.CLONED]
        failed = [side for side in self._sides if side.state is not Origin.CLONED]
        return {
            "name": self._name,
            "copies": [
                {
                    "name": side.name,
                    "id": side.record.id,
                    "node": side.record.node,
                    "latency_ms": None if side.latency is None else round(side.latency * 1e3, 3),
                    "latency_measured": "one clock" if side.one_clock else "bounded by a round trip",
                }
                for side in copies
            ],
            "failed": [
                {"name": side.name, "node": side.record.node, "error": side.why().to_wire()} for side in failed
            ],
            "pause_ms": round(self._pause * 1e3, 3),
            "total_ms": round((now - self._began) / 1e6, 3),
            "bytes": length_on_wire(frozen.size) * len(self._sides),
            "image_bytes": frozen.size,
            "frames": frozen.frames,
        }

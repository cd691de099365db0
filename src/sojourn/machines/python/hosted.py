"""A host process seen from the node, running (`PythonHost`) or held (`PythonHeld`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from sojourn._util import descriptors
from sojourn.errors import (
    BadImage,
    HostDied,
    Pinned,
    Refused,
    SojournError,
    Unmovable,
    UsageError,
    WrongState,
)
from sojourn.machines.base import Exit, Frozen, Offer, Wish
from sojourn.machines.python import proc, trailer
from sojourn.machines.python.carrier import Carrier
from sojourn.machines.python.link import LinkClosed
from sojourn.machines.python.workspace import Kept
from sojourn.resources.unread import Size, Unread

SIGNAL = signal.SIGURG
TAP = 0.02  # seconds between two signals while a command is unanswered
GRACE = 0.5  # seconds to answer a cancelled freeze; a host that does not is blocked where no handler runs
HOLD_AGAIN = 0.2  # seconds until limits are tried again that could not be set
SURVEY_WITHIN = 30.0
LOOK_WITHIN = 3.0
INFORM_WITHIN = 3.0
PAGE = 4096
Describe = Callable[["PythonHost", dict[str, Any]], Awaitable[Offer]]


class PythonHost:
    """A program that runs here (see `machines.base.Host`).

    Args:
        carrier: its OS process.
        describe: makes the offer from what the host says of itself (the machine knows baselines and packages).
    """

    def __init__(self, carrier: Carrier, describe: Describe, workspace: Kept | None = None) -> None:
        self._carrier = carrier
        self._describe = describe
        self._unread: Unread | None = None  # input taken back while frozen
        self.workspace = workspace
        self._undoing: asyncio.Task[None] | None = None
        self._informing: asyncio.Task[None] | None = None
        self._answering: asyncio.Task[None] | None = None
        self.pid = carrier.pid

    @property
    def in_force(self) -> dict[str, str]:
        return {} if self._carrier.held is None else self._carrier.held.in_force

    # ---- living --------------------------------------------------------------------------------------------

    def signal(self, number: int) -> None:
        self._carrier.signal(number)

    async def write_stdin(self, data: bytes, *, eof: bool = False) -> None:
        self._carrier.feed.write(data, eof=eof)

    def type(self, session: str, at: int, data: bytes, *, eof: bool = False) -> None:
        feed = self._carrier.feed
        new, ends = feed.accepted.new(session, at, data, eof=eof)
        feed.write(new, eof=ends)

    def resize(self, size: Size, *, redraw: bool = False) -> None:
        terminal = self._carrier.terminal
        if terminal is None:
            raise WrongState("the process has no terminal", advice="`sojourn run -t` gives it one")
        if terminal.size != size:
            terminal.resize(size.checked())
        elif redraw:
            self._carrier.signal(signal.SIGWINCH)

    async def wait(self) -> Exit:
        return await asyncio.shield(self._carrier.ended)

    async def kill(self) -> None:
        await self._carrier.kill()

    # ---- what the program asks for ------------------------------------------------------------------------

    def inform(self, identity: dict[str, Any]) -> None:
        self._informing = asyncio.create_task(self._inform(identity))

    async def _inform(self, identity: dict[str, Any]) -> None:
        with contextlib.suppress(SojournError):  # it has ended, or is blocked, and asks when it is moved
            await self.ask("identity", within=INFORM_WITHIN, identity=identity)

    def on_wish(self, wished: Callable[[Wish], None]) -> None:
        def heard(message: dict[str, Any]) -> None:
            asked = {**message, "kind": "none"} if message["event"] == "unwish" else message
            try:
                wished(msgspec.convert(asked, Wish))
            except msgspec.ValidationError as why:
                error = UsageError(f"the program's wish cannot be read: {why}")
                self._answering = asyncio.create_task(self.verdict(message["number"], error=error))

        self._carrier.on_wish(heard)

    async def verdict(self, wish: int, ok: Any = None, *, error: SojournError | None = None) -> None:
        outcome = {"ok": ok} if error is None else {"error": error.to_wire()}
        try:
            await self._carrier.link.send({"op": "verdict", "wish": wish, **outcome})
        except LinkClosed:
            pass

    # ---- moving --------------------------------------------------------------------------------------------

    async def survey(self, *, copy: bool = False) -> Offer:
        found = await self.ask("survey", within=SURVEY_WITHIN, copy=copy)
        if found["reasons"]:
            raise Unmovable("the program holds what cannot travel", reasons=found["reasons"])
        return await self._describe(self, found)

    async def look(self) -> dict[str, Any]:
        found = await self.ask("survey", within=LOOK_WITHIN, copy=False)
        return {
            "resources": found["descriptors"],
            "reasons": found["reasons"],
            "folder": found["folder"],
            "workspace": str(self.workspace.root) if self.workspace is not None else "",
            "modules": len(found["modules"]),
            "memory": found["pages"] * PAGE,
        }

    async def ask(self, op: str, *, within: float, **arguments: Any) -> Any:
        """Sends a command and taps until it is answered. Raises Pinned when it is not, HostDied, or the error."""
        try:
            _, answer = await self._carrier.link.request(op, **arguments)
            if await self._tap(answer, within):
                return answer.result()
        except LinkClosed:
            raise await self._died() from None
        raise self._blocked(f"it did not answer within {within:g} s")

    async def inspect(self) -> tuple[Offer, dict[str, Any]]:
        found = await self.ask("survey", within=LOOK_WITHIN)
        seen = await self.ask("inspect", within=LOOK_WITHIN)
        return await self._describe(self, {**found, "matched": None}), seen

    async def freeze(
        self, *, deadline: float, copy: bool = False, wish: int | None = None, seen: bool = False
    ) -> Frozen:
        if self._unread is not None:
            raise WrongState("the process is frozen already")
        work = asyncio.create_task(self._freeze(deadline, copy, wish, seen))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:  # a host must not stay frozen with nobody to know it
            self._undoing = asyncio.create_task(self._undo(work))
            raise

    async def _freeze(self, deadline: float, copy: bool, wish: int | None, seen: bool) -> Frozen:
        fd = descriptors.memfd("sojourn-image")
        if (held := self._carrier.held) is not None:
            held.lift(self.pid)
        try:
            done, unread = await self._captured(fd, deadline, copy=copy, wish=wish, seen=seen)
            try:
                if not self._drain():
                    raise Unmovable(
                        "the log takes no more output, and none may be lost", advice="free the disk"
                    )
                # Signals that somebody has sent are for the original.
                signals = proc.pending_signals(self.pid, timers_only=copy)
                change = b"" if self.workspace is None else await asyncio.to_thread(self.workspace.change)
                size = trailer.append(fd, done["size"], unread=unread, signals=signals, workspace=change)
            except BaseException:
                await self.unfreeze()
                raise
        except BaseException:
            os.close(fd)
            self._hold()
            raise
        return Frozen(fd=fd, size=size, stopped_at=done["stopped_at"], frames=done["frames"])

    async def _captured(self, fd: int, deadline: float, **how: Any) -> tuple[dict[str, Any], Unread]:
        """A host that has stopped, and whose threads wait in the calls that the image says they wait in.

        What has woken up between its capture and the stop may have consumed what it waited for: captured afresh.
        """
        clock = asyncio.get_running_loop().time
        until, again = clock() + deadline, False
        while True:
            done = await self._frozen(fd, max(until - clock(), TAP), again=again, **how)
            await self._stopped()
            self._drain()  # a terminal that is full cannot be emptied of its input
            unread = self._unread = await self._carrier.feed.take(done["input"].encode("latin-1"))
            if proc.still_wait(self.pid, done["waiting"]):
                return done, unread
            await self.unfreeze()
            if clock() > until:
                raise Pinned(
                    f"its threads do not wait long enough to be captured within {deadline:g} s",
                    advice="give it a longer deadline",
                )
            os.ftruncate(fd, 0)
            again = True

    def _hold(self) -> None:
        """To its limits again. The image takes of them, too, for as long as somebody has it: then a little later."""
        held = self._carrier.held
        if held is None or self._carrier.ended.done():
            return
        try:
            held.apply(self.pid)
        except (Refused, OSError):
            asyncio.get_running_loop().call_later(HOLD_AGAIN, self._hold)

    def _drain(self) -> bool:
        """All output is in the log; False when the disk refuses some."""
        left = [drain for drain in self._carrier.drains if not drain.drain()]
        return not left

    async def _undo(self, work: asyncio.Task[Frozen]) -> None:
        try:
            os.close((await work).fd)
            await self.unfreeze()
        except SojournError:  # it was not frozen, or has ended
            pass

    async def unfreeze(self) -> None:
        if self._unread is None:
            raise WrongState("the process is not frozen")
        await self._carrier.feed.give(self._unread)
        self._unread = None
        try:
            _, answer = await self._carrier.link.request("proceed")
            self._carrier.signal(signal.SIGCONT)
            await answer
        except LinkClosed:
            raise await self._died() from None
        self._part()
        self._hold()

    async def _frozen(self, fd: int, deadline: float, **how: Any) -> dict[str, Any]:
        """The answer of a host that is about to stop itself."""
        carrier = self._carrier
        try:
            number, answer = await carrier.link.request("freeze", (fd,), **how)
            if not await self._tap(answer, deadline):
                await carrier.link.send({"op": "cancel", "freeze": number})
                await self._tap(answer, GRACE)
            if answer.done():
                return answer.result()
        except LinkClosed:
            raise await self._died() from None
        except SojournError:
            self._part()
            raise
        answer.add_done_callback(self._came_late)
        raise self._blocked(f"no safe point within {deadline:g} s")

    def _came_late(self, answer: asyncio.Future[Any]) -> None:
        """A host that was at its image when its time was over stops nevertheless: it is to go on."""
        if not answer.cancelled() and answer.exception() is None:
            self._undoing = asyncio.create_task(self._undo_late(answer.result()))

    async def _undo_late(self, done: dict[str, Any]) -> None:
        try:
            await self._stopped()
            self._unread = await self._carrier.feed.take(done["input"].encode("latin-1"))
            await self.unfreeze()
        except SojournError:  # it has ended
            pass

    async def _tap(self, answer: asyncio.Future[Any], within: float) -> bool:
        """Signals until there is an answer; False when there is none in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while not answer.done() and (left := until - loop.time()) > 0:
            self._carrier.signal(SIGNAL)
            await asyncio.wait((answer,), timeout=min(TAP, left))
        return answer.done()

    def _part(self) -> None:
        """One tap more, a little later: an exception of the program's own handlers may be waiting for it."""
        asyncio.get_running_loop().call_later(TAP, self._carrier.signal, SIGNAL)

    async def _stopped(self) -> None:
        """Waits for the stop that the host has announced. Raises HostDied."""
        pause = 0.0
        while not self._carrier.stopped():
            if self._carrier.ended.done():
                raise await self._died()
            await asyncio.sleep(pause)
            pause = min(pause + 0.0001, 0.002)

    def _blocked(self, what: str) -> Pinned:
        where = proc.blocked_in(self.pid)
        return Pinned(
            f"the program does not reach its interpreter: {what}; {where}",
            reasons=[where],
            advice="try again when the call has returned",
        )

    async def _died(self) -> HostDied:
        end = await self.wait()
        how = f"by signal {end.signal}" if end.signal else f"with exit code {end.code}"
        if end.why:
            how += f", {end.why}"
        return HostDied(
            f"the host process {self.pid} ended {how}", details={"code": end.code, "signal": end.signal}
        )


class PythonHeld:
    """A program that is being built here (see `machines.base.Held`)."""

    def __init__(
        self,
        carrier: Carrier,
        describe: Describe,
        workspace: Kept | None = None,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._carrier = carrier
        self._describe = describe
        self._workspace = workspace
        self._forget = forget
        self._trailer: trailer.Trailer | None = None
        self.pid = carrier.pid

    async def thaw(self, fd: int, size: int, *, copy: bool = False, keep_random: bool = True) -> None:
        found = trailer.read(fd, size)
        # Before the program's handlers are here: a window that takes its size is no news to it.
        await self._carrier.feed.give(found.input)
        change = trailer.workspace(fd, size, found)
        if self._workspace is not None:
            await asyncio.to_thread(self._workspace.apply, change)
        elif change:
            raise BadImage("the image changes a workspace that the offer did not name")
        await self._ask("thaw", (fd,), fresh=copy and not keep_random)
        if self._carrier.held is not None:
            self._carrier.held.apply(self.pid)
        self._trailer = found

    async def go(self, identity: dict[str, Any]) -> tuple[PythonHost, int]:
        if self._trailer is None:
            raise BadImage("nothing has been thawed here")
        signals, self._trailer = self._trailer.signals, None
        await self._ask("go", identity=identity)
        running = self._carrier.running
        await asyncio.wait((running, self._carrier.ended), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise HostDied(f"the host process {self.pid} ended as it was to go on")
        for number in signals:
            self._carrier.signal(number)
        if self._workspace is not None:
            self._workspace.settle()
        return PythonHost(self._carrier, self._describe, self._workspace), running.result()

    async def discard(self) -> None:
        await self._carrier.kill()
        self._forget()

    async def _ask(self, op: str, fds: tuple[int, ...] = (), **arguments: Any) -> None:
        try:
            _, answer = await self._carrier.link.request(op, fds, **arguments)
            await answer
        except LinkClosed:
            end = await asyncio.shield(self._carrier.ended)
            how = end.why or (f"by signal {end.signal}" if end.signal else f"with exit code {end.code}")
            raise HostDied(f"the held process {self.pid} ended: {how}") from None

"""The OS process that carries a program, as the node holds it: its streams, its channel, its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any

from sojourn.errors import HostDied
from sojourn.machines.base import Exit
from sojourn.machines.python.link import Link, LinkClosed
from sojourn.machines.python.messages import Order
from sojourn.machines.python.spare import Birth, Spare
from sojourn.machines.python.templates import Template
from sojourn.resources.limits import Held
from sojourn.resources.log import ERR, OUT, TERMINAL, Log
from sojourn.resources.streams import Feed, InputFeed, OutputDrain, Said
from sojourn.resources.terminal import Terminal, TerminalFeed
from sojourn.resources.unread import Size

BORN_WITHIN = 60.0  # seconds; a held host may have to import what its program uses


class Carrier:
    """Guarantee: the process is a child of this one and is reaped here, once; signals reach it or nobody."""

    def __init__(
        self, log: Log, said: Said, size: Size | None, held: Held | None, spare: Spare | None = None
    ) -> None:
        self.held = held
        self._loop = asyncio.get_running_loop()
        self.terminal = None if size is None else Terminal(size)
        if self.terminal is None:
            feed = InputFeed()
            out, err = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
            self._theirs = (feed.reading, out[1], err[1])
            self._handed_over = (out[1], err[1])
            self.drains = [OutputDrain(out[0], log, OUT, said), OutputDrain(err[0], log, ERR, said)]
            self.feed: Feed = feed
        else:
            slave = self.terminal.slave
            self._theirs, self._handed_over = (slave, slave, slave), ()
            self.drains = [OutputDrain(os.dup(self.terminal.master), log, TERMINAL, said)]
            self.feed = TerminalFeed(self.terminal)
        if spare is None:
            self._birth = Birth()
            self.link = Link(self._birth.socket, self._heard)
        else:
            self._birth, self.link = None, spare.link
            spare.link.hand_over(self._heard)
        self._wished: Callable[[dict[str, Any]], None] | None = None
        self._wishes: list[dict[str, Any]] = []
        self.pid = 0
        self._pidfd = -1
        self._born: asyncio.Future[int] = self._loop.create_future()
        self.running: asyncio.Future[int] = self._loop.create_future()
        self.ended: asyncio.Future[Exit] = self._loop.create_future()

    @classmethod
    async def begin(
        cls,
        template: Template,
        op: str,
        order: Order,
        log: Log,
        said: Said,
        size: Size | None = None,
        held: Held | None = None,
    ) -> Carrier:
        """Orders a host, with a terminal of that size if one is given, and waits for its birth. Raises HostDied.

        `held` holds it to its limits; whoever gave it removes it.
        """
        work = asyncio.create_task(cls._begun(template, op, order, log, said, size, held))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:  # nobody waits for it any more
            work.add_done_callback(_unwanted)
            raise

    @classmethod
    async def _begun(
        cls,
        template: Template,
        op: str,
        order: Order,
        log: Log,
        said: Said,
        size: Size | None,
        held: Held | None,
    ) -> Carrier:
        spare = template.take_spare() if op == "hold" else None
        carrier = cls(log, said, size, held, spare)
        try:
            if carrier._birth is None:
                with contextlib.suppress(LinkClosed):  # it has ended; we hear of that below
                    await carrier.link.send({"op": op, "order": order.to_message()}, carrier._theirs)
            else:
                await template.order(op, order, carrier._birth, carrier._theirs)
        finally:
            for fd in carrier._handed_over:
                os.close(fd)
        waiting = (carrier._born, carrier.link.closed)
        await asyncio.wait(waiting, timeout=BORN_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        if carrier._born.done():
            carrier.pid = carrier._born.result()
            carrier._pidfd = os.pidfd_open(carrier.pid) if spare is None else spare.given()
        if carrier._pidfd < 0:
            carrier.link.close()
            carrier._close_streams()
            raise HostDied(
                "the host process was not born",
                history=log.content().decode(errors="replace").splitlines()[-20:],
            )
        carrier._loop.add_reader(carrier._pidfd, carrier._reap)
        if op == "hold":  # the next one to come finds a spare
            carrier.running.add_done_callback(lambda _: template.refill())
        return carrier

    def signal(self, number: int) -> None:
        """Sends a signal; nothing happens when the process has ended."""
        if self._pidfd >= 0:
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:  # it has, and we are about to hear of it
                pass

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await asyncio.shield(self.ended)

    def stopped(self) -> bool:
        """Whether the process has stopped since this was last asked."""
        if self._pidfd < 0:
            return False
        return os.waitid(os.P_PIDFD, self._pidfd, os.WSTOPPED | os.WNOHANG) is not None

    def _heard(self, message: dict[str, Any]) -> None:
        match message.get("event"):
            case "born" if not self._born.done():
                self._born.set_result(message["pid"])
            case "running" if not self.running.done():
                self.running.set_result(message["at"])
            case "wish" | "unwish":
                if self._wished is None:
                    self._wishes.append(message)  # the program is quicker than its node
                else:
                    self._wished(message)
            case _:
                pass

    def on_wish(self, wished: Callable[[dict[str, Any]], None]) -> None:
        """Be told of every wish of the program, those before this call first."""
        self._wished = wished
        waiting, self._wishes = self._wishes, []
        for message in waiting:
            wished(message)

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.link.close()
        self._close_streams()
        why = self.held.verdict() if self.held is not None and code == -signal.SIGKILL else ""
        if not self.ended.done():
            self.ended.set_result(
                Exit(code=code, signal=None) if code >= 0 else Exit(code=None, signal=-code, why=why)
            )

    def _close_streams(self) -> None:
        if self.terminal is not None:
            self.terminal.release()
        for drain in self.drains:
            drain.close()
        self.feed.close()
        if self.terminal is not None:
            self.terminal.close()


def _unwanted(begun: asyncio.Task[Carrier]) -> None:
    if not begun.cancelled() and begun.exception() is None:
        begun.result().signal(signal.SIGKILL)

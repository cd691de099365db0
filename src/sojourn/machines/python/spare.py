"""Spares: hosts that were forked ahead of the process that is to come.

Theory. Half of the time that a node takes to make a place goes into two forks and the page faults behind them, and
nothing of that depends on who comes. So once a process has come here, and runs, its template forks another host that
waits for its order: the next one to come finds it there. Only hosts that are to be thawed are made so: in a program
that starts, the age of its OS process is the program's own to see.

Guarantees. A spare has a session, a parent and a channel, and nothing else of a process; it dies with its node like any
host, ends when its channel does, and is reaped by whoever has it: the `Spare`, until it is `given`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import Any

from sojourn.machines.python.link import Link, LinkClosed
from sojourn.machines.python.messages import Order

FORKED_WITHIN = 10.0  # seconds


class Birth:
    """The channel of a host that is being ordered: `theirs` goes to it, `socket` stays."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        self.theirs = theirs.detach()

    def handed_over(self) -> None:
        if self.theirs >= 0:
            os.close(self.theirs)
            self.theirs = -1


class Spare:
    """One spare; made by `forked`."""

    def __init__(self, sock: socket.socket) -> None:
        self.link = Link(sock, self._heard)
        self._loop = asyncio.get_running_loop()
        self._said: asyncio.Future[int] = self._loop.create_future()
        self._pidfd = -1
        self.pid = 0

    @classmethod
    async def forked(cls, template: Link) -> Spare | None:
        """A spare of the template at that link, waiting; None when there is none to be had."""
        birth = Birth()
        spare = cls(birth.socket)
        try:
            order = Order(node=os.getpid(), cwd="/")
            await template.send({"op": "spare", "order": order.to_message()}, (birth.theirs,))
        except LinkClosed:
            pass
        finally:
            birth.handed_over()
        await asyncio.wait(
            (spare._said, spare.link.closed), timeout=FORKED_WITHIN, return_when=asyncio.FIRST_COMPLETED
        )
        if not spare._said.done():
            spare.link.close()
            return None
        spare.pid = spare._said.result()
        spare._pidfd = os.pidfd_open(spare.pid)
        spare._loop.add_reader(spare._pidfd, spare._ended)
        return spare

    @property
    def waits(self) -> bool:
        return self._pidfd >= 0 and not self.link.closed.done()

    def given(self) -> int:
        """The pidfd, for whoever reaps it from here on; -1 if it has ended."""
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            self._loop.remove_reader(pidfd)
        return pidfd

    def dismiss(self) -> None:
        """End it."""
        self.link.close()
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)  # not reaped yet, so still itself
            self._ended()  # killed: waiting for it takes no time

    def _heard(self, message: dict[str, Any]) -> None:
        if message.get("event") == "waiting" and not self._said.done():
            self._said.set_result(message["pid"])

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        os.waitpid(self.pid, 0)
        self.link.close()

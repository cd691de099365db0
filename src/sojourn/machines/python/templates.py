"""Templates seen from the node: starting them, keyed by what a running interpreter can no longer change, and
ordering hosts from them.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sojourn.errors import HostDied, InternalError, from_wire
from sojourn.machines.python import inside_zip
from sojourn.machines.python.interpreters import Probed
from sojourn.machines.python.link import Link, LinkClosed
from sojourn.machines.python.messages import CONTROL_FD, PLACEHOLDER, Order
from sojourn.machines.python.spare import Birth, Spare

READY_WITHIN = 30.0  # seconds; a cold disk, not a figure
SPARE_FOR = 60.0  # seconds that a spare waits for somebody to come

# The environment that an interpreter reads only once, at its start (or that its C libraries do).
_NAMES = frozenset({"HOME", "LANG", "LANGUAGE", "TZ", "GLIBC_TUNABLES"})
_PREFIXES = ("PYTHON", "LC_", "LD_", "MALLOC_")


@dataclass(frozen=True, slots=True)
class Key:
    """Two programs with equal keys can be forked from one template."""

    digest: str
    path: str
    seed: int
    environment: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, probed: Probed, seed: int, environment: Mapping[str, str]) -> Key:
        relevant = {
            name: value for name, value in environment.items() if name in _NAMES or name.startswith(_PREFIXES)
        }
        return cls(probed.interpreter.digest, probed.interpreter.path, seed, tuple(sorted(relevant.items())))

    def start_environment(self, zip_path: Path) -> dict[str, str]:
        environment = dict(self.environment)
        environment.setdefault("PYTHONHASHSEED", str(self.seed))
        # No PYTHONPATH means no entry, not an empty one (which would be the current folder).
        path = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{zip_path}:{path}" if path else str(zip_path)
        return environment


class HasThreads(Exception):
    """What was imported has started threads, so that no warm template can be."""


class Template:
    """One running template, cold (`spawn`) or warm (`warm`). `channel` carries orders."""

    def __init__(self, link_socket: socket.socket) -> None:
        self.pid = 0
        self._ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.link = Link(link_socket, self._heard)
        self._pidfd = -1
        self._warm = False
        self._spare: Spare | None = None
        self._forking: asyncio.Task[None] | None = None  # a spare that is being made
        self._tired: asyncio.TimerHandle | None = None  # when the spare is let go

    @property
    def alive(self) -> bool:
        return not self.link.closed.done()

    @classmethod
    async def spawn(cls, probed: Probed, key: Key, folder: Path) -> Template:
        """Starts an interpreter that becomes a template.

        Raises:
            UsageError: it cannot carry processes; names both sides.
            InternalError: with what it said.
        """
        zip_path = await asyncio.to_thread(
            inside_zip.build, folder, probed.interpreter.path, probed.cache_tag
        )
        ours, theirs = socket.socketpair()
        # Pipes, as a host will have: the standard streams' objects are made now, by what they find.
        stdin, stdout, stderr = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        sources = [_below(fd) for fd in (theirs.detach(), stdin[0], stdout[1], stderr[1])]
        template = cls(ours)
        try:
            template.pid = os.posix_spawn(
                probed.interpreter.path,
                [probed.interpreter.path, PLACEHOLDER],
                key.start_environment(zip_path),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, source, target)
                    for source, target in zip(sources, (CONTROL_FD, 0, 1, 2), strict=True)
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[s for s in signal.valid_signals() if s not in (signal.SIGKILL, signal.SIGSTOP)],
            )
            template._pidfd = os.pidfd_open(template.pid)
            asyncio.get_running_loop().add_reader(template._pidfd, template._ended)
            for fd in sources:
                os.close(fd)
            sources.clear()
            done, _ = await asyncio.wait(
                (template._ready, template.link.closed),
                timeout=READY_WITHIN,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if template._ready not in done:
                os.set_blocking(stderr[0], False)
                said = os.read(stderr[0], 65536) if template.link.closed.done() else b"it did not answer"
                template.close()
                raise InternalError(
                    f"no template from {probed.interpreter.path}",
                    history=said.decode(errors="replace").splitlines(),
                )
            template._ready.result()  # or what it has found wrong with itself
        finally:
            for fd in (*sources, stdin[1], stdout[0], stderr[0]):
                os.close(fd)
        return template

    async def order(self, op: str, order: Order, birth: Birth, standard: tuple[int, int, int]) -> None:
        """Orders a host; its birth is told to `birth`. Raises HostDied when the template is gone."""
        try:
            await self.link.send({"op": op, "order": order.to_message()}, (birth.theirs, *standard))
        except LinkClosed:
            raise HostDied("the template ended") from None
        finally:
            birth.handed_over()

    def take_spare(self) -> Spare | None:
        """The host that was forked ahead, if it still waits; it is the caller's then."""
        spare, self._spare = self._spare, None
        if self._tired is not None:
            self._tired.cancel()
            self._tired = None
        return spare if spare is not None and spare.waits else None

    def refill(self) -> None:
        """Have a spare again, made behind the back of whoever was served just now."""
        if self.alive and self._spare is None and (self._forking is None or self._forking.done()):
            self._forking = asyncio.create_task(self._fork_ahead())

    async def _fork_ahead(self) -> None:
        spare = await Spare.forked(self.link)
        if spare is None:
            return
        if self.alive:
            self._spare = spare
            self._tired = asyncio.get_running_loop().call_later(SPARE_FOR, self._let_go)
        else:
            spare.dismiss()

    def _let_go(self) -> None:
        if (spare := self.take_spare()) is not None:
            spare.dismiss()

    async def quiet(self) -> None:
        """Wait until no spare is being made."""
        if self._forking is not None:
            await asyncio.wait((self._forking,))

    async def warm(self, order: Order) -> Template:
        """A template forked from this one that has imported a baseline's modules and found it.

        Raises:
            HasThreads: the modules start threads, which a fork would lose.
            SojournError: the world is not the same here, or ours.
        """
        ours, theirs = socket.socketpair()
        template = Template(ours)
        await self._ordered_child("warm", order, theirs)
        await asyncio.wait((template._ready, template.link.closed), return_when=asyncio.FIRST_COMPLETED)
        if not template._ready.done():
            raise HostDied("a warm template ended while it was made")
        template.pid = template._ready.result()
        template._pidfd = os.pidfd_open(template.pid)
        template._warm = True
        return template

    async def baseline(self, order: Order) -> None:
        """Has a child of this template write the baseline of the order's modules to the order's file."""
        ours, theirs = socket.socketpair()
        child = Template(ours)
        await self._ordered_child("baseline", order, theirs)
        await asyncio.wait((child._ready, child.link.closed), return_when=asyncio.FIRST_COMPLETED)
        child.close()
        if not child._ready.done():
            raise HostDied("the maker of a baseline ended")
        child._ready.result()

    async def _ordered_child(self, op: str, order: Order, theirs: socket.socket) -> None:
        with theirs:
            try:
                await self.link.send({"op": op, "order": order.to_message()}, (theirs.fileno(),))
            except LinkClosed:
                raise HostDied("the template ended") from None

    def close(self) -> None:
        """Ends the template (its hosts stay)."""
        self._let_go()
        self.link.close()
        if self._pidfd < 0:
            return
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if self._warm:
            os.close(self._pidfd)
            self._pidfd = -1
        else:
            self._ended()  # killed: waiting for it takes no time

    def reap(self) -> None:
        """Reaps a warm template, which has become our child when the one it was forked from has ended."""
        if self._warm:
            try:
                os.waitpid(self.pid, 0)
            except ChildProcessError:  # the other has done it
                pass

    def _heard(self, message: dict[str, Any]) -> None:
        if self._ready.done():
            return
        match message.get("event"):
            case "ready":
                self._ready.set_result(message["pid"])
            case "made":
                self._ready.set_result(0)
            case "threads":
                self._ready.set_exception(HasThreads())
            case "failed":
                self._ready.set_exception(from_wire(message["error"]))
            case _:
                pass

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        os.waitpid(self.pid, 0)


def _below(fd: int) -> int:
    """The same descriptor under a number that the placing of the control descriptor cannot overwrite."""
    if fd != CONTROL_FD:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, CONTROL_FD + 1)
    os.close(fd)
    return moved

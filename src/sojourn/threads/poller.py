"""Waiting for descriptors: edge-triggered epoll, or `selectors` elsewhere (kqueue), behind one interface.

Theory. A descriptor is registered once, for both directions, and then only its *edges* are told: that it has become
ready. An edge may come while nobody waits, between the attempt that found nothing and the wait; so it is remembered,
and the next who would wait goes on at once and tries again. Who waits has always tried before: an edge that is told
twice costs one attempt, one that is lost would cost for ever.

With `selectors`, which tell levels, a descriptor is registered only while somebody waits for it.

At most one LWP waits in the poller (`seat`); it is roused by an event descriptor.
"""

from __future__ import annotations

import _thread
import errno
import os
import select
import selectors
from collections.abc import Callable

from sojourn.threads.thread import Wait

READ, WRITE = 0, 1
AT_ONCE = 256  # events; so long the guard is held
_PRECISE = 1024  # descriptors below this can be waited for with `select`, to the microsecond; epoll counts milliseconds


class Watched:
    """One descriptor: who waits for it, and whether an edge was told to nobody. By direction."""

    __slots__ = ("edges", "ended", "waiters")

    def __init__(self) -> None:
        self.waiters: tuple[list[Wait], list[Wait]] = ([], [])
        self.edges = [False, False]
        self.ended = False  # nothing more will be told of what is to be read: who tries finds the end


class Direction:
    """What a thread waits for: one direction of one descriptor."""

    __slots__ = ("direction", "fd", "poller")

    def __init__(self, poller: Poller, fd: int, direction: int) -> None:
        self.poller = poller
        self.fd = fd
        self.direction = direction

    def enqueue(self, wait: Wait) -> bool:
        """Wait for it; who calls has tried and found nothing, or has taken all."""
        poller, fd, direction = self.poller, self.fd, self.direction
        with poller.guard:
            watched = poller.watched.get(fd)
            if watched is None or poller.levels:
                error = poller.begin(fd, watched, direction, wait)
                if error is not None:
                    wait.value = error
                    return not wait.claim()
            elif watched.edges[direction] or (watched.ended and direction == READ):
                if wait.claim():
                    watched.edges[direction] = False
                    return False
            else:
                watched.waiters[direction].append(wait)
        if not poller.seat.locked():
            poller.call()
        return True


class Poller:
    """What both have in common. Opens nothing before a descriptor is watched."""

    levels = False  # it tells levels, not edges: what is not waited for must not be registered
    sides: tuple[tuple[int, int], tuple[int, int]]  # of each direction the bits by which an event tells it
    ending = 0  # the bits that come once, and then nothing more

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call  # an LWP that waits elsewhere, since nobody waits here
        self.seat = _thread.allocate_lock()  # of the LWP that waits here
        self.guard = _thread.allocate_lock()  # of what follows
        self.watched: dict[int, Watched] = {}
        self.count = 0  # of them; read without the guard
        self._ears: tuple[int, int] | None = None  # read, write: rouses who waits

    # of each poller

    def _open(self, ear: int) -> None:
        raise NotImplementedError

    def _interest(self, fd: int, watched: Watched, *, new: bool) -> None:
        """Somebody has begun to wait for it, or has been told. Under the guard."""
        raise NotImplementedError

    def _drop(self, fd: int) -> None:
        raise NotImplementedError

    def _events(self, seconds: float | None) -> list[tuple[int, int]]:
        """Descriptors, and what has come, in bits of `sides`."""
        raise NotImplementedError

    def _shut(self) -> None:
        raise NotImplementedError

    # of users

    def begin(self, fd: int, watched: Watched | None, direction: int, wait: Wait) -> OSError | None:
        """Under the guard: somebody waits for it, who is the first, or has to be told of; or why that cannot be."""
        if self._ears is None:
            self._ears = _event_descriptor()
            self._open(self._ears[0])
        new = watched is None
        if watched is None:
            watched = self.watched[fd] = Watched()
        watched.waiters[direction].append(wait)
        try:
            self._interest(fd, watched, new=new)
        except OSError as error:  # closed meanwhile, or of a kind that is never waited for
            watched.waiters[direction].remove(wait)
            if new:
                del self.watched[fd]
            return error
        self.count = len(self.watched)
        return None

    def forget(self, fd: int) -> None:
        """It is about to be closed; who waits for it is told so."""
        with self.guard:
            watched = self.watched.pop(fd, None)
            self.count = len(self.watched)
            if watched is None:
                return
            self._drop(fd)
            claimed = [wait for waiters in watched.waiters for wait in waiters if wait.claim()]
        for wait in claimed:
            wait.value = OSError(errno.EBADF, "closed while a thread waited for it")
            wait.wake()

    def waiting(self) -> int:
        """How many threads wait for descriptors."""
        with self.guard:
            return sum(not wait.over for each in self.watched.values() for side in each.waiters for wait in side)

    # of the LWP that has the seat

    def wait(self, seconds: float | None) -> list[Wait]:
        """Until an event, a rouse, or the time has come. Those who waited for what has come: claimed, to be woken."""
        claimed: list[Wait] = []
        ear = -1 if self._ears is None else self._ears[0]
        events = self._events(seconds)
        with self.guard:
            for fd, mask in events:
                watched = self.watched.get(fd)
                if watched is None:
                    if fd == ear:
                        self._overhear(fd)
                    continue
                for direction, bits in self.sides:
                    if mask & bits:
                        edge = True
                        if waiters := watched.waiters[direction]:
                            for wait in waiters:
                                if wait.claim():
                                    claimed.append(wait)
                                    edge = False
                            waiters.clear()
                        watched.edges[direction] = edge
                if mask & self.ending:
                    watched.ended = True
                if self.levels:
                    self._interest(fd, watched, new=False)
        return claimed

    def _overhear(self, ear: int) -> None:
        try:
            os.read(ear, 4096)
        except BlockingIOError:
            pass

    def rouse(self) -> None:
        if self._ears is not None:
            try:
                os.write(self._ears[1], b"\1\0\0\0\0\0\0\0")
            except BlockingIOError:  # roused so often that nobody can overhear it
                pass

    def leave(self) -> None:
        """In a forked child: let go of what is the parent's."""
        self.guard._at_fork_reinit()  # type: ignore[attr-defined]
        self.close()

    def close(self) -> None:
        with self.guard:
            if self._ears is not None:
                self._shut()
                for fd in set(self._ears):
                    os.close(fd)
            self._ears = None
            self.watched.clear()
            self.count = 0


class EdgePoller(Poller):
    """Edge-triggered epoll."""

    _epoll: select.epoll

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(call)
        both = select.EPOLLHUP | select.EPOLLERR
        self.sides = (READ, both | select.EPOLLIN | select.EPOLLRDHUP), (WRITE, both | select.EPOLLOUT)
        self.ending = select.EPOLLRDHUP | select.EPOLLHUP

    def _open(self, ear: int) -> None:
        self._epoll = select.epoll()
        self._epoll.register(ear, select.EPOLLIN)

    def _interest(self, fd: int, watched: Watched, *, new: bool) -> None:
        if new:
            self._epoll.register(fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)

    def _drop(self, fd: int) -> None:
        try:
            self._epoll.unregister(fd)
        except OSError:  # closed already
            pass

    def _events(self, seconds: float | None) -> list[tuple[int, int]]:
        epoll = self._epoll
        if seconds and epoll.fileno() < _PRECISE:
            if not select.select([epoll.fileno()], (), (), seconds)[0]:
                return []
            seconds = 0.0
        return epoll.poll(-1 if seconds is None else seconds, AT_ONCE)

    def _shut(self) -> None:
        self._epoll.close()


class PortablePoller(Poller):
    """What `selectors` has: levels, so that a descriptor is registered while somebody waits for it."""

    levels = True
    sides = (READ, selectors.EVENT_READ), (WRITE, selectors.EVENT_WRITE)
    _selector: selectors.BaseSelector

    def _open(self, ear: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(ear, selectors.EVENT_READ)

    def _interest(self, fd: int, watched: Watched, *, new: bool) -> None:
        readers, writers = watched.waiters
        mask = (selectors.EVENT_READ if readers else 0) | (selectors.EVENT_WRITE if writers else 0)
        registered = fd in self._selector.get_map()
        if not mask:
            if registered:
                self._selector.unregister(fd)
        elif registered:
            self._selector.modify(fd, mask)
        else:
            self._selector.register(fd, mask)
        if mask and self.seat.locked():  # some selectors do not notice while they wait
            self.rouse()

    def _drop(self, fd: int) -> None:
        try:
            self._selector.unregister(fd)
        except (KeyError, ValueError, OSError):
            pass

    def _events(self, seconds: float | None) -> list[tuple[int, int]]:
        return [(key.fd, mask) for key, mask in self._selector.select(seconds)]

    def _shut(self) -> None:
        self._selector.close()


def _event_descriptor() -> tuple[int, int]:
    if hasattr(os, "eventfd"):
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return fd, fd
    reading, writing = os.pipe()
    for fd in (reading, writing):
        os.set_blocking(fd, False)
    return reading, writing


def make_poller(portable: bool, call: Callable[[], object]) -> Poller:
    return PortablePoller(call) if portable or not hasattr(select, "epoll") else EdgePoller(call)

"""Channels: bounded queues between threads of any kind.

    channel = threads.Channel(8)            # holds up to eight; who puts a ninth waits: back-pressure
    await channel.put(item)
    async for item in channel: ...          # until it is closed, and empty

An item is handed over directly when somebody waits for one. With capacity 0 it is a rendezvous: who puts waits for who
gets. Order is kept: items come in the order in which their `put` was let in, waiters are served in the order in which
they came. A `put` or `get` that was cancelled has not happened.
"""

from __future__ import annotations

import _thread
from collections import deque
from typing import Any, Generic, TypeVar

from sojourn.errors import UsageError, WrongState
from sojourn.threads.sync import Waiters
from sojourn.threads.thread import Steps, Wait, operation

T = TypeVar("T")


class Closed(WrongState):
    """The channel is closed: nothing comes, and nothing more is taken."""

    code = "channel-closed"


class Full(WrongState):
    """`put_nowait` into a channel that holds all that it can."""

    code = "channel-full"


class Empty(WrongState):
    """`get_nowait` from a channel that has nothing."""

    code = "channel-empty"


class _Putting:
    """A source: room for one item."""

    __slots__ = ("channel", "item")

    def __init__(self, channel: Channel[Any], item: Any) -> None:
        self.channel = channel
        self.item = item

    def enqueue(self, wait: Wait) -> bool:
        return self.channel.enqueue_putter(wait, self.item)


CLOSED: Any = object()  # what a wait is told in place of an item


class Channel(Generic[T]):
    """See the module. `capacity` None: without limit."""

    def __init__(self, capacity: int | None = None) -> None:
        if capacity is not None and capacity < 0:
            raise UsageError(f"a channel cannot hold {capacity} items")
        self.capacity = capacity
        self._room = capacity if capacity is not None else float("inf")  # below 0 once it is closed
        self._guard = _thread.allocate_lock()
        self._items: deque[T] = deque()
        self._getters = Waiters()
        self._getting = self._getters.queue
        self._putters: deque[tuple[Wait, T]] = deque()
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        return self._closed

    @operation
    def put(self, item: T) -> Steps[None]:
        """Hand it in; wait for room. Raises Closed."""
        getter = None
        with self._guard:  # `_place`, without the call
            if self._getting:
                getter = self._getters.claim()
            if getter is not None:
                getter.value = item
            elif len(self._items) < self._room and not self._putters:
                self._items.append(item)
                return
        if getter is not None:
            getter.wake()
        else:
            wait = Wait(_Putting(self, item))
            yield wait
            if wait.value is CLOSED:
                raise Closed("the channel was closed")

    def put_nowait(self, item: T) -> None:
        """Raises Full where `put` would wait."""
        if not self._put(item):
            raise Full("the channel is full", advice="await put(), which waits for room")

    def _put(self, item: T) -> bool:
        with self._guard:
            if self._closed:
                raise Closed("the channel is closed")
            placed, getter = self._place(item)
        if getter is not None:
            getter.wake()
        return placed

    def _place(self, item: T) -> tuple[bool, Wait | None]:
        """Under the guard: hand it to somebody who waits, and is to be woken up, or keep it if there is room."""
        getter = self._getters.claim()
        if getter is not None:
            getter.value = item
        elif len(self._items) < self._room and not self._putters:
            self._items.append(item)
        else:
            return False, None
        return True, getter

    def enqueue_putter(self, wait: Wait, item: T) -> bool:
        """Somebody waits for room."""
        with self._guard:
            if not wait.claim():
                return True
            getter = None
            if self._closed:
                wait.value = CLOSED
            else:
                placed, getter = self._place(item)
                if not placed:
                    wait.armed = [None]  # an interruption that comes meanwhile stays pending, and is seen after this
                    self._putters.append((wait, item))
                    return True
        if getter is not None:
            getter.wake()
        return False

    @operation
    def get(self) -> Steps[T]:
        """The next item; wait for it. Raises Closed when it is closed and empty."""
        found, putter = False, None
        item: Any = None
        with self._guard:
            if self._putters:
                found, item, putter = self._take()
            elif self._items:
                return self._items.popleft()
        if putter is not None:
            putter.wake()
        if found:
            return item
        wait = Wait(self)
        yield wait
        if wait.value is CLOSED:
            raise Closed("the channel is closed, and empty")
        return wait.value

    def get_nowait(self) -> T:
        """Raises Empty where `get` would wait."""
        found, item = self._get()
        if not found:
            raise Empty("the channel is empty", advice="await get(), which waits for an item")
        return item

    def _get(self) -> tuple[bool, Any]:
        with self._guard:
            found, item, putter = self._take()
            if not found and self._closed:
                raise Closed("the channel is closed, and empty")
        if putter is not None:
            putter.wake()
        return found, item

    def _take(self) -> tuple[bool, Any, Wait | None]:
        """Under the guard: an item that is there, and room for who waits with the next, and is to be woken up."""
        if not self._items:
            putter, item = self._claim_putter()
            return putter is not None, item, putter
        item = self._items.popleft()
        putter, following = self._claim_putter()
        if putter is not None:
            self._items.append(following)
        return True, item, putter

    def _claim_putter(self) -> tuple[Wait | None, Any]:
        while self._putters:
            wait, item = self._putters.popleft()
            if wait.claim():
                return wait, item
        return None, None

    def enqueue(self, wait: Wait) -> bool:
        """Somebody waits for an item."""
        with self._guard:
            if not wait.claim():
                return True
            found, item, putter = self._take()
            if not found and not self._closed:
                wait.armed = [None]  # as in `enqueue_putter`
                self._getters.add(wait)
                return True
            wait.value = item if found else CLOSED
        if putter is not None:
            putter.wake()
        return False

    def close(self) -> None:
        """No more items: who puts gets `Closed`, who gets takes what is left, and then gets it too."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._room = -1
            woken = self._getters.claim_all()  # there are some only if it is empty
            woken += [wait for wait, _ in self._putters if wait.claim()]
            self._putters.clear()
            for wait in woken:
                wait.value = CLOSED
        for wait in woken:
            wait.wake()

    def __aiter__(self) -> Channel[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.get()
        except Closed:
            raise StopAsyncIteration from None

    def __repr__(self) -> str:
        size = "any number" if self.capacity is None else self.capacity
        return f"<channel {len(self._items)} of {size}{', closed' if self._closed else ''}>"

"""A bridge to asyncio: its libraries run on a companion loop, on a kernel-level thread of its own, and are awaited
here.

    row = await threads.aio(database.fetch_one(query))      # a coroutine written for asyncio

The loop is started with the first such call, and ends with the scheduler. A cancellation of the thread that waits
cancels the task there, and is raised here once that has ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from sojourn.threads.face import scheduler_of
from sojourn.threads.pools import Done
from sojourn.threads.thread import Cancelled, Steps, Wait, guard, operation

if TYPE_CHECKING:
    from sojourn.threads.scheduler import Scheduler

T = TypeVar("T")


class Companion:
    """A loop of asyncio beside a scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.loop = asyncio.new_event_loop()
        self._kernel = threading.Thread(target=self._life, name="asyncio-companion", daemon=True)
        self._kernel.start()
        scheduler.enders.append(self.stop)

    def _life(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        finally:
            self.loop.close()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._kernel.join()


_companions: dict[Scheduler, Companion] = {}


def _companion(scheduler: Scheduler) -> Companion:
    with guard:
        found = _companions.get(scheduler)
        if found is None:
            found = _companions[scheduler] = Companion(scheduler)
            scheduler.enders.append(lambda: _companions.pop(scheduler, None))
    return found


@operation
def aio(coroutine: Coroutine[Any, Any, T]) -> Steps[T]:
    """Run a coroutine of asyncio on the companion loop; its result."""
    future = asyncio.run_coroutine_threadsafe(coroutine, _companion(scheduler_of()).loop)
    while not future.done():
        try:
            yield Wait(Done(future))
        except BaseException:
            future.cancel()
            raise
    try:
        return future.result()
    except asyncio.CancelledError:
        raise Cancelled("the task was cancelled on its loop") from None

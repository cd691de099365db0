"""Computing in parallel, through the same handle: `thread = threads.compute(function, …)`.

On an interpreter with a lock it is done in a process of a pool (function and arguments must be picklable), elsewhere
on a kernel-level thread. The pool is started with the first call, has as many processes as there are cores, and ends
with the scheduler. What has begun to compute in another process cannot be cancelled, only be no longer waited for.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from sojourn.threads.face import scheduler_of
from sojourn.threads.thread import Steps, Thread, Wait, guard, operation

if TYPE_CHECKING:
    from sojourn.threads.scheduler import Scheduler

_pools: dict[Scheduler, ProcessPoolExecutor] = {}


def compute(function: Callable[..., Any], *args: Any, name: str | None = None) -> Thread[Any]:
    """A thread that computes `function(*args)` beside all others."""
    scheduler = scheduler_of()
    if not scheduler.locked:
        return scheduler.spawn_in(scheduler.root, function, args, {}, name)
    return scheduler.spawn_in(scheduler.root, _elsewhere, (scheduler, function, args), {}, name or function.__name__)


async def _elsewhere(scheduler: Scheduler, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    return await _future(_pool(scheduler).submit(function, *args))


@operation
def _future(future: Future[Any]) -> Steps[Any]:
    while not future.done():
        try:
            yield Wait(Done(future))
        except BaseException:
            future.cancel()
            raise
    return future.result()


class Done:
    """A source: the end of a future."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def enqueue(self, wait: Wait) -> bool:
        self._future.add_done_callback(lambda _: wait.fire())
        return True


def _pool(scheduler: Scheduler) -> ProcessPoolExecutor:
    with guard:
        found = _pools.get(scheduler)
        if found is None:
            # Not by fork: a child of a process with several threads may inherit locks that nobody will release.
            found = _pools[scheduler] = ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))

            def end() -> None:
                _pools.pop(scheduler).shutdown(cancel_futures=True)

            scheduler.enders.append(end)
    return found

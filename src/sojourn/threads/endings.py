"""What becomes of threads when the process forks, and when the interpreter ends.

**Fork.** The child has one kernel-level thread: the one that has forked. No other LWP exists there, so no scheduler
of the parent does: nothing of theirs runs in the child, and a new `run` or `spawn` begins anew. The thread that has
forked goes on in the child until it would wait: then `WrongState` is raised in it, since nobody is there who could
wake it up. When it ends the child does, with status 0, or 1 and a traceback if it has raised. (What forks in order to
call another program, as `subprocess` does, never comes to that.)

**End of the interpreter.** LWPs do not keep it from ending. `run` has waited for all its threads before it returns.
Those of other schedulers are cancelled when the interpreter ends, and have `GRACE` to clean up; who does not is named
on stderr.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING, Any

from sojourn.errors import WrongState
from sojourn.threads.thread import Cancelled, Thread, carriers, guard

if TYPE_CHECKING:
    from sojourn.threads.scheduler import Scheduler

GRACE = 2.0  # seconds
PATIENCE = 1000  # how often a thread alone in a child may want to wait before it is given up

running: list[Scheduler] = []  # those that have begun and not ended
_registered = False


def register(scheduler: Scheduler) -> None:
    """It has begun."""
    global _registered
    if not _registered:
        _registered = True
        atexit.register(_end)
        os.register_at_fork(after_in_child=_forked)
    running.append(scheduler)


def unregister(scheduler: Scheduler) -> None:
    if scheduler in running:
        running.remove(scheduler)


def _end() -> None:
    for scheduler in list(running):
        left = scheduler.stop(GRACE)
        if left and sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison]
            names = ", ".join(sorted(thread.name for thread in left))
            print(f"threads that had not ended {GRACE:g} s after their cancellation: {names}", file=sys.stderr)


def _forked() -> None:
    """In the child, before anything else runs there."""
    guard._at_fork_reinit()  # type: ignore[attr-defined]  # whoever has held it is not here
    carriers.clear()
    for scheduler in running:
        scheduler.forked = True
        scheduler.poller.leave()
        for lwp in scheduler.lwps.values():
            lwp.box.clear()  # the one that is here sees by that that it carries nothing any more
    running.clear()


def alone(thread: Thread[Any], ended: tuple[Any, Any, BaseException | None] | None) -> None:
    """In the child, on the LWP that has forked: let the thread come to its end, and the process with it."""
    error = None if ended is None else ended[2]
    coroutine, context = thread.coroutine, thread.context
    if ended is None and coroutine is not None and context is not None:
        why = WrongState(
            f"{thread.name} would wait in a forked child, where nobody is who could wake it up",
            advice="do what the child is to do without waiting, or call another program",
        )
        for _ in range(PATIENCE):
            try:
                context.run(coroutine.throw, why)
            except StopIteration:
                break
            except BaseException as raised:
                error = raised
                break
    status = 0
    try:
        if isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None and not isinstance(error, Cancelled):
            status = 1
            sys.__excepthook__(type(error), error, error.__traceback__)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(status)


"""What all threads do, as a tree: who owns whom, in which state, and where in the source.

    threads.dump()                       # to stderr; or a file of your own
    threads.dump_on(signal.SIGUSR1)      # whenever the signal comes

        main  waiting for 2 threads of group workers
          File "crawl.py", line 31, in main
          group workers
            fetch-4  waiting for <lock cache held by fetch-9>
              File "crawl.py", line 12, in fetch
            fetch-9  blocked on lwp-3
              File "crawl.py", line 14, in fetch

It is a look at what moves: a thread may have gone on while its neighbour is written down.
"""

from __future__ import annotations

import linecache
import signal
import sys
import threading
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import IO, Any

from sojourn.errors import WrongState
from sojourn.threads import endings, probe
from sojourn.threads.group import Group
from sojourn.threads.scheduler import Scheduler
from sojourn.threads.states import State
from sojourn.threads.stuck import source_of
from sojourn.threads.thread import Thread

Line = tuple[CodeType, int]


def dump(file: IO[str] | None = None) -> None:
    """Write the tree of all threads of all schedulers."""
    text = "\n".join(line for scheduler in list(endings.running) for line in lines(scheduler))
    print(text or "no threads", file=file or sys.stderr, flush=True)


def dump_on(number: int, file: IO[str] | None = None) -> None:
    """Have the tree written whenever this signal comes. Call it before `run`: only the main thread sets handlers."""
    if threading.current_thread() is not threading.main_thread():
        raise WrongState("handlers of signals are set in the main thread", advice="call dump_on() before threads.run()")


    def handler(number: int, frame: FrameType | None) -> None:
        dump(file)

    signal.signal(number, handler)


def lines(scheduler: Scheduler) -> Iterator[str]:
    """The tree of one scheduler."""
    lwps = list(scheduler.lwps.values())
    yield f"scheduler of kind {scheduler.kind}, {len(lwps)} LWPs, {len(scheduler.processors)} processors"
    owned: dict[Thread[Any] | None, list[Group]] = {None: [scheduler.root]}
    for group, owner in list(scheduler.groups.items()):
        owned.setdefault(owner, []).append(group)
    on = {lwp.thread: lwp.name for lwp in lwps if lwp.thread is not None}
    running = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
    stacks = {lwp.thread: _running(running.get(lwp.ident)) for lwp in lwps if lwp.thread is not None}
    yield from _group(scheduler.root, owned, on, stacks, "  ")


def _group(
    group: Group, owned: dict[Any, list[Group]], on: dict[Any, str], stacks: dict[Any, list[Line]], indent: str
) -> Iterator[str]:
    for thread in sorted(group.children, key=lambda each: each.number):
        state = thread.state
        what = f"waiting for {source_of(thread)}" if state is State.WAITING else str(state)
        if state in (State.RUNNING, State.BLOCKED):
            what = f"{state} on {on.get(thread, 'an LWP')}"
        spawned = f", spawned at {thread.origin[0]}:{thread.origin[1]}" if thread.origin is not None else ""
        yield f"{indent}{thread.name}  {what}{spawned}"
        stack = stacks.get(thread, []) if state in (State.RUNNING, State.BLOCKED) else []
        if not stack:
            stack = stacks.get(thread, []) if thread.coroutine is None else stack_of(thread)
        for code, number in stack:
            yield f'{indent}  File "{code.co_filename}", line {number}, in {code.co_qualname}'
            if source := linecache.getline(code.co_filename, number).strip():
                yield f"{indent}    {source}"
        for inner in owned.get(thread, []):
            yield f"{indent}  group {inner.name or ''}".rstrip()
            yield from _group(inner, owned, on, stacks, indent + "    ")


def stack_of(thread: Thread[Any]) -> list[Line]:
    """Where a coroutine that stands still will go on, outermost first; without this package's own frames."""
    found: list[Line] = []
    inner: Any = thread.coroutine
    while inner is not None:
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None)
        if frame is None:
            break
        if not probe.ours(frame):
            found.append((frame.f_code, frame.f_lineno))
        inner = getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None)
    return found


def _running(frame: Any) -> list[Line]:
    found: list[Line] = []
    while frame is not None and not (probe.ours(frame) and frame.f_code.co_name in ("carry", "drive", "_call")):
        if not probe.ours(frame):
            found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return found[::-1]

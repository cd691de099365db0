"""User-level threads that no blocking call can stall: `from sojourn import threads`.

    from sojourn import threads

    async def fetch(host):
        async with await threads.connect(host, 80) as connection: ...

    async def main():
        async with threads.Group() as group:        # waits for its own, and cancels them when one fails
            for host in hosts:
                group.spawn(fetch, host)            # a coroutine function: a user-level thread
            group.spawn(archive.compact)            # a plain function: a kernel-level thread, same handle

    threads.run(main)

## Concepts
A *thread* is a coroutine; it costs a few microseconds and about a kilobyte. An *LWP* is a kernel-level thread that
carries threads, one after the other, from a run queue. The right to do so, with the queue, is a *processor*.

When an LWP blocks, in a system call or in C with the interpreter lock released, its processor goes to another LWP
within about a millisecond, so the other threads do not notice. These are the scheduler activations of Anderson,
Bershad, Lazowska and Levy (1992), with a monitor in the place of the kernel's upcalls, since Linux makes none. What
that costs and gains, beside the plain models, can be measured: `kind="user"`, `"kernel"`, `"hybrid"` or
`"activations"`.

Only coroutines can change their LWP while they are suspended; a greenlet's C stack cannot. So a user-level thread is
written with `async def`, and what only a C stack could suspend is a plain function on a kernel-level thread.

## Guarantees
* Nobody runs twice at once, or is woken up twice: a wait is ended by one claim (`thread`), a processor is held by one
  LWP (`lwp`). Debug mode holds every step to the tables in `states`.
* No wake-up is lost: what a thread waits for knows it only when it stands still, and what happens in between is
  looked at afterwards.
* An operation that has been completed is not cancelled; one that was cancelled has not happened.
* Code between two awaits is not atomic. Several LWPs run threads, and other kernel-level threads run between any two
  bytecodes: what is shared needs a lock.

## Map
`states`, `verdicts`: tables and pure functions. `thread`, `lwp`, `scheduler`, `monitor`, `probe`: the machine;
`parking`, `breaking`, `unseen`, `kinds`: parts of it. `group`, `sync`, `barrier`, `channel`, `timers`, `local`,
`waiting`, `orders`: what threads do. `poller`, `descriptors`, `sockets`, `children`: what the world does. `asynced`,
`pools`: other people's loops, other processes. `reports`, `dumping`: looking. `endings`: fork and the end of the
interpreter. What few need is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sojourn.errors import UsageError, WrongState
from sojourn.threads.barrier import Barrier, BrokenBarrier
from sojourn.threads.channel import Channel, Closed, Empty, Full
from sojourn.threads.face import post, report, run, scheduler_of, spawn, upcall
from sojourn.threads.group import Group, Timeout, current, timeout
from sojourn.threads.local import Local
from sojourn.threads.orders import Deadlock, RankError
from sojourn.threads.reports import BlockingWarning, Report, Upcall
from sojourn.threads.scheduler import Kind, Scheduler
from sojourn.threads.states import State
from sojourn.threads.sync import Condition, Event, Lock, Semaphore
from sojourn.threads.thread import Cancelled, Thread, switch
from sojourn.threads.timers import every, sleep, sleep_forever, sleep_until
from sojourn.threads.verdicts import Rules, Verdict
from sojourn.threads.waiting import wait

if TYPE_CHECKING:
    from sojourn.threads.asynced import aio
    from sojourn.threads.children import Child, call
    from sojourn.threads.descriptors import Descriptor, File, offload, open_file, pipe, readable, writable
    from sojourn.threads.dumping import dump, dump_on
    from sojourn.threads.pools import compute
    from sojourn.threads.sockets import Listener, Socket, connect, getaddrinfo, listen, socketpair

# What needs more of the standard library than everybody has, by module; loaded on first use.
_LATER = {
    "asynced": ("aio",),
    "children": ("Child", "call"),
    "pools": ("compute",),
    "descriptors": ("Descriptor", "File", "offload", "open_file", "pipe", "readable", "writable"),
    "dumping": ("dump", "dump_on"),
    "sockets": ("Listener", "Socket", "connect", "getaddrinfo", "listen", "socketpair"),
}


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            found = globals()[name] = getattr(importlib.import_module(f"sojourn.threads.{module}"), name)
            return found
    raise AttributeError(f"module 'sojourn.threads' has no attribute {name!r}")


__all__ = [
    "Barrier",
    "BlockingWarning",
    "BrokenBarrier",
    "Cancelled",
    "Channel",
    "Child",
    "Closed",
    "Condition",
    "Deadlock",
    "Descriptor",
    "Empty",
    "Event",
    "File",
    "Full",
    "Group",
    "Kind",
    "Listener",
    "Local",
    "Lock",
    "RankError",
    "Report",
    "Rules",
    "Scheduler",
    "Semaphore",
    "Socket",
    "State",
    "Thread",
    "Timeout",
    "Upcall",
    "UsageError",
    "Verdict",
    "WrongState",
    "aio",
    "call",
    "compute",
    "connect",
    "current",
    "dump",
    "dump_on",
    "every",
    "getaddrinfo",
    "listen",
    "offload",
    "open_file",
    "pipe",
    "post",
    "readable",
    "report",
    "run",
    "scheduler_of",
    "sleep",
    "sleep_forever",
    "sleep_until",
    "socketpair",
    "spawn",
    "switch",
    "timeout",
    "upcall",
    "wait",
    "writable",
]

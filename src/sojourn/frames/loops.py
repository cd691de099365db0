# pyright: basic
# (attributes of the library's objects, and a module without stubs)
"""What an asyncio loop has outside of the heap: descriptors, and its place in the interpreter.

Concepts. A loop is an ordinary object, with two things in the kernel: the epoll descriptor of its selector, and a pair
of sockets, its *self-pipe*, through which signals and other threads wake it. Both ends of that are its own, so it is
made anew with the bytes that are on their way; an epoll descriptor is, with what is registered, which the kernel tells.

The interpreter knows which loop runs, which task is the current one, and whom to ask about asynchronous generators and
coroutines. `STATE` says how these are read and set.

Only asyncio's own loop is known so well. Others (uvloop, loops of the program's own classes) are named and refused, and
so are transports that are connected to somebody.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports] (no stubs)
import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import tasks
from .analyze import VERSION
from .lookup import type_name
from .record import FrameRecord

_RUN = "BaseEventLoop.run_forever"
OURS = "asyncio.unix_events._UnixSelectorEventLoop"
FOREIGN = (
    "the program runs {}, an event loop of another make, and only asyncio's own can be moved. Run it with asyncio.run "
    "and without an event loop policy or a loop factory"
)


def running() -> Any:
    """The loop that runs in this thread, or None."""
    asyncio = tasks.module()
    return asyncio._get_running_loop() if asyncio is not None else None


def run_by(records: Iterable[FrameRecord]) -> Any:
    """The loop that another thread runs, given its frames; or None."""
    for record in records:
        if record.qualname == _RUN and record.globals.get("__name__") == "asyncio.base_events":
            loop = record.values[0]
            return None if vars(loop).get("_thread_id") is None else loop
    return None


def objections(others: Iterable[Any] = ()) -> list[str]:
    """Why the loop that runs, and those that other threads run, cannot travel, nor what they are connected to."""
    return [why for loop in (running(), *others) if loop is not None for why in _objections(loop)]


def _objections(loop: Any) -> list[str]:
    if type_name(type(loop)) != OURS:
        return [FOREIGN.format(type_name(type(loop)))]
    return [f"{described(each)}. Close it before the move, and open it again after" for each in _transports(loop)]


def _transports(loop: Any) -> list[Any]:
    """The transports that are connected; the loop holds them weakly."""
    found = (reference() for reference in list(vars(loop)["_transports"].data.values()))
    return [each for each in found if each is not None and is_connected(each)]


def is_connected(transport: Any) -> bool:
    """Does it have a socket, a pipe, a child process or listening sockets?"""
    held = vars(transport)
    return any(held.get(name) for name in ("_sock", "_pipe", "_proc", "_sockets", "_ssl_protocol"))


def described(transport: Any) -> str:
    """What a transport or server is, and with whom it speaks."""
    held, kind = vars(transport), type_name(type(transport))
    extra = getattr(transport, "_extra", None)  # a slot
    peer = extra.get("peername") if type(extra) is dict else None
    if peer:
        return f"a {kind} is connected to {address(peer)}"
    if held.get("_sockets"):
        names = ", ".join(address(each.getsockname()) for each in held["_sockets"])
        return f"a {kind} listens at {names}"
    return f"a {kind} is open"


def address(address: Any) -> str:
    if type(address) is tuple and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    return str(address)


# ---- self-pipes ------------------------------------------------------------------------------------------------------


def other_end(fd: int) -> int | None:
    """The descriptor at the other end of a loop's self-pipe; None for what is no end of one."""
    for loop in _loops():
        ends = [vars(loop).get(name) for name in ("_ssock", "_csock")]
        if None not in ends:
            one, other = (number_of(end) for end in ends)
            if fd in (one, other) and min(one, other) >= 0:
                return other if fd == one else one
    return None


def number_of(socket: Any) -> int:
    """The descriptor of a socket object, as C shows it."""
    return _base(type(socket)).fileno(socket)


def _base(kind: type) -> Any:
    return next(base for base in type.mro(kind) if type_name(base) == "_socket.socket")


def _loops() -> Iterator[Any]:
    """Asyncio's own loops: the one that runs, and then all there are."""
    loop = running()
    if loop is not None and type_name(type(loop)) == OURS:
        yield loop
    kind = getattr(sys.modules.get("asyncio.unix_events"), "_UnixSelectorEventLoop", None)
    if kind is not None:
        yield from (each for each in gc.get_objects() if type(each) is kind)


# ---- what the interpreter knows --------------------------------------------------------------------------------------


def _running() -> Any:
    loop = running()
    return None if loop is None else [loop, tasks.current_task(loop)]


def _restore_running(state: Any) -> None:
    loop, task = state
    asyncio = tasks.module()
    asyncio._set_running_loop(loop)
    if VERSION >= (3, 14) and task is not None:  # before, a dict of the library says it
        asyncio._swap_current_task(loop, task)


def running_in(records: Iterable[FrameRecord]) -> Any:
    """What the interpreter knows of another thread's loop: the loop, and the task whose step it runs."""
    loop = run_by(records)
    if loop is None:
        return None
    return [loop, tasks.module().current_task(loop) if VERSION >= (3, 14) else None]


def restore_in(state: Any) -> None:
    """In the thread that runs the loop."""
    _restore_running(state)
    loop = state[0]
    sys.set_asyncgen_hooks(loop._asyncgen_firstiter_hook, loop._asyncgen_finalizer_hook)
    if loop._coroutine_origin_tracking_enabled:
        sys.set_coroutine_origin_tracking_depth(sys.modules["asyncio.constants"].DEBUG_STACK_DEPTH)


def _hooks() -> Any:
    found = tuple(sys.get_asyncgen_hooks())
    return found if any(found) else None


def _depth() -> Any:
    return sys.get_coroutine_origin_tracking_depth() or None


replaced_wakeup: list[int] = []
"""The program's own wakeup descriptor, while another is in its place (see `SafePoint.keep_pausing`)."""


def _wakeup() -> Any:
    """The descriptor that the number of each signal is written to. To be asked it must be set; no signal comes now."""
    if replaced_wakeup:
        return replaced_wakeup[-1] if replaced_wakeup[-1] >= 0 else None
    blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    try:
        fd = _signal.set_wakeup_fd(-1)
        if fd >= 0:
            _signal.set_wakeup_fd(fd)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
    return fd if fd >= 0 else None


def _named() -> Any:
    return tasks.words().named if tasks.module() is not None else None


def _restore_named(count: int) -> None:
    tasks.words().named = count


# Name, reading (None: nothing to restore), setting. For `world.state`.
STATE: tuple[tuple[str, Callable[[], Any], Callable[[Any], Any]], ...] = (
    ("running loop", _running, _restore_running),
    ("names of tasks", _named, _restore_named),
    ("hooks of asynchronous generators", _hooks, lambda hooks: sys.set_asyncgen_hooks(*hooks)),
    ("depth of coroutine origins", _depth, sys.set_coroutine_origin_tracking_depth),
    ("wakeup descriptor", _wakeup, _signal.set_wakeup_fd),
)

# pyright: basic
# (objects of any type, and modules without stubs)
"""Locks, thread-local data, and what stands for a thread.

A lock that is held is held again; a re-entrant one by the thread that held it. The lock that the interpreter releases
when a thread ends (3.11, 3.12) and a thread's handle (3.13) are those of the new thread (`frames.threads.crew`). Which
thread is said by its identity, a number that is translated on its way (`addresses`).
"""

from __future__ import annotations

import _thread
from gc import get_referents
from typing import Any

from sojourn.frames.threads import books, crew, states

from .dumper import Dumper, Refuse
from .iterators import fill_attributes
from .registry import constructor, name_of, reduces, refuses

_new_handle: Any = getattr(_thread, "_ThreadHandle", None)  # 3.13 and later
_make_handle: Any = getattr(_thread, "_make_thread_handle", None)


def times_held(lock: Any) -> Any:
    """How often a lock is held; (identity, how often) if by another thread."""
    if type(lock) is _thread.LockType:
        return int(lock.locked())
    shown = repr(lock)
    times = int(shown.partition("count=")[2].split()[0])
    if not times or lock._is_owned():
        return times
    return int(shown.partition("owner=")[2].split()[0]), times


def hold(lock: Any, times: Any) -> None:
    """Acquire a free lock of this process, or release it, until it is held so often."""
    if type(times) is tuple:
        crew.do_in(times[0], hold, lock, times[1])
        return
    now = times_held(lock)
    for _ in range(now, times):
        lock.acquire()
    for _ in range(times, now):
        lock.release()


@reduces("_thread.lock")
def _reduce_lock(lock: Any, dumper: Dumper) -> Any:
    owner = _owner(dumper, lock)
    return (make_lock, (times_held(lock),)) if owner is None else (end_lock, owner)


def _owner(dumper: Dumper, held: Any) -> tuple[int] | None:
    """The thread whose end others wait for with this; 0 is the main one."""
    main = books.main_thread()
    if main is not None and vars(main).get(books.END) is held:
        return (0,)
    for each in dumper.stack.threads if dumper.stack is not None else ():
        if each.thread is not None and vars(each.thread).get(books.END) is held:
            return (each.ident,)
    return None


@constructor
def make_lock(times: int) -> Any:
    lock = _thread.allocate_lock()
    hold(lock, times)
    return lock


@constructor
def end_lock(ident: int) -> Any:
    return books.main_end() if ident == 0 else crew.member(ident).lock


@reduces("_thread.RLock")
def _reduce_rlock(lock: Any, dumper: Dumper) -> Any:
    times = times_held(lock)
    if type(times) is not tuple:
        return make_rlock, (times,)
    if times[0] not in [each.ident for each in dumper.stack.threads if dumper.stack is not None]:
        raise Refuse(lock, "a thread that has ended holds it", "release locks where they were acquired")
    dumper.later(hold, lock, times)
    return make_rlock, (0,)


@constructor
def make_rlock(times: int) -> Any:
    lock = _thread.RLock()
    hold(lock, times)
    return lock


constructor(hold)

# Handles of threads (3.13 and later)


@reduces("_thread._ThreadHandle")
def _reduce_handle(handle: Any, dumper: Dumper) -> Any:
    owner = _owner(dumper, handle)
    if owner is not None and (owner == (0,) or crew.describe(owner[0])["joined"]):
        return handle_of, owner
    return make_handle, (handle.ident, handle.is_done())


@constructor
def handle_of(ident: int) -> Any:
    return books.main_end() if ident == 0 else crew.member(ident).handle


@constructor
def make_handle(ident: int, done: bool) -> Any:
    """One of a thread that has not been started or has ended; or the stand-in for one that `threading` did not make."""
    if not ident and not done:
        return _new_handle()
    handle = _make_handle(ident)
    if done:
        handle._set_done()
    return handle


# Thread-local data


def _reduce_local(local: Any, dumper: Dumper) -> Any:
    held = [each for each in get_referents(local) if each is not type(local)]
    arguments = next(each for each in held if type(each) is tuple)
    keywords = held[held.index(arguments) + 1] if held.index(arguments) + 1 < len(held) else {}
    if type(keywords) is not dict or any(
        name_of(type(key)) in ("weakref.ReferenceType", "_thread._localdummy") for key in keywords
    ):
        keywords = {}
    dumper.later(fill_attributes, local, _flat(local.__dict__))
    for ident, attributes in states.local_dicts(local):
        dumper.later(fill_local, local, (ident, dumper.only(_flat(attributes))))
    return thread_local, (type(local), arguments, keywords)


def _flat(attributes: dict[str, Any]) -> list[Any]:
    return [part for item in attributes.items() for part in item]


_reduce_local.family = True  # type: ignore[attr-defined]  # for subclasses too
reduces("_thread._local")(_reduce_local)


@constructor
def thread_local(cls: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Arguments are for the `__init__` of its class, which may not be there yet, and is asked for if there are any."""
    lacking = bool(arguments or keywords) and cls.__init__ is object.__init__
    if lacking:
        type.__setattr__(cls, "__init__", _nothing)
    try:
        return cls.__new__(cls, *arguments, **keywords)
    finally:
        if lacking:
            type.__delattr__(cls, "__init__")


def _nothing(self: object, *_: object, **__: object) -> None:
    """Stands for a method that is filled in later."""


@constructor
def fill_local(local: Any, state: tuple[int, list[Any]]) -> None:
    """The attributes that another thread sees."""
    ident, attributes = state
    crew.do_in(ident, _fill_own, local, attributes)


def _fill_own(local: Any, attributes: list[Any]) -> None:
    """The first look of a thread calls `__init__` of a subclass, which would run the program, and again."""
    cls = type(local)
    initial = type.__dict__["__dict__"].__get__(cls).get("__init__")
    plain = cls.__init__ is object.__init__
    if not plain:
        type.__setattr__(cls, "__init__", _nothing)
    try:
        own = _thread._local.__getattribute__(local, "__dict__")
    finally:
        if initial is not None:
            type.__setattr__(cls, "__init__", initial)
        elif not plain:
            type.__delattr__(cls, "__init__")
    parts = iter(attributes)
    own.update(zip(parts, parts, strict=True))


refuses("the interpreter's own part of a threading.local", "keep it in the thread that has it", "_thread._localdummy")


class Identity:
    """Stands for a thread's identity, a number: 0 is the main one."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


@reduces(Identity)
def _reduce_identity(identity: Identity, dumper: Dumper) -> Any:
    return make_identity, (identity.number,)


@constructor
def make_identity(number: int) -> Identity:
    return Identity(number)


def number_for(place: Any) -> int:
    """What a number in the heap becomes that stood for an address, or for a thread."""
    return crew.ident_of(place.number) if type(place) is Identity else id(place)


def identities(stack: Any) -> dict[int, Any]:
    """Every thread's identity, with what stands for it."""
    threads = stack.threads if stack is not None else ()
    return {_thread.get_ident(): Identity(0)} | {
        each.ident: Identity(number) for number, each in enumerate(threads, 1)
    }

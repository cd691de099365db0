# pyright: basic
# (the interpreter's own thread functions have no stubs for all versions)
"""New threads for a program that is being thawed: made first, told who they are, and set off last.

A member waits in `_Member.stand` and does what it is asked to in between: take a lock, fill its part of a
`threading.local`, set its context variables. What cannot be given to a thread from outside it brings along: the lock
that the interpreter releases at its end (3.11, 3.12), its handle (3.13 and later), its identity.

When it is set off, `stand` returns and the resumer is called; by C alone, which goes through a list of callables: so
nothing of ours is below the program's outermost frame.

Guarantee: no instruction of the program runs before `set_off`; a crew that is dismissed ends without having run any.
"""

from __future__ import annotations

import _functools  # pyright: ignore[reportMissingImports] (no stubs)
import _operator
import _signal  # pyright: ignore[reportMissingImports] (no stubs)
import _thread
from collections.abc import Callable
from types import FrameType
from typing import Any

from sojourn.errors import InternalError

from . import books

_start_joinable: Any = getattr(_thread, "start_joinable_thread", None)  # 3.13 and later
_new_handle: Any = getattr(_thread, "_ThreadHandle", None)
_new_end_lock: Any = getattr(_thread, "_set_sentinel", None)  # up to 3.12
_HANDLES = _start_joinable is not None


def describe(ident: int) -> dict[str, bool]:
    """What has to be known of a thread before anything of it can be loaded."""
    thread = books.thread_of(ident)
    known = vars(thread) if thread is not None else {}
    dummy = thread is None or type(thread).__name__ == "_DummyThread"
    return {
        "daemon": bool(known.get("_daemonic", True)),
        "joined": not dummy and known.get(books.END) is not None,
    }


class _Member:
    """One thread."""

    def __init__(self, row: dict[str, bool]) -> None:
        self.ident = self.native = 0
        self.lock: Any = None  # released at its end
        self.handle: Any = None
        self._wants_lock = row["joined"] and not _HANDLES
        self._job: Callable[[], Any] | None = None
        self._result: Any = None
        self._failure: BaseException | None = None
        self._go, self._done = _locked(), _locked()
        self._calls: list[Any] = [self.stand]
        self._mask: list[int] = []
        mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        try:
            calls = map(_operator.call, self._calls)
            if row["joined"] and _HANDLES:
                self.handle = _new_handle()
                _start_joinable(_functools.partial(any, calls), handle=self.handle, daemon=row["daemon"])
            else:
                _thread.start_new_thread(any, (calls,))
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
        self._done.acquire()

    def stand(self) -> None:
        """The thread's life before it is set off."""
        self.ident, self.native = _thread.get_ident(), _thread.get_native_id()
        if self._wants_lock:
            self.lock = _new_end_lock()
            self.lock.acquire()
        while True:
            self._done.release()
            self._go.acquire()
            if self._job is None:
                break
            try:
                self._result = self._job()
            except BaseException as failure:
                self._failure = failure
        if len(self._calls) > 1:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)

    def do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have the thread call something, and wait for it."""
        self._job = _functools.partial(function, *arguments)
        self._go.release()
        self._done.acquire()
        self._job = None
        result, failure, self._result, self._failure = self._result, self._failure, None, None
        if failure is not None:
            raise failure
        return result

    def take_on(self, resumer: Callable[[], object], mask: list[int]) -> None:
        self._calls.append(resumer)
        self._mask = mask

    def leave(self) -> None:
        """Let it go on: with its resumer, or to its end."""
        self._go.release()

    def dismiss(self) -> None:
        del self._calls[1:]
        self.leave()


def _locked() -> Any:
    lock = _thread.allocate_lock()
    lock.acquire()
    return lock


class Crew:
    """The threads of one program that is being thawed. Making it makes them."""

    def __init__(self, rows: list[dict[str, bool]]) -> None:
        self.members: list[_Member] = []
        for row in rows:
            self.members.append(_Member(row))
        _current[:] = [self]

    def of(self, ident: int) -> _Member:
        for member in self.members:
            if member.ident == ident:
                return member
        raise InternalError("the image names a thread that is not in it")

    def set_off(self) -> None:
        _current.clear()
        for member in self.members:
            member.leave()

    def dismiss(self) -> None:
        _current.clear()
        for member in self.members:
            member.dismiss()


_current: list[Crew] = []


def ident_of(number: int) -> int:
    """The identity of a thread by its number: 0 is the main one."""
    return _thread.get_ident() if number == 0 else _current[0].members[number - 1].ident


def member(ident: int) -> Any:
    """The thread of an identity, while a program is being loaded."""
    if not _current:
        raise InternalError("the image has a thread, and none has been made for it")
    return _current[0].of(ident)


def do_in(ident: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call something in the thread of that identity."""
    return function(*arguments) if ident == _thread.get_ident() else member(ident).do(function, *arguments)


def is_standing(frame: FrameType) -> bool:
    """Is this thread one of a crew that has not gone on yet?"""
    outermost = frame
    while outermost.f_back is not None:
        outermost = outermost.f_back
    return outermost.f_code is _Member.stand.__code__

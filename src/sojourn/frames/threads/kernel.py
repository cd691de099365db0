# pyright: basic
# (raw memory has no static types)
"""What the kernel says of a thread that waits: its system call and the arguments, from /proc/PID/task/TID/syscall.

The file reads "running", or the number, six arguments, the stack pointer and the position. A thread of one's own
process may always be looked at; that of another process by who may trace it, as a node may trace its hosts.

`waits_in` is the proof that a thread is inside a certain call, and not behind it: the system call is one that this call
makes, and if it is a futex, its address is in the very object that is waited for, or on the thread's own stack (where
newer interpreters put it). A thread that waits for the interpreter lock waits for another address.

What was stopped and went on may be in `restart_syscall` afterwards, with the arguments of the first call: they say
whether that was a futex, as one for the interpreter lock is.

A finished `read` leaves the same traces as one that waits, if a stop comes right at its end: so the number of bytes
that the thread has read is part of what is compared. (That of its reads is not: one that a stop interrupts counts.)
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from sojourn.frames.blocking import EPOLL, POLL, READ, SELECT, SLEEP, WAIT
from sojourn.frames.memory import Memory

_NEAR = 64 * 1024  # of the stack above the waiting call
_LOCK = 16  # in a lock, behind the head of the object: the address of what it waits for

_FUTEX, _POLL, _RESTARTED = 202, 7, 219
_TIMED_WAITS = frozenset({0x89, 0x189})  # operations of a futex with a timeout, as the C library asks for them

# By kind of waiting: the system calls that it is done in, on x86-64.
_CALLS = {
    READ: frozenset({0}),
    WAIT: frozenset({_FUTEX}),
    SLEEP: frozenset({230, 35, 23, 270}),
    SELECT: frozenset({23, 270}),
    POLL: frozenset({_POLL, 271}),
    EPOLL: frozenset({232, 281}),
}


@dataclass(frozen=True, slots=True)
class Call:
    """A thread in the kernel."""

    text: str  # the whole line, to be compared
    number: int
    arguments: tuple[int, ...]
    stack: int


def look(native: int) -> Call | None:
    """What this thread of our own process waits in; None if it runs, or has ended."""
    text = _text(f"/proc/self/task/{native}/syscall")
    parts = text.split()
    if len(parts) != 9:
        return None
    number, *values = (int(part, 0) for part in parts)
    return Call(text, number, tuple(values[:6]), values[6])


def waits_in(call: Call, kind: str, waited_for: int, memory: Memory) -> bool:
    """Is this the system call in which a call of that `kind` waits? `waited_for` is the address of the object."""
    number = call.number
    if number == _RESTARTED:
        number = _FUTEX if call.arguments[1] in _TIMED_WAITS else _POLL  # others begin again by their own number
    if number not in _CALLS.get(kind, ()):
        return False
    if kind != WAIT:
        return True
    address = call.arguments[0]
    if 0 <= address - call.stack < _NEAR:
        return True
    return bool(waited_for) and memory.words(waited_for + _LOCK, 1) == (address,)


def words_above(stack: int, memory: Memory) -> tuple[int, ...]:
    """The words of a waiting thread's C stack, as signed numbers, the nearest first."""
    data = memory.read(stack, _NEAR)
    return struct.unpack_from(f"<{len(data) // 8}q", data)


def proof_line(task: str, native: int) -> str:
    """What is compared of one thread; `task` is the folder of its process's threads."""
    call = _text(f"{task}/{native}/syscall")
    if not call.startswith("0 "):
        return call
    counted = [line for line in _text(f"{task}/{native}/io").splitlines() if line.startswith("rchar")]
    return " ".join([call, *counted])


def _text(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, 4096).decode().strip()
    except OSError:
        return ""
    finally:
        os.close(fd)


def blocked_signals(native: int) -> list[int]:
    """Which signals a thread of our own process has blocked."""
    for line in _text(f"/proc/self/task/{native}/status").splitlines():
        if line.startswith("SigBlk:"):
            mask = int(line.split()[1], 16)
            return [number for number in range(1, 65) if mask >> (number - 1) & 1]
    return []

"""What the monitor makes of what it sees: pure functions and tables; nothing here looks at anything.

Theory. A kernel with scheduler activations (Anderson et al. 1992) calls the program up when an LWP blocks. Linux does
not, so somebody has to look. A look is cheap first and exact later: while the LWP's count of switches grows, all is
well, and nothing else is asked. Where it stands still, the kernel says in `/proc/self/task/TID/syscall` which system
call the thread is in, or that it is in none ("running").

On an interpreter with a lock the monitor holds that lock while it looks, so no other thread is executing Python just
then. What computes in Python is seen to wait for the lock, in a futex whose address is known (`probe.lock_words`), or
to be just on its way there; and the monitor is late, since it had to ask for the lock. What is seen running while the
monitor was not late computes in C with the lock released (compression, digests, arrays): its processor is as useless
to it as to one that sleeps. Without a lock (3.13t and later) whatever is running may be Python as well.

The CPU clock tells who computes from who would, but has no processor: preempted by the kernel, or by who has the lock.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

COMPUTES = 0.1  # share of the time on a processor from which on a thread is said to compute
LATE = 0.002  # seconds; a monitor that is later than this had to wait for the interpreter lock, or for a processor


class Verdict(StrEnum):
    """What an LWP does that has not switched for a while."""

    BLOCKED = "blocked"  # in a system call
    RELEASED = "released"  # in C, on a processor, with the interpreter lock released
    COMPUTING = "computing"  # in Python
    PREEMPTED = "preempted"  # would run, but others have the processor or the interpreter lock


class Action(StrEnum):
    NOTHING = "nothing"
    HAND_OFF = "hand-off"  # its processor goes to another LWP, since it cannot use it
    PREEMPT = "preempt"  # likewise, since it has used it for long enough


class Sight(NamedTuple):
    """What was seen of one LWP."""

    call: bytes | None  # the text of `syscall`; None where the kernel does not tell
    cpu: float | None  # seconds on a processor since the first look at this slice; None where nothing tells
    wall: float  # seconds since then
    recent: float | None  # share of the time since the latest look that it was on a processor
    late: float  # seconds that the monitor itself was late: it waited for the interpreter lock


class Rules(NamedTuple):
    """How patient the monitor is, in seconds and catches."""

    tick: float = 0.001  # between two looks; a slice that is seen at two of them is looked into
    slice: float = 0.01  # how long one thread may compute before its processor goes on without it
    pin_after: int = 2  # catches within `offence` that make a thread a repeat offender, with an LWP of its own
    offence: float = 1.0
    lease: float = 1.0  # a pinned thread that has not blocked for so long is an ordinary one again
    most: int = 256  # LWPs at most that are made for hand-offs


def judge(sight: Sight, *, locked: bool, lock_words: frozenset[bytes]) -> Verdict:
    """What the LWP does. `locked`: the interpreter has a lock, for which one waits at the futexes `lock_words`."""
    busy = sight.cpu is not None and sight.cpu >= COMPUTES * sight.wall
    late = locked and sight.late > LATE
    if sight.call is None:  # no such file: what the monitor's own lateness and the clock tell
        if late:
            return Verdict.COMPUTING if busy else Verdict.PREEMPTED
        return Verdict.RELEASED if busy else Verdict.BLOCKED
    if sight.call.startswith(b"running"):
        if not busy and sight.cpu is not None:
            return Verdict.PREEMPTED
        if late or not locked:
            return Verdict.COMPUTING
        # Whoever was let go of the lock, and has yet to come to a processor to take it again, is running too.
        return Verdict.RELEASED if sight.recent is None or sight.recent >= 0.5 else Verdict.PREEMPTED
    words = sight.call.split(b" ", 2)
    if len(words) > 1 and words[1] in lock_words:
        return Verdict.COMPUTING if busy else Verdict.PREEMPTED
    return Verdict.BLOCKED


def act(verdict: Verdict, wall: float, computing: int, cores: int, rules: Rules) -> Action:
    """What to do about it. `computing`: LWPs that compute already without a processor of ours; more than there are
    cores of them would only take turns more often.
    """
    if verdict in (Verdict.BLOCKED, Verdict.RELEASED):
        return Action.HAND_OFF
    if verdict is Verdict.COMPUTING and wall >= rules.slice and computing < cores:
        return Action.PREEMPT
    return Action.NOTHING


class Offences:
    """How often a thread was caught blocking of late."""

    def __init__(self) -> None:
        self.count = 0
        self.first = 0.0

    def caught(self, now: float, rules: Rules) -> bool:
        """Once more. True: it does that repeatedly, and is to have an LWP of its own."""
        if self.count == 0 or now - self.first > rules.offence:
            self.count, self.first = 0, now
        self.count += 1
        return self.count >= rules.pin_after


SYSCALLS = {  # x86-64; the names of those in which programs are met
    0: "read", 1: "write", 5: "fstat", 7: "poll", 17: "pread64", 18: "pwrite64", 19: "readv", 20: "writev",
    23: "select", 34: "pause", 35: "nanosleep", 42: "connect", 43: "accept", 44: "sendto", 45: "recvfrom",
    46: "sendmsg", 47: "recvmsg", 61: "wait4", 72: "fcntl", 73: "flock", 74: "fsync", 75: "fdatasync",
    128: "rt_sigtimedwait", 202: "futex", 230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 257: "openat",
    270: "pselect6", 271: "ppoll", 281: "epoll_pwait", 288: "accept4",
}  # fmt: skip


def call_name(call: bytes | None, machine: str) -> str:
    """The system call's name, for people; its number where there is no name for it."""
    if call is None:
        return ""
    number = call.split(b" ", 1)[0].strip().decode("ascii", "replace")
    if number in ("running", "-1"):
        return ""
    if machine == "x86_64" and number.isdigit() and int(number) in SYSCALLS:
        return SYSCALLS[int(number)]
    return f"system call {number}"

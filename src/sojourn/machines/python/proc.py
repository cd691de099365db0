"""What /proc says of a host process that does not answer, or has stopped."""

from __future__ import annotations

import os
import platform
import signal

from sojourn.errors import Unmovable
from sojourn.frames.threads import kernel

_NOT_CARRIED = {signal.SIGURG, signal.SIGCHLD, signal.SIGCONT, signal.SIGSTOP, signal.SIGKILL}

# The system calls in which programs wait, by number (x86-64, arm64); others are named by their number.
_CALLS = {
    "x86_64": {
        0: "read", 1: "write", 7: "poll", 23: "select", 34: "pause", 35: "nanosleep", 42: "connect", 43: "accept",
        45: "recvfrom", 47: "recvmsg", 61: "wait4", 128: "rt_sigtimedwait", 130: "rt_sigsuspend", 202: "futex",
        230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 270: "pselect6", 271: "ppoll", 281: "epoll_pwait",
        288: "accept4",
    },
    "aarch64": {
        22: "epoll_pwait", 63: "read", 64: "write", 72: "pselect6", 73: "ppoll", 95: "waitid", 98: "futex",
        101: "nanosleep", 115: "clock_nanosleep", 133: "rt_sigsuspend", 137: "rt_sigtimedwait", 202: "accept",
        203: "connect", 207: "recvfrom", 212: "recvmsg", 242: "accept4", 260: "wait4",
    },
}  # fmt: skip


_TIMERS = {signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF}  # a process's own interval timers send these


def pending_signals(pid: int, *, timers_only: bool = False) -> list[int]:
    """Signals that have been sent to a stopped process and not been handled."""
    waiting = 0
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(("SigPnd:", "ShdPnd:")):
                waiting |= int(line.split()[1], 16)
    found = [n for n in range(1, 65) if waiting >> (n - 1) & 1 and n not in _NOT_CARRIED]
    return [n for n in found if n in _TIMERS] if timers_only else found


def blocked_in(pid: int) -> str:
    """Where a process is that does not answer, in words."""
    try:
        with open(f"/proc/{pid}/syscall") as file:
            call = file.read().split()
        with open(f"/proc/{pid}/stat") as file:
            state = file.read().rpartition(")")[2].split()[0]
    except OSError:
        return f"process {pid} cannot be looked at"
    if state in "Tt":
        return f"process {pid} has been stopped by a signal"
    if not call or call[0] == "running":
        return f"process {pid} computes in native code"
    number = int(call[0])
    if number < 0:
        return f"process {pid} is blocked in the kernel"
    name = _CALLS.get(platform.machine(), {}).get(number, f"number {number}")
    return f"process {pid} is blocked in the system call {name}"


def still_wait(pid: int, waiting: list[tuple[int, str]]) -> bool:
    """Does each of these threads of a stopped process wait in the very system call that it was captured in?

    A thread of which the kernel says nothing does not. Raises Unmovable if it says nothing of the process.
    """
    task = f"/proc/{pid}/task"
    if waiting and not kernel.proof_line(task, pid):
        raise Unmovable(
            f"the kernel does not say what the threads of process {pid} wait in",
            advice="let the node trace its own children (kernel.yama.ptrace_scope at most 1)",
        )
    return all(kernel.proof_line(task, native) == line for native, line in waiting)


def reap_strays(sessions: set[int]) -> None:
    """Reaps orphans that have ended: what a program left behind is a child of the node then (a subreaper).

    A host leads a session of its own, so its descendants are known by their session; nobody else's child is touched.
    """
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        children = [int(child) for child in file.read().split()]
    for child in children:
        if child in sessions:  # a host, whose end its carrier hears of
            continue
        try:
            with open(f"/proc/{child}/stat") as file:
                state, _, _, session = file.read().rpartition(")")[2].split()[:4]
            if state == "Z" and int(session) in sessions:
                os.waitpid(child, os.WNOHANG)
        except (OSError, ValueError):
            continue

"""A program that makes one computer, or the switch between some, out of namespaces; or runs a command in one.

Run by its path, with nothing but the standard library, by `sojourn.testing.computers`, which says what it is for:

    computer.py hold JSON             become a computer: "PID" is said, "go" awaited, "ready" said
    computer.py switch                become a switch: "PID" is said
    computer.py enter PID CWD ARGS    run a command in the computer, or at the switch, whose first process that is

The first two end with their standard input, and with them everything that ran there: the kernel kills a pid namespace
with its first process, and takes a network namespace and its cables away with its last.
"""
# pyright: basic
# (ctypes functions have no types worth the name)

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys

CLONE_NEWTIME, CLONE_NEWNS = 0x80, 0x20000
CLONE_NEWUTS, CLONE_NEWPID, CLONE_NEWNET = 0x4000000, 0x20000000, 0x40000000
KINDS = {"mnt": CLONE_NEWNS, "uts": CLONE_NEWUTS, "net": CLONE_NEWNET, "time": CLONE_NEWTIME, "pid": CLONE_NEWPID}
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def main(verb: str, *rest: str) -> int:
    if verb == "hold":
        return hold(**json.loads(rest[0]))
    if verb == "switch":
        return switch()
    return enter(int(rest[0]), rest[1], list(rest[2:]))


def hold(name: str, address: str, ahead: int, private: list[str], visible: list[str]) -> int:
    """A computer with this host name and address. Its clocks, but for the wall clock, are `ahead` seconds ahead of this
    computer's; it has `private` folders of its own, in which the `visible` ones are where they were.
    """
    _check(_libc.unshare(sum(KINDS.values())))
    with open("/proc/self/timens_offsets", "w") as file:
        file.write(f"monotonic {ahead} 0\nboottime {ahead} 0\n")
    pid = os.fork()
    if pid:
        say(str(pid))
        os.closerange(0, 3)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans are reaped by the kernel
    socket.sethostname(name)
    hide(private, visible)
    if heard() != "go":
        return 1
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    configure(f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    say("ready")
    while heard():
        pass
    return 0


def switch() -> int:
    """A network of its own with a bridge in it."""
    _check(_libc.unshare(CLONE_NEWNET))
    configure("link add name bridge type bridge", "link set bridge up")
    say(str(os.getpid()))
    while heard():
        pass
    return 0


def enter(pid: int, cwd: str, command: list[str]) -> int:
    """Run a command in the namespaces of that process; its status. It dies with us."""
    places: list[tuple[int, int]] = []
    for kind, flag in KINDS.items():
        there = f"/proc/{pid}/ns/{kind}"
        if os.readlink(there) != os.readlink(f"/proc/self/ns/{kind}"):
            places.append((os.open(there, os.O_RDONLY | os.O_CLOEXEC), flag))
    for fd, flag in places:
        _check(_libc.setns(fd, flag))
    child = os.fork()
    if child:
        os.closerange(0, 3)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return status if status >= 0 else 128 - status
    try:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.chdir(cwd)
        os.execvp(command[0], command)
    except OSError as why:
        print(f"{command[0]}: {why}", file=sys.stderr)
    os._exit(127)


def hide(private: list[str], visible: list[str]) -> None:
    """A process table, and empty folders of our own."""
    mount("none", "/", "", MS_REC | MS_PRIVATE)  # or the others would see it
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    kept = [(os.open(path, os.O_PATH | os.O_CLOEXEC), path) for path in visible]
    for folder in private:
        mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, b"mode=1777")
    for fd, path in kept:
        os.makedirs(path, exist_ok=True)
        mount(f"/proc/self/fd/{fd}", path, "", MS_BIND | MS_REC)
        os.close(fd)


def mount(what: str, where: str, kind: str, flags: int, data: bytes | None = None) -> None:
    _check(_libc.mount(what.encode(), where.encode(), kind.encode() or None, ctypes.c_ulong(flags), data))


def configure(*lines: str) -> None:
    """Run commands of `ip`."""
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines).encode(), check=True)


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


def heard() -> str:
    """The next line of standard input, or what is left of it; nothing at its end."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode()


def _check(failed: int) -> None:
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Stepping the wall clock of one process, as the wall clock of a computer steps when somebody sets it.

Theory. Linux has namespaces for the clocks that count since the boot, and none for the wall clock. But no process reads
that from the kernel itself: it calls a page of code that the kernel has put into every process, the vDSO, whose three
functions (`clock_gettime`, `gettimeofday`, `time`) the C library and Go's runtime use alike. `step` writes over their
first instruction in the memory of one process, by `/proc/PID/mem`: a jump to code of ours, in what is free of the page,
which asks the kernel and adds so many seconds to the wall clock, and to no other. The page is that process's own from
then on. What it forks later has the same clock; what it executes has the kernel's again.

Guarantee: no thread is in the middle of what is written over. The process is stopped for that, and looked at; one that
has been stopped by somebody else stays so.

Limits: x86-64. Who asks the kernel itself (by `syscall`), and the kernel for itself (the times of files), see the
true time. A kernel may forbid to write to another process's code: `Unavailable`.

Rejected: setting the clock of the machine, which is not the test's alone. LD_PRELOAD, which Go does not load.
"""

from __future__ import annotations

import os
import platform
import signal
import struct
import time
from pathlib import Path

from sojourn.errors import Unavailable

_JUMP = 5  # bytes of the instruction
_PATIENCE = 5.0  # seconds for a process to stop

# Each asks the kernel, and adds what stands behind the code to the seconds of the wall clock.
_CODE = {
    # mov eax, 228; syscall; test eax, eax; jnz end; test edi, edi; jz add; cmp edi, 5; jnz end
    # add: mov rdx, [rip + OFFSET]; add [rsi], rdx; end: ret
    "__vdso_clock_gettime": (
        bytes.fromhex("b8e4000000 0f05 85c0 7513 85ff 7405 83ff05 750a 488b15"),
        bytes.fromhex("480116 c3"),
    ),
    # mov eax, 96; syscall; test eax, eax; jnz end; test rdi, rdi; jz end
    # mov rdx, [rip + OFFSET]; add [rdi], rdx; end: ret
    "__vdso_gettimeofday": (
        bytes.fromhex("b860000000 0f05 85c0 750f 4885ff 740a 488b15"),
        bytes.fromhex("480117 c3"),
    ),
    # mov eax, 201; syscall; add rax, [rip + OFFSET]; test rdi, rdi; jz end; mov [rdi], rax; end: ret
    "__vdso_time": (
        bytes.fromhex("b8c9000000 0f05 480305"),
        bytes.fromhex("4885ff 7403 488907 c3"),
    ),
}
_MARK = b"sojourn wall clock"  # in front of the offset, where we have been before


def step(pid: int, seconds: float) -> None:
    """Step the wall clock that this process sees, forwards or backwards; steps add up. Raises Unavailable."""
    if platform.machine() != "x86_64":
        raise Unavailable(f"the wall clock of a process cannot be stepped on {platform.machine()}")
    try:
        memory = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
    except OSError as why:
        raise Unavailable(f"the wall clock of process {pid} cannot be stepped: {why}") from why
    try:
        _step(pid, memory, round(seconds))
    except OSError as why:
        raise Unavailable(f"this kernel does not let us write to the code of process {pid}: {why}") from why
    finally:
        os.close(memory)


def _step(pid: int, memory: int, seconds: int) -> None:
    begin, end = _place(pid)
    page = os.pread(memory, end - begin, begin)
    if (at := page.rfind(_MARK)) >= 0:
        at += len(_MARK)
        (offset,) = struct.unpack_from("<q", page, at)
        os.pwrite(memory, struct.pack("<q", offset + seconds), begin + at)
        return
    functions = _functions(page)
    free = -(-len(page.rstrip(b"\0")) // 16) * 16 + 16
    offset_at = free + len(_MARK)
    code = bytearray(_MARK + struct.pack("<q", seconds))
    entries: dict[int, bytes] = {}
    for name, (before, after) in _CODE.items():
        entry = functions[name]
        entries[entry] = b"\xe9" + struct.pack("<i", free + len(code) - entry - _JUMP)
        here = free + len(code) + len(before) + 4
        code += before + struct.pack("<i", offset_at - here) + after
    if free + len(code) > len(page):
        raise Unavailable("the page of the kernel's code has no room for ours")
    os.pwrite(memory, bytes(code), begin + free)
    stopped = None not in _counters(pid)
    try:
        _stop(pid, [(begin + entry, begin + entry + _JUMP) for entry in entries])
        for entry, jump in entries.items():
            os.pwrite(memory, jump, begin + entry)
    finally:
        if not stopped:
            os.kill(pid, signal.SIGCONT)


def _place(pid: int) -> tuple[int, int]:
    """Where the kernel's code is in that process."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if line.endswith("[vdso]"):
            begin, end = line.split()[0].split("-")
            return int(begin, 16), int(end, 16)
    raise Unavailable(f"process {pid} has no vDSO")


def _functions(image: bytes) -> dict[str, int]:
    """The functions of the vDSO, an ELF object that has been loaded, by name."""
    dynamic: dict[int, int] = {}
    (table,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for number in range(count):
        kind, _, _, address = struct.unpack_from("<IIQQ", image, table + number * size)
        while kind == 2:  # PT_DYNAMIC
            tag, value = struct.unpack_from("<qQ", image, address)
            dynamic[tag] = value
            address += 16
            if not tag:
                break
    names, symbols, hashes = dynamic[5], dynamic[6], dynamic[4]  # DT_STRTAB, DT_SYMTAB, DT_HASH
    found: dict[str, int] = {}
    for number in range(struct.unpack_from("<I", image, hashes + 4)[0]):
        name, _, _, _, value = struct.unpack_from("<IBBHQ", image, symbols + 24 * number)
        found[image[names + name : image.index(b"\0", names + name)].decode()] = value
    return found


def _stop(pid: int, places: list[tuple[int, int]]) -> None:
    """Stop it with no thread in any of these places. Raises Unavailable."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        os.kill(pid, signal.SIGSTOP)
        counters = _counters(pid)
        if None in counters:
            continue  # it has yet to stop
        if not any(begin < at < end for at in counters if at is not None for begin, end in places):
            return
        os.kill(pid, signal.SIGCONT)
    raise Unavailable(f"process {pid} does not stop")


def _counters(pid: int) -> list[int | None]:
    """Where each thread of a stopped process is in its program; None for one that has not stopped."""
    found: list[int | None] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        stopped = (thread / "stat").read_text().rpartition(")")[2].split()[0] in "Tt"
        found.append(int((thread / "syscall").read_text().split()[-1], 16) if stopped else None)
    return found

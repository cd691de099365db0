"""What is left behind: processes of a cluster that is down, descriptors and temporary files of this process.

Whose a process is: everything that `sojourn up` starts carries `SOJOURN_HOME` in the environment the kernel
shows (`/proc/PID/environ`, which a program cannot lose by changing `os.environ`), or names the folder in its
command line.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import psutil

DEADLINE = 5.0  # seconds for what was killed to be reaped
# Where the kit makes its folders: short, since sockets lie there, and each worker's of pytest-xdist its own.
SCRATCH = Path("/tmp", os.environ.get("PYTEST_XDIST_WORKER", ""))


def processes_of(home: Path) -> list[psutil.Process]:
    """The OS's processes that belong to the cluster at `home`."""
    folder = str(home)
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
            ours = f"SOJOURN_HOME={folder}".encode() in environment or any(
                part == folder or part.startswith(folder + os.sep) for part in process.cmdline()
            )
            if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.Error):
            continue  # it ended meanwhile, or is somebody else's
    return found


def gone(home: Path) -> None:
    """Check that nothing of the cluster at `home` runs any more. Raises AssertionError naming what does."""
    _, alive = psutil.wait_procs(processes_of(home), timeout=DEADLINE)
    left = [f"{process.pid} {_command(process)}" for process in alive if process.is_running()]
    assert not left, "left running: " + "; ".join(left)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "(ending)"


class Leaks:
    """Notes descriptors and temporary files now; `check` tells what has come since and stayed."""

    def __init__(self) -> None:
        self._descriptors = descriptors()
        self._files = _files()

    def check(self) -> None:
        """Raises AssertionError naming each descriptor and file that was not there before."""
        new = descriptors()
        opened = [
            f"descriptor {fd} ({what})" for fd, what in new.items() if self._descriptors.get(fd) != what
        ]
        made = [str(path) for path in sorted(_files() - self._files)]
        assert not opened and not made, "left behind: " + ", ".join([*opened, *made])


def descriptors() -> dict[int, str]:
    """Of this process: what each of them is."""
    found: dict[int, str] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the one that listed the others
    return found


def _files() -> set[Path]:
    folders = {Path(tempfile.gettempdir()), SCRATCH, Path("/dev/shm")}
    return {path for folder in folders if folder.is_dir() for path in folder.glob("sojourn-*")}

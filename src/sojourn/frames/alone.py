# pyright: basic
# (objects of any type, and modules without stubs)
"""The engine without a cluster: run a program so that it can be frozen to a file; resume such a file.

The interpreter is started anew with a known hash seed where it has none. Whoever wants the image sends SIGURG to the
process; `--freeze-after` has a child do so, which sends it again every 20 ms until the process is gone. At the first
safe point a second interpreter imports the program's library modules, in order, and walks the pristine world (the
baseline), which is stored in the image; a resumed process imports the same modules and compares.

What a program sees of this: `sys.modules` holds the engine's imports beside its own. A cluster's host processes hide
them.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import os
import sys
import time
from types import CodeType, FrameType, ModuleType
from typing import Any

from sojourn.errors import BadImage, Refused, SojournError, Unmovable, UsageError

from . import api, loops
from .boundary import Pin
from .capture import Mode, capture_stack
from .safepoint import SIGNAL, SafePoint
from .threads.gathering import Elsewhere, Gathering

_SEED = "PYTHONHASHSEED"
_TAP = 0.02
_PATIENCE = 200  # attempts at opcodes before something that cannot travel is reported
_PATIENCE_TAPS = 50  # signals until a loop that lets nobody in is reported
FROZEN = 75  # exit status of a process that was frozen (EX_TEMPFAIL: to be continued)


def with_seed(seed: str | None = None) -> str:
    """Make sure that this interpreter has a known hash seed: start it again with one if need be."""
    mine = os.environ.get(_SEED, "random")
    if mine != "random" and mine.isdigit() and (seed is None or seed == mine):
        return mine
    wanted = seed or str(int.from_bytes(os.urandom(4), "little"))
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, _SEED: wanted})


def baseline_of(names: list[str], seed: str) -> bytes:
    """The pristine world of these modules, made by a second interpreter."""
    script = (
        f"import sys; sys.path[:0] = [{_source()!r}]; from sojourn.frames import api, alone; "
        "alone.write_baseline(*sys.argv[1:])"
    )
    read, write = os.pipe()
    os.set_inheritable(write, True)
    environment = {**os.environ, _SEED: seed}
    paths = os.pathsep.join(path for path in sys.path if path and path.startswith(tuple(_folders())))
    child = os.posix_spawn(
        sys.executable, [sys.executable, "-P", "-c", script, str(write), ",".join(names), paths], environment
    )
    os.close(write)
    with open(read, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise UsageError("the library modules of the program cannot be imported afresh")
    return data


def write_baseline(fd: str, names: str, paths: str) -> None:
    """What the second interpreter does."""
    sys.path += [path for path in paths.split(os.pathsep) if path not in sys.path]
    wanted = [name for name in names.split(",") if name != "__main__"]
    api.import_modules(wanted)
    with open(int(fd), "wb") as pipe:
        pipe.write(api.make_baseline(wanted))


def _source() -> str:
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _folders() -> tuple[str, ...]:
    return api.Library().folders


class _Freezer:
    """Stands in the signal handler until the image is written."""

    def __init__(self, image: str, seed: str, base: CodeType, match: Any = None) -> None:
        self.path = image
        self.seed = seed
        self.base = base
        self.match = match
        self.safepoint = SafePoint()
        self.gathering = Gathering()
        self.attempts = 0
        self.not_before = 0.0
        self.busy = False
        self.taps = 0
        self.began = 0.0
        self.figures: dict[str, Any] = {}

    def install(self) -> None:
        _signal.signal(SIGNAL, self.signalled)

    def signalled(self, number: int, frame: FrameType | None) -> None:
        if frame is None or self.busy:
            return
        if self.safepoint.active:
            self.safepoint.retap(frame)
            self.taps += 1
            if self.taps == _PATIENCE_TAPS and not self.attempts and (reasons := loops.objections()):
                self.safepoint.cancel()
                self.attempts = _PATIENCE
                _refuse(Unmovable("the program's event loop cannot travel", reasons=reasons))
        elif not self.attempts:
            self.began = time.perf_counter()
            self.safepoint.request(self.attempt, frame)

    def attempt(self, frame: FrameType, mode: Mode) -> bool:
        """Called at a safe point."""
        if time.monotonic() < self.not_before:
            return False
        mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals() - {SIGNAL})
        self.busy = True
        try:
            return self._attempt(frame, mode)
        except Elsewhere:
            self.not_before = time.monotonic() + _TAP
            return False  # at the next instruction again: the signal may not come again
        except Pin:
            self.gathering.release()
            raise
        except Exception as failure:
            self.gathering.release()
            os.write(2, f"sojourn.frames: the freeze failed: {type(failure).__name__}: {failure}\n".encode())
            return True
        finally:
            self.busy = False
            _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)

    def _attempt(self, frame: FrameType, mode: Mode) -> bool:
        base: FrameType | None = frame
        while base is not None and base.f_code is not self.base:
            base = base.f_back
        if self.match is None or set(api.library_modules()) - self.match.pristine:
            self.match = api.match(baseline_of(api.library_modules(), self.seed))
        self.gathering.gather(frame)
        stack = capture_stack(frame, base=base, mode=mode, waited=self.safepoint.waited)
        self.gathering.join(stack)
        self.attempts += 1
        began = time.perf_counter()
        sys.stdout.flush()
        sys.stderr.flush()
        part = f"{self.path}.{os.getpid()}"
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            size = api.freeze_to(
                fd, stack, match=self.match,
                fields={"seed": self.seed, "path": sys.path, "argv": sys.argv, "modules": self.match.baseline.modules},
                segments=[("baseline", self.match.baseline.to_bytes())],
            )  # fmt: skip
        except Unmovable as refused:
            os.unlink(part)
            self.gathering.release()
            if self.attempts < _PATIENCE:
                return False
            _refuse(refused)
            return True
        finally:
            os.close(fd)
        if not self.gathering.holds() or _signal.sigpending() - {SIGNAL}:
            os.unlink(part)  # a thread has woken up meanwhile, or a signal waits for the program's handler
            self.gathering.release()
            return False
        os.replace(part, self.path)
        _report({"frozen": self.path, "size": size, "ms": round((time.perf_counter() - began) * 1e3, 2)})
        os._exit(FROZEN)


def _report(what: dict[str, Any]) -> None:
    if "SOJOURN_REPORT" in os.environ:
        os.write(2, api.file.encode(what).encode() + b"\n")


def _refuse(error: SojournError) -> None:
    """Tell it; the program goes on."""
    if "SOJOURN_REPORT" in os.environ:
        _report({"error": error.to_wire()})
    else:
        fail(error)


def _freeze_after(seconds: float) -> None:
    parent = os.getpid()
    if os.fork() == 0:
        devices = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(devices, fd)
        time.sleep(seconds)
        while os.getppid() == parent:
            os.kill(parent, SIGNAL)
            time.sleep(_TAP)
        os._exit(0)


def run(program: str, arguments: list[str], image: str, freeze_after: float | None) -> None:
    """Run a program as `python PROGRAM ARGUMENTS` would, until it ends or is frozen."""
    seed = with_seed()
    path = os.path.abspath(program)
    try:
        with open(path, "rb") as source:
            code = compile(source.read(), program, "exec")
    except (OSError, SyntaxError) as failure:
        raise UsageError(f"{program} cannot be run: {failure}") from None
    sys.argv = [program, *arguments]
    sys.path[0] = os.path.dirname(path)
    main = ModuleType("__main__")
    main.__dict__.update(__file__=program, __builtins__=sys.modules["builtins"], __cached__=None)
    sys.modules["__main__"] = main
    _Freezer(os.path.abspath(image), seed, _bottom.__code__).install()
    if freeze_after is not None:
        _freeze_after(freeze_after)
    _bottom(exec, code, main.__dict__)


def _bottom(program: Any, *arguments: Any) -> None:
    """The frame under the program's outermost one: nothing of ours may stand between the two."""
    program(*arguments)


def resume(image: str, again: str | None, freeze_after: float | None) -> None:
    """Go on with the program that an image holds."""
    try:
        with open(image, "rb") as source:
            data = bytearray(source.read())  # mapping it would take the lowest descriptor, which may be the program's
    except OSError as failure:
        raise UsageError(f"{image}: {failure.strerror}") from None
    opened = api.Image.parse(memoryview(data))
    seed, names = opened.header.get("seed"), opened.header.get("modules")
    if type(seed) is not str or not seed.isdigit() or type(names) is not list:
        raise BadImage("the image was not written by this command")
    reasons = [
        each for each in opened.origin.reasons(api.file.Origin.here()) if not each.startswith("hash seed")
    ]
    if reasons:
        raise Refused("the image belongs to another interpreter", reasons=reasons)
    with_seed(seed)
    opened.origin.check()
    sys.path += [
        each for each in opened.header["path"] if each not in sys.path and each.startswith(_folders())
    ]
    api.import_modules(name for name in names if name != "__main__")
    match = api.match(bytes(opened.segment("baseline")))
    thawed = api.thaw_from(opened, match=match)
    del opened, data
    _Freezer(os.path.abspath(again or image), seed, _bottom.__code__, match).install()
    if freeze_after is not None:
        _freeze_after(freeze_after)
    _bottom(thawed.release())


def show(image: str) -> dict[str, Any]:
    """What an image says of itself."""
    fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        opened = api.Image.open(fd)
    finally:
        os.close(fd)
    sizes = {name: segment.size for name, segment in opened.segments.items()}
    return {**{k: v for k, v in opened.header.items() if k != "modules"}, "segments": sizes}


def fail(error: SojournError) -> int:
    """Say what went wrong; the exit status."""
    os.write(2, f"sojourn.frames: {error}\n".encode())
    for reason in getattr(error, "reasons", ()):
        os.write(2, f"  {reason}\n".encode())
    return 2

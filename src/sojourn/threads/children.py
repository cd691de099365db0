"""Child processes: `await threads.call(["make", "-j2"])`; its end is waited for through a descriptor."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from sojourn.threads.descriptors import Descriptor, offload, readable
from sojourn.threads.group import Group

PIPE, DEVNULL, STDOUT = subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT


class Child:
    """As `subprocess.Popen`, whose keywords it takes; its pipes are `Descriptor`s."""

    def __init__(self, command: Sequence[str] | str, **keywords: Any) -> None:
        self.raw = subprocess.Popen(command, bufsize=0, **keywords)
        self.stdin = _own(self.raw.stdin)
        self.stdout = _own(self.raw.stdout)
        self.stderr = _own(self.raw.stderr)

    @property
    def pid(self) -> int:
        return self.raw.pid

    @property
    def returncode(self) -> int | None:
        return self.raw.poll()

    async def wait(self) -> int:
        """Its exit status, when it has ended."""
        if self.raw.poll() is None:
            try:
                descriptor = os.pidfd_open(self.raw.pid)
            except (AttributeError, OSError):  # another system, or it has just ended
                return await offload(self.raw.wait)
            try:
                while self.raw.poll() is None:
                    await readable(descriptor)
            finally:
                os.close(descriptor)
        status = self.raw.poll()
        assert status is not None
        return status

    async def communicate(self, data: bytes | None = None) -> tuple[bytes | None, bytes | None]:
        """Send the data, read all that it writes, wait for its end."""
        outs: list[Any] = []
        async with Group() as group:
            outs = [None if pipe is None else group.spawn(pipe.read_all) for pipe in (self.stdout, self.stderr)]
            if self.stdin is not None:
                try:
                    await self.stdin.write(data or b"")
                except BrokenPipeError:  # it does not want to know
                    pass
                self.stdin.close()
        await self.wait()
        out, err = [None if reader is None else reader.result() for reader in outs]
        return out, err

    def send_signal(self, number: int) -> None:
        self.raw.send_signal(number)

    def terminate(self) -> None:
        self.raw.terminate()

    def kill(self) -> None:
        self.raw.kill()

    def close(self) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                pipe.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """It has ended when the block is left: by itself, or killed if that was left by an exception."""
        if error is not None and self.raw.poll() is None:
            self.raw.kill()
        try:
            await self.wait()
        finally:
            self.close()


def _own(pipe: Any) -> Descriptor | None:
    """The pipe's descriptor, which is ours alone from now on."""
    if pipe is None:
        return None
    descriptor = Descriptor(os.dup(pipe.fileno()))
    os.set_inheritable(descriptor.fileno(), False)
    pipe.close()
    return descriptor


async def call(
    command: Sequence[str] | str, *, input: bytes | None = None, check: bool = False, **keywords: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end; output and errors are kept, unless the keywords say otherwise. As `subprocess.run`."""
    keywords.setdefault("stdout", PIPE)
    keywords.setdefault("stderr", PIPE)
    async with Child(command, stdin=DEVNULL if input is None else PIPE, **keywords) as child:
        out, err = await child.communicate(input)
    done = subprocess.CompletedProcess(command, child.returncode or 0, out, err)  # pyright: ignore[reportArgumentType]
    if check:
        done.check_returncode()
    return done  # pyright: ignore[reportReturnType]

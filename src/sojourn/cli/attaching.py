"""What `sojourn attach`, and `run -t`, do while they are attached: the local terminal to the program's and back.

Theory. With a terminal on both sides, ours is raw: every key goes to the program's, which makes of Ctrl-C what the
program has asked for. Where the program has none, lines are sent, and Ctrl-C is passed on as a signal.

Signals are heard by the event loop and end it in order, so that every way out passes the place where the local
terminal gets its settings back: the program's end, the keys that detach, an error, TERM, HUP, INT and QUIT from
outside. Only KILL leaves it as it is. TSTP gives it back for as long as we are stopped.

Guarantee: being detached, however it comes about, leaves the program running.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sojourn.cli.keys import Watch
from sojourn.cli.terminals import local_size
from sojourn.client import AsyncProcess, Chunk, Ended, connect_async
from sojourn.client.terminals import AsyncAttachment
from sojourn.errors import Busy, SojournError, WrongState

Emit = Callable[[Chunk], None]


class Left(Exception):
    """Detached: by the keys (`signal` 0), or by a signal."""

    def __init__(self, signal: int = 0) -> None:
        super().__init__(signal)
        self.signal = signal


def attach(
    home: Path, name: str, emit: Emit, *, keys: bytes, stdin: bool = True, tail: int | None, raw: bool = True
) -> Ended:
    """Stay with a process until it ends; how it ended. Raises Left when detached before.

    Args:
        emit: gets its output.
        keys: detach when they are typed.
        stdin: send it what is typed here.
        tail: about how many bytes of earlier output come first; None for all.
        raw: the local terminal is the program's, if both have one.
    """
    return asyncio.run(_Stay(home, name, emit, keys=keys, stdin=stdin, tail=tail, raw=raw).run())


class _Stay:
    """One attachment from beginning to end."""

    def __init__(
        self, home: Path, name: str, emit: Emit, *, keys: bytes, stdin: bool, tail: int | None, raw: bool
    ) -> None:
        self._home = home
        self._name = name
        self._emit = emit
        self._watch = Watch(keys)
        # A terminal that another program has in the foreground is left alone.
        foreground = os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
        self._stdin = stdin and (foreground or not os.isatty(0))
        self._local = _Local() if not (raw and foreground) else _Raw(keys=stdin)
        self._tail = tail
        self._why: asyncio.Future[None]

    async def run(self) -> Ended:
        self._why = asyncio.get_running_loop().create_future()
        async with await connect_async(self._home) as cluster:
            process = await cluster.process(self._name)
            has_terminal = (await process.info()).terminal
            local = self._local if has_terminal else _Local()
            async with process.attach(tail=self._tail) as attachment:
                with local, self._signals(process, attachment, local, has_terminal):
                    return await self._stay(process, attachment)

    async def _stay(self, process: AsyncProcess, attachment: AsyncAttachment) -> Ended:
        works = [asyncio.create_task(self._show(attachment))]
        if self._stdin:
            works.append(asyncio.create_task(self._type(attachment)))
        try:
            await asyncio.wait([works[0], self._why], return_when=asyncio.FIRST_COMPLETED)
            if self._why.done():
                self._why.result()
            await works[0]
            return await process.wait()
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    def _leave(self, why: BaseException) -> None:
        if not self._why.done():
            self._why.set_exception(why)

    async def _show(self, attachment: AsyncAttachment) -> None:
        async for chunk in attachment:
            self._emit(chunk)

    # -- what is typed ---------------------------------------------------------------------------

    async def _type(self, attachment: AsyncAttachment) -> None:
        try:
            async for data in _standard_input():
                typed, detached = self._watch.feed(data)
                if typed:
                    await _patiently(attachment, typed)
                if detached:
                    self._leave(Left())
                    return
            await _patiently(attachment, b"", eof=True)
        except WrongState:
            pass  # it has ended: the end of its output tells
        except SojournError as why:
            self._leave(why)

    # -- signals ---------------------------------------------------------------------------------

    @contextmanager
    def _signals(
        self, process: AsyncProcess, attachment: AsyncAttachment, local: _Local, has_terminal: bool
    ) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        requests: set[asyncio.Task[None]] = set()

        def ask(work: Any) -> None:
            task = asyncio.ensure_future(_quietly(work))
            requests.add(task)
            task.add_done_callback(requests.discard)

        def resize(*, redraw: bool = False) -> None:
            if self._stdin and has_terminal and (size := local_size()) is not None:
                ask(attachment.resize(*size, redraw=redraw))

        def stop() -> None:
            local.restore()
            os.kill(os.getpid(), signal.SIGSTOP)

        def go_on() -> None:
            local.take()
            resize(redraw=True)

        handlers: dict[int, Callable[[], None]] = {
            number: lambda number=number: self._leave(Left(number))
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
        }
        handlers |= {signal.SIGWINCH: resize, signal.SIGTSTP: stop, signal.SIGCONT: go_on}
        handlers[signal.SIGINT] = (
            (lambda: self._leave(Left(signal.SIGINT)))
            if has_terminal
            else lambda: ask(process.signal(signal.SIGINT))
        )
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        resize(redraw=self._tail is not None)  # who comes later wants to see the whole screen
        try:
            yield
        finally:
            for task in requests:
                task.cancel()
            for number in handlers:
                loop.remove_signal_handler(number)


async def _quietly(work: Any) -> None:
    with suppress(SojournError):  # it has ended, or is on its way: nobody waits for this
        await work


async def _patiently(attachment: AsyncAttachment, data: bytes, *, eof: bool = False) -> None:
    """Types, however long a move that waits for the control plane holds the process."""
    while True:
        try:
            return await attachment.write(data, eof=eof)
        except Busy:
            continue


async def _standard_input() -> AsyncIterator[bytes]:
    """What comes on our standard input, to its end."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    try:
        loop.add_reader(0, readable.set)
    except PermissionError:  # a file, which is always readable
        readable.set()
    except OSError:  # none at all
        return
    try:
        while True:
            await readable.wait()
            try:
                data = os.read(0, 1 << 14)
            except OSError:  # the terminal has gone
                return
            if not data:
                return
            yield data
            await asyncio.sleep(0)
            if os.isatty(0) or not os.path.isfile("/proc/self/fd/0"):
                readable.clear()
    finally:
        with suppress(OSError, ValueError):
            loop.remove_reader(0)


# ---- the local terminal --------------------------------------------------------------------------------------------


class _Local:
    """The local terminal, left as it is."""

    def __enter__(self) -> _Local:
        self.take()
        return self

    def __exit__(self, *exc: object) -> None:
        self.restore()

    def take(self) -> None: ...
    def restore(self) -> None: ...


class _Raw(_Local):
    """The local terminal as the program's: what comes is shown as it is, and with `keys` every key is sent."""

    def __init__(self, *, keys: bool) -> None:
        self._before = termios.tcgetattr(0)
        self._keys = keys

    def take(self) -> None:
        if self._keys:
            tty.setraw(0, termios.TCSANOW)
            return
        settings = termios.tcgetattr(0)
        settings[1] &= ~termios.OPOST
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(0, termios.TCSANOW, settings)

    def restore(self) -> None:
        # In the background we would be stopped for it.
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            with suppress(termios.error):  # the terminal has gone
                termios.tcsetattr(0, termios.TCSANOW, self._before)
        finally:
            signal.signal(signal.SIGTTOU, before)


def farewell(name: str) -> None:
    """Says how to come back."""
    print(f"\ndetached from {name}, which goes on; `sojourn attach {name}` comes back", file=sys.stderr)

"""What an owner does with a process that is here: end it, signal it, write to it, read its output, move it away.

Everything that touches the host waits until no move has the process in its hands, and is refused as stale when the move
took it away: whoever asked then asks the next owner.
"""

from __future__ import annotations

import asyncio
import signal as signals
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from sojourn.errors import StaleEpoch, UsageError, WrongState
from sojourn.node.departure import depart
from sojourn.node.processes import Process
from sojourn.node.requests import Logs, Move, Named, Signal, Stdin, Stop
from sojourn.node.talk import Emit
from sojourn.resources.log import STREAM_NAMES, Position

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

BATCH = 256 << 10  # bytes of log sent at a time

Handler = Callable[[Process, Any, Emit], Awaitable[Any]]


class Owner:
    """Operations on the processes of one node. `kinds` has the arguments of each."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.kinds: dict[str, type[Named]] = {
            "logs": Logs, "stop": Stop, "kill": Named, "signal": Signal, "stdin": Stdin, "move": Move,
        }  # fmt: skip
        self._handlers: dict[str, Handler] = {
            "logs": self._logs,
            "stop": self._stop,
            "kill": self._kill,
            "signal": self._signal,
            "stdin": self._stdin,
            "move": self._move,
        }

    def also(self, table: dict[str, tuple[type[Named], Handler]]) -> None:
        """Operations that live in modules of their own."""
        for op, (kind, handler) in table.items():
            self.kinds[op], self._handlers[op] = kind, handler

    async def do(self, op: str, process: Process, asked: Named, emit: Emit) -> Any:
        """One operation. Raises StaleEpoch when the process is not here any more."""
        return await self._handlers[op](process, asked, emit)

    async def _stop(self, process: Process, asked: Stop, emit: Emit) -> Any:
        await process.hands_off()
        if process.over.is_set():
            return
        self._host_signal(process, signals.SIGTERM)
        try:
            async with asyncio.timeout(asked.grace):
                await first(process.over.wait(), process.gone.wait())
        except TimeoutError:
            await self._kill(process, asked, emit)
        if process.departed:
            raise StaleEpoch(f"{process.name} has moved away")
        await process.written()

    async def _kill(self, process: Process, asked: Named, emit: Emit) -> Any:
        if process.can_kill is None or not process.can_kill():
            await process.hands_off()
        if process.host is not None and not process.over.is_set():
            await process.host.kill()
            await process.hands_off()
            await process.over.wait()
        await process.written()

    async def _signal(self, process: Process, asked: Signal, emit: Emit) -> Any:
        await process.hands_off()
        if process.over.is_set():
            raise WrongState(f"{process.name} has ended")
        self._host_signal(process, asked.signal)

    def _host_signal(self, process: Process, number: int) -> None:
        assert process.host is not None
        try:
            process.host.signal(number)
        except ProcessLookupError:
            pass  # it has just ended, and is being attended
        except (ValueError, OSError) as why:
            raise UsageError(f"signal {number} cannot be sent to {process.name}: {why}") from why

    async def _stdin(self, process: Process, asked: Stdin, emit: Emit) -> Any:
        await process.hands_off()
        if process.over.is_set() or process.host is None:
            raise WrongState(f"{process.name} has ended")
        await process.host.write_stdin(asked.data, eof=asked.eof)

    async def _logs(self, process: Process, asked: Logs, emit: Emit) -> Any:
        """Batches with the position behind each, so that whoever relays them can go on elsewhere."""
        position = Position(*asked.at)
        wanted = {number: name for number, name in STREAM_NAMES.items() if getattr(asked, name)}
        process.readers += 1
        try:
            while True:
                records, position = process.output.read(position, limit=BATCH)
                chunks = [(wanted[r.stream], r.data) for r in records if r.stream in wanted]
                if records:
                    await emit({"chunks": chunks, "at": (position.epoch, position.offset)})
                elif process.departed:
                    raise StaleEpoch(f"{process.name} has moved away")
                elif not asked.follow or (not await process.output.grown(position) and not process.departed):
                    break
        finally:
            process.readers -= 1
            process.close_log()
        if process.exit is None:
            return {}
        return {"exit_code": process.exit.code, "signal": process.exit.signal}

    async def _move(self, process: Process, asked: Move, emit: Emit) -> Any:
        process.check_free()
        await process.hands_off()  # it may have arrived this moment, with its confirmation on the way
        return await depart(self._node, process, asked.node, asked.deadline, emit)


async def first(*works: Any) -> None:
    """Until one of them is done."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()

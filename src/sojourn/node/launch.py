"""Starting a process: its name first, then its host; and nothing left behind when either fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from sojourn._util import clock
from sojourn._util.ids import new_id
from sojourn.errors import NameTaken, StaleEpoch, Unavailable
from sojourn.machines.base import StartSpec
from sojourn.model.process import State
from sojourn.names.registry import Known, Record
from sojourn.node import naming
from sojourn.node.processes import PACE, told_of
from sojourn.node.requests import Run
from sojourn.node.spaces import bring
from sojourn.resources.log import Log
from sojourn.wire import events

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

T = TypeVar("T")


async def launch(node: Node, asked: Run) -> Record:
    """Start a process here; its record. Raises NameTaken, UsageError, Unavailable."""
    node.refuse_when_draining()
    machine = node.machine("python")
    if asked.workspace is not None:
        await bring(node, asked.workspace, asked.holder)
    program = asked.program or asked.module or ""
    record = Record(
        name=asked.name or naming.made_for(program),
        id=new_id(),
        node=node.name,
        address=node.address,
        machine=machine.kind,
        started=clock.wall(),
        terminal=asked.terminal is not None,
        program=" ".join([program if asked.program else f"-m {program}", *asked.args])[:500],
    )
    node.expected.add(record.id)
    try:
        known = await take_name(node, record, _another if asked.name is None else None)
        record = known.record
        output = Log(node.log_folder(record.id), record.epoch)
        spec = StartSpec(
            id=record.id,
            name=record.name,
            epoch=record.epoch,
            node=node.name,
            python=asked.python,
            program=asked.program,
            module=asked.module,
            args=asked.args,
            cwd=asked.cwd,
            env=asked.env,
            terminal=asked.terminal and asked.terminal.checked(),
            limits=asked.limits and asked.limits.checked(),
            workspace=asked.workspace and msgspec.structs.replace(asked.workspace, id=record.id),
        )
        try:
            host = await machine.start(spec, output)
        except BaseException:
            output.remove()
            node.spawn(forget(node, known))
            raise
        process = node.keep(known, host, output)
    finally:
        node.expected.discard(record.id)
    running = {"state": State.RUNNING, "pid": host.pid, "limits": host.in_force}
    process.publish(**running)
    told = told_of(record, node.name)
    node.events.tell(events.Started(**told, program=record.program, pid=host.pid))
    await process.soon_written()
    return msgspec.structs.replace(process.record, **running)


def _another(name: str) -> str:
    return naming.made_for(name.rpartition("-")[0])


async def take_name(node: Node, record: Record, another: Callable[[str], str] | None) -> Known:
    """Create the record; under `another` name than that which is taken, where it was made up here.

    Raises: NameTaken, Unavailable (and if it lands all the same, it is removed).
    """
    while True:
        try:
            revision = await node.registry.create(record)
        except Unavailable:
            node.spawn(_never_was(node, record))
            raise
        except NameTaken:
            if another is None:
                raise
            record = msgspec.structs.replace(record, name=another(record.name))
            continue
        node.directory.wrote(record, revision)
        return Known(record, revision)


async def _never_was(node: Node, record: Record) -> None:
    """A record was refused for want of an answer, but may still land: take its place, and free the name."""
    node.expected.add(record.id)  # it is nobody's business to declare it lost
    try:
        while True:
            try:
                known = Known(record, await node.registry.create(record))  # beats the one that is under way
            except Unavailable:
                await asyncio.sleep(PACE)
                continue
            except NameTaken:
                found = await patiently(lambda: node.registry.get(record.name))
                if found is None or found.record.id != record.id:
                    return
                known = found
            await forget(node, known)
            return
    finally:
        node.expected.discard(record.id)


async def forget(node: Node, known: Known) -> None:
    """Remove the record of a process that never ran."""
    name = known.record.name
    try:
        node.directory.deleted(name, await patiently(lambda: node.registry.delete(name, known.revision)))
    except StaleEpoch:
        pass  # somebody else did


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """The answer, however long the control plane is away."""
    while True:
        try:
            return await call()
        except Unavailable:
            await asyncio.sleep(PACE)

"""The templates that one node keeps: one start of each at a time, a new one after one has ended, and not too many.

Concepts. A *cold* template is one for each interpreter and what its start depends on; there are few. A *warm* one has
the world of one program at hand, so there could be as many as programs that ever came here; those that nobody came for
are let go, the one that was wanted longest ago first. Hosts do not need the template that they were forked from.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from sojourn.machines.python.interpreters import Probed
from sojourn.machines.python.messages import Order
from sojourn.machines.python.templates import HasThreads, Key, Template

MOST = 16  # warm templates, of 15 to 40 MB each, the most of it shared
RECENT = 60.0  # seconds; whoever was handed a template has ordered from it by then
AFTER = 4  # workspaces that have left, and may come back, keep their templates

Mark: TypeAlias = tuple[Key, str | None, tuple[str, ...], tuple[tuple[str, str], ...]]  # what a warm template is for


class Shelf:
    """The templates of one machine. `inside`: the folder of the zips that they import us from."""

    def __init__(self, inside: Path) -> None:
        self._inside = inside
        self._cold: dict[Key, asyncio.Task[Template | None]] = {}
        self._warm: dict[Mark, asyncio.Task[Template | None]] = {}  # the longest unwanted first
        self._wanted: dict[Mark, float] = {}  # when somebody asked for it last, by the monotonic clock
        self._left: list[str] = []  # roots of workspaces that have gone from here, whose templates are still warm

    async def cold(self, probed: Probed, key: Key) -> Template:
        """The template that programs of this key start from."""
        template = await _kept(self._cold, key, lambda: Template.spawn(probed, key, self._inside))
        assert template is not None
        return template

    async def warm(self, base: Template, key: Key, order: Order) -> Template | None:
        """One forked from `base` that has the world of the order; None where there cannot be one."""

        async def make() -> Template | None:
            try:
                return await base.warm(order)
            except HasThreads:
                return None

        mark = (key, order.baseline, tuple(order.path or ()), tuple(sorted(order.environment.items())))
        self._wanted[mark] = time.monotonic()
        if mark in self._warm:
            self._warm[mark] = self._warm.pop(mark)
        try:
            return await _kept(self._warm, mark, make)
        finally:
            self._thin_out()

    def cool(self, root: str) -> None:
        """A workspace has left; its programs' templates may go, when some others have left after it."""
        self._left.append(root)
        while len(self._left) > AFTER:
            gone = self._left.pop(0)
            self._let_go(mark for mark in list(self._warm) if any(path.startswith(gone) for path in mark[2]))

    async def close(self) -> list[int]:
        """Ends them all; their pids."""
        tasks = [*self._cold.values(), *self._warm.values()]
        for task in tasks:
            task.cancel()
        made = await asyncio.gather(*tasks, return_exceptions=True)
        templates = [template for template in made if isinstance(template, Template)]
        for template in templates:
            await template.quiet()
            template.close()
        for template in templates:
            template.reap()
        self._cold.clear()
        self._warm.clear()
        return [template.pid for template in templates]

    def _thin_out(self) -> None:
        before = time.monotonic() - RECENT
        old = [mark for mark in self._warm if self._wanted[mark] < before]
        self._let_go(old[: max(0, len(self._warm) - MOST)])

    def _let_go(self, marks: Iterable[Mark]) -> None:
        for mark in marks:
            del self._wanted[mark]
            task = self._warm.pop(mark)
            if task.done() and not task.cancelled() and task.exception() is None:
                template = task.result()
                if template is not None:
                    template.close()


async def _kept(
    tasks: dict[Any, asyncio.Task[Template | None]], key: Any, make: Callable[[], Coroutine[Any, Any, Template | None]]
) -> Template | None:
    task = tasks.get(key)
    if task is None or (task.done() and _spoilt(task)):
        task = tasks[key] = asyncio.create_task(make())
    return await asyncio.shield(task)


def _spoilt(task: asyncio.Task[Template | None]) -> bool:
    if task.cancelled() or task.exception() is not None:
        return True
    template = task.result()
    return template is not None and not template.alive

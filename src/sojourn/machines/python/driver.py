"""The machine of kind "python" on one node: keeps its templates, and makes hosts from them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from sojourn._util import kernel
from sojourn.errors import UsageError
from sojourn.machines.base import Interpreter, StartSpec
from sojourn.machines.python.hosted import Carrier, PythonHost
from sojourn.machines.python.interpreters import Interpreters, Probed
from sojourn.machines.python.messages import Order
from sojourn.machines.python.templates import Key, Template
from sojourn.resources.log import Log

_said = logging.getLogger(__name__)


class PythonMachine:
    """See `machines.base.Machine`.

    Args:
        state: a folder of this node for what is made once: the inside zip, probes, baselines.
        seed: the cluster's hash seed (1 to 2**32 - 1).
        environment: the node's own, for what no request says.
    """

    kind = "python"

    def __init__(self, state: Path, *, seed: int, environment: Mapping[str, str] | None = None) -> None:
        self._state = state
        self._seed = seed
        self._environment = dict(os.environ if environment is None else environment)
        self._interpreters = Interpreters(state / "interpreters.json")
        self._templates: dict[Key, asyncio.Task[Template]] = {}
        self._carriers: set[Carrier] = set()
        kernel.become_subreaper()

    async def interpreters(self) -> Sequence[Interpreter]:
        return [probed.interpreter for probed in await self._interpreters.all(self._environment)]

    async def warm_up(self, environment: Mapping[str, str] | None = None) -> None:
        """Starts the template of the default interpreter ahead of the first request."""
        environment = self._environment if environment is None else environment
        probed = await self._interpreters.chosen(None, environment, "/")
        await self._template(probed, environment)

    async def start(self, spec: StartSpec, log: Log) -> PythonHost:
        if (spec.program is None) == (spec.module is None):
            raise UsageError("a process needs a program or a module, and not both")
        if not os.path.isdir(spec.cwd):
            raise UsageError(f"there is no directory {spec.cwd}")
        probed = await self._interpreters.chosen(spec.python, spec.env, spec.cwd)
        template = await self._template(probed, spec.env)
        order = Order(
            node=os.getpid(),
            cwd=spec.cwd,
            program=spec.program,
            module=spec.module,
            args=spec.args,
            environment=spec.env,
        )
        return PythonHost(await self._carrier(template, "start", order, log))

    async def close(self) -> None:
        for carrier in list(self._carriers):
            await carrier.kill()
        for task in self._templates.values():
            task.cancel()
        for template in await asyncio.gather(*self._templates.values(), return_exceptions=True):
            if isinstance(template, Template):
                await template.close()
        self._templates.clear()

    async def _carrier(self, template: Template, op: str, order: Order, log: Log) -> Carrier:
        carrier = await Carrier.begin(template, op, order, log, _said.warning)
        self._carriers.add(carrier)
        carrier.ended.add_done_callback(lambda _: self._carriers.discard(carrier))
        return carrier

    async def _template(self, probed: Probed, environment: Mapping[str, str]) -> Template:
        """The template for this environment: one start at a time, and a new one after one has ended."""
        key = Key.of(probed, self._seed, environment)
        task = self._templates.get(key)
        if task is None or (
            task.done() and (task.cancelled() or task.exception() or not task.result().alive)
        ):
            task = asyncio.create_task(Template.spawn(probed, key, self._state / "inside"))
            self._templates[key] = task
        return await asyncio.shield(task)

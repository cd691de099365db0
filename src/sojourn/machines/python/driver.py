"""The machine of kind "python" on one node: keeps its templates, and makes hosts from them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sojourn._util import kernel
from sojourn.errors import Refused, SojournError, UsageError
from sojourn.folders.store import Store
from sojourn.machines.base import Examined, Fetch, Interpreter, Offer, StartSpec, Trouble
from sojourn.machines.python import proc
from sojourn.machines.python.baselines import Baselines
from sojourn.machines.python.carrier import Carrier
from sojourn.machines.python.environments import Environments, Say
from sojourn.machines.python.examine import examine
from sojourn.machines.python.hosted import PAGE, PythonHeld, PythonHost
from sojourn.machines.python.interpreters import Interpreters, Probed
from sojourn.machines.python.messages import Order
from sojourn.machines.python.packages import Environment, translated
from sojourn.machines.python.shelf import Shelf
from sojourn.machines.python.templates import Key, Template
from sojourn.machines.python.workspace import Kept
from sojourn.machines.python.workspaces import Workspaces, sweep
from sojourn.resources import files
from sojourn.resources.limits import Held, Limiter, Limits, amount, available
from sojourn.resources.log import Log
from sojourn.resources.unread import Size

MATCH_WITHIN = 60.0  # seconds; some 10 ms for a small program, but an environment may be huge
logger = logging.getLogger(__name__)


class PythonMachine:
    """See `machines.base.Machine`.

    Args:
        state: a folder of this node for what is made once: the inside zip, probes, baselines.
        seed: the cluster's hash seed (1 to 2**32 - 1).
        environment: the node's own, for what no request says.
        blobs: the node's folder of blobs that came from others, or are to go to them.
    """

    kind = "python"

    def __init__(
        self,
        state: Path,
        *,
        seed: int,
        environment: Mapping[str, str] | None = None,
        blobs: Path | None = None,
    ) -> None:
        self._state = state
        self._seed = seed
        self._environment = dict(os.environ if environment is None else environment)
        self._interpreters = Interpreters(state / "interpreters.json")
        self._baselines = Baselines(state / "baselines")
        self._shelf = Shelf(state / "inside")
        self._store = Store(state.parent / "blobs" if blobs is None else blobs)
        self._workspaces = Workspaces(state, self._store)
        self._environments = Environments(state.parent / "environments")
        self._carriers: set[Carrier] = set()
        self._limiter = Limiter(groups=self._environment.get("SOJOURN_CGROUPS") != "off")
        self._lingering: list[Held] = []  # limits of programs that have ended and have left children
        self._sessions: set[int] = set()  # of every host there has been
        self.trouble: Trouble = _log_trouble
        kernel.become_subreaper()
        sweep(state)

    async def interpreters(self) -> Sequence[Interpreter]:
        return [probed.interpreter for probed in await self._interpreters.all(self._environment)]

    async def warm_up(self, environment: Mapping[str, str] | None = None) -> None:
        """Starts the template of the default interpreter ahead of the first request."""
        environment = self._environment if environment is None else environment
        probed = await self._interpreters.chosen(None, environment, "/")
        await self._template(probed, environment, self._seed)

    async def start(self, spec: StartSpec, log: Log) -> PythonHost:
        if (spec.program is None) == (spec.module is None):
            raise UsageError("a process needs a program or a module, and not both")
        if spec.workspace is None and not os.path.isdir(spec.cwd):
            raise UsageError(
                f"there is no directory {spec.cwd} at this node",
                advice="name a node that has it, or send it along with --with",
            )
        probed = await self._interpreters.chosen(spec.python, spec.env, spec.cwd)
        template = await self._template(probed, spec.env, self._seed)
        if spec.workspace is None:
            return await self._start(spec, probed, template, log, None)
        kept = await self._workspaces.create(spec.id, spec.workspace)
        try:
            return await self._start(inside(spec, kept.root), probed, template, log, kept)
        except BaseException:
            self._workspaces.release(spec.id)
            raise

    async def _start(
        self, spec: StartSpec, probed: Probed, template: Template, log: Log, kept: Kept | None
    ) -> PythonHost:
        order = Order(
            node=os.getpid(),
            cwd=spec.cwd,
            program=spec.program,
            module=spec.module,
            args=spec.args,
            environment=spec.env,
            terminal=spec.terminal is not None,
            workspace="" if kept is None else str(kept.root.resolve()),
            identity={
                "node": spec.node, "name": spec.name, "id": spec.id, "epoch": spec.epoch, "moves": 0,
            },
        )
        carrier = await self._carrier(template, "start", order, log, spec.terminal, spec.limits)
        identity = Offer(
            id=spec.id,
            name=spec.name,
            epoch=spec.epoch,
            machine=self.kind,
            interpreter=probed.interpreter,
            detail={
                "environment": spec.env,
                "cwd": spec.cwd,
                "terminal": order.terminal,
                "seed": self._seed,
                "limits": msgspec.to_builtins(spec.limits),
            },
        )
        return PythonHost(carrier, self._describer(identity, probed), kept)

    async def prepare(self, offer: Offer, log: Log, fetch: Fetch) -> PythonHeld:
        reasons, probed = await self._fit(offer)
        if reasons or probed is None:
            raise Refused("the target cannot take the process", reasons=reasons)
        if offer.workspace is None:
            return await self._prepare(offer, probed, log, fetch, None)
        kept = await self._workspaces.receive(offer.id, offer.workspace, fetch)
        try:
            return await self._prepare(offer, probed, log, fetch, kept)
        except BaseException:
            self._workspaces.release(offer.id)
            raise

    async def _prepare(
        self, offer: Offer, probed: Probed, log: Log, fetch: Fetch, kept: Kept | None
    ) -> PythonHeld:
        environment: dict[str, str] = offer.detail["environment"]
        cwd: str = offer.detail["cwd"]
        renamed = translated(offer.detail.get("paths") or probed.paths, probed.paths)
        entries: list[str] = offer.detail["path"]
        path = [renamed.get(entry, entry) for entry in entries]
        if kept is not None and not os.path.isdir(cwd):
            cwd = str(kept.root)  # the program has removed it since; where it is now it says itself
        order = Order(
            node=os.getpid(),
            cwd=cwd,
            environment=environment,
            path=path,
            renamed=renamed,
            terminal=offer.detail.get("terminal", False),
            baseline=str(await self._baselines.fetched(next(iter(offer.blobs)), fetch)),
            workspace="" if kept is None else str(kept.root.resolve()),
        )
        seed: int = offer.detail["seed"]  # of another cluster, where the process was frozen in one
        base = await self._template(probed, environment, seed)
        # A warm template if there can be one; else the held host does the imports itself.
        template = await self._shelf.warm(base, Key.of(probed, seed, environment), order) or base
        limits = msgspec.convert(offer.detail.get("limits"), Limits | None)
        carrier = await self._carrier(template, "hold", order, log, Size() if order.terminal else None, limits)
        return PythonHeld(carrier, self._describer(offer, probed), kept, lambda: self.forget(offer.id))

    def forget(self, process_id: str) -> None:
        kept = self._workspaces.of(process_id)
        if kept is None:
            return
        self._workspaces.release(process_id)
        self._shelf.cool(str(kept.root))

    async def examine(
        self, program: str, *, python: str | None, cwd: str, env: dict[str, str]
    ) -> Examined:
        probed = await self._interpreters.chosen(python, env, cwd)
        return await examine(Path(cwd) / program, probed)

    async def objections(self, offer: Offer) -> list[str]:
        return (await self._fit(offer))[0]

    async def _fit(self, offer: Offer) -> tuple[list[str], Probed | None]:
        """Why the process cannot come here, and the interpreter that it would have."""
        reasons = files.missing(offer.resources)
        if offer.size > (left := available()):
            reasons.append(
                f"it uses {amount(offer.size >> 20 << 20)} of memory, and there is {amount(left >> 20 << 20)} left"
            )
        inside = ""
        if offer.workspace is not None:
            inside = f"{offer.workspace.path}/"
            reasons += self._workspaces.objections(offer.id, offer.workspace)
        for folder in sorted({offer.detail["cwd"], offer.detail.get("folder") or offer.detail["cwd"]}):
            travels = inside and f"{folder}/".startswith(inside)
            if not travels and not os.path.isdir(folder):
                reasons.append(
                    f"the working directory {folder} is not here: start the program with "
                    "`sojourn run --with DIR`, and it travels along"
                )
        same = await self._interpreters.same(offer.interpreter)
        if same is not None and not _lacks(same, offer):  # nearly always: no need to look at all there are
            return reasons, same
        try:
            alike = await self._interpreters.like(
                offer.interpreter, self._environment, self._environments.pythons()
            )
        except SojournError as error:
            return [*reasons, error.message], None
        lacking = [(_lacks(probed, offer), probed) for probed in alike]
        least, probed = next((each for each in lacking if not each[0]), lacking[0])
        if least and offer.id:  # of a program that runs
            least.append(f"`sojourn node prepare NODE --like {offer.name}` makes an environment that has it all")
        return reasons + least, probed

    async def equip(self, offer: Offer, say: Say) -> dict[str, Any]:
        alike = await self._interpreters.like(offer.interpreter, self._environment)
        base = next((probed for probed in alike if not probed.is_virtual), alike[0])
        done = await self._environments.make(base.interpreter, offer.packages, say)
        probed = await self._interpreters.probe(done["python"])
        reasons = _lacks(probed, offer)
        if probed.interpreter.digest != offer.interpreter.digest or reasons:
            raise Refused("the environment was made, and is not like the process's", reasons=reasons)
        return done

    def blob(self, digest: str) -> Path | None:
        return self._baselines.path(digest) or self._workspaces.blob(digest)

    async def close(self) -> None:
        for carrier in list(self._carriers):
            await carrier.kill()
        await self._workspaces.close()
        templates = await self._shelf.close()
        for held in self._lingering:
            held.remove(others=True)
        self._limiter.close()
        proc.reap_strays(self._sessions.union(templates))

    def _describer(self, identity: Offer, probed: Probed):
        async def describe(host: PythonHost, found: dict[str, Any]) -> Offer:
            """The offer of a host that has been surveyed. It has matched its baseline when this returns, unless
            `matched` is None: then nobody wants it to move.
            """
            environment: dict[str, str] = identity.detail["environment"]
            seed: int = identity.detail["seed"]
            digest: str | None = found["matched"]  # stays matched for as long as it has imported nothing more
            path = self._baselines.path(digest) if digest is not None else None
            if path is None and digest is not None:
                order = Order(
                    node=os.getpid(),
                    cwd=identity.detail["cwd"],
                    environment=environment,
                    path=found["path"],
                    modules=found["modules"],
                )
                template = await self._template(probed, environment, seed)
                digest, path = await self._baselines.made(template, order, probed.interpreter.digest, seed)
                await host.ask("match", within=MATCH_WITHIN, baseline=str(path), digest=digest)
            blobs = {digest: path.stat().st_size} if digest is not None and path is not None else {}
            workspace = None
            if host.workspace is not None and blobs:
                workspace, chunks = await asyncio.to_thread(host.workspace.offer)
                blobs |= chunks
            return Offer(
                id=identity.id,
                name=identity.name,
                epoch=identity.epoch,
                machine=self.kind,
                interpreter=probed.interpreter,
                packages=Environment.of(probed.paths).used(found["files"].values(), probed.paths),
                size=found["pages"] * PAGE,
                resources=found["descriptors"],
                blobs=blobs,
                workspace=workspace,
                detail=identity.detail
                | {"folder": found["folder"], "path": found["path"], "paths": probed.paths},
            )

        return describe

    async def _carrier(
        self, template: Template, op: str, order: Order, log: Log, size: Size | None, limits: Limits | None
    ) -> Carrier:
        held = self._limiter.hold(limits)
        try:
            if held is not None:
                order.doors, order.processors = held.doors, held.processors
                if op == "start":  # else when it has been built
                    order.data = held.data
                    held.apply()
            carrier = await self._born(template, op, order, log, size, held)
        except BaseException:
            if held is not None:
                held.remove(others=True)
            raise
        return carrier

    async def _born(
        self, template: Template, op: str, order: Order, log: Log, size: Size | None, held: Held | None
    ) -> Carrier:
        def said(what: str, mended: bool) -> None:
            self.trouble(log.folder.name, what, mended)

        carrier = await Carrier.begin(template, op, order, log, said, size, held)
        self._carriers.add(carrier)
        self._sessions.add(carrier.pid)
        carrier.ended.add_done_callback(lambda _: self._ended(carrier))
        return carrier

    def _ended(self, carrier: Carrier) -> None:
        self._carriers.discard(carrier)
        proc.reap_strays(self._sessions)
        if carrier.held is not None:
            self._lingering.append(carrier.held)
        self._lingering = [held for held in self._lingering if not held.remove()]

    async def _template(self, probed: Probed, environment: Mapping[str, str], seed: int) -> Template:
        return await self._shelf.cold(probed, Key.of(probed, seed, environment))


def _log_trouble(process_id: str, what: str, mended: bool) -> None:
    logger.log(logging.INFO if mended else logging.WARNING, what, extra={"told": {"id": process_id}})


def _lacks(probed: Probed, offer: Offer) -> list[str]:
    where = f"{probed.interpreter.path} on the target"
    return Environment.of(probed.paths).lacks(offer.packages, where)


def inside(spec: StartSpec, root: Path) -> StartSpec:
    """The same start in the workspace at `root`: directory, program and $PWD."""
    assert spec.workspace is not None
    cwd = root / spec.workspace.cwd
    program = spec.program
    if program is not None and os.path.isabs(program):
        if not Path(program).is_relative_to(spec.workspace.origin):
            raise UsageError(f"{program} is not in the workspace")
        program = str(root / Path(program).relative_to(spec.workspace.origin))
    if not cwd.resolve().is_relative_to(root.resolve()) or not cwd.is_dir():
        raise UsageError(f"{spec.workspace.cwd} is no folder of the workspace")
    env = {**spec.env, "PWD": str(cwd)} if "PWD" in spec.env else spec.env
    return msgspec.structs.replace(spec, cwd=str(cwd), program=program, env=env)

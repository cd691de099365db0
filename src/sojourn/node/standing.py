"""How the control plane stands, and what it costs when this machine, or this node, ends (`model.plane`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from sojourn.model import plane as model
from sojourn.node.replica import without_expelled
from sojourn.node.requests import Nothing
from sojourn.node.talk import Emit
from sojourn.trust.identity import NODE

if TYPE_CHECKING:
    from sojourn.node.daemon import Node


class Standing:
    """As one node sees it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.table: dict[str, tuple[type, Callable[[Any, Emit], Awaitable[Any]]]] = {
            "plane": (Nothing, self._plane)
        }

    async def _plane(self, asked: Nothing, emit: Emit) -> Any:
        if not self._node.cluster.nats.expect:
            return {"told": "a NATS server of your own", "servers": [], "costs": [], "fatal": False}
        living = self._living()
        costs = model.costs(self._site, self._servers(), living)
        return {
            "told": model.told(self._servers(), living),
            "servers": [model.shown(site) for site in self._servers()],
            "costs": [cost.text for cost in costs],
            "fatal": any(cost.fatal for cost in costs),
        }

    def warnings(self) -> list[str]:
        """What the cluster loses when this node ends. (Another of its home would take over what it does.)"""
        living = self._living()
        if not self._node.cluster.nats.expect or set(living.get(self._site, ())) - {self._node.name}:
            return []
        return [cost.text for cost in model.costs(self._site, self._servers(), living)]

    @property
    def _site(self) -> str:
        return self._node.cluster.joined or model.HOST

    def _servers(self) -> tuple[str, ...]:
        plane = self._node.directory.plane()
        if plane is None:
            return (model.HOST,)
        return tuple(site.name for site in without_expelled(plane, self._node.directory))

    def _living(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for entry in self._node.directory.nodes():
            if not self._node.membership.expelled(NODE, entry.name) and not self._node.keeper.dead(entry.name):
                found.setdefault(entry.site, []).append(entry.name)
        return found

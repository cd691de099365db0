"""What programs ask for themselves: to be moved, to be copied. The program waits for the verdict meanwhile.

A wish is carried out like the same request of a client, and by the same code; only the freeze takes place where the
program waits. A program that is moved gets no verdict: it goes on at the target. One wish at a time, since it waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sojourn.errors import SojournError
from sojourn.machines.base import Host, Wish
from sojourn.node.cloning import Clone, Cloning
from sojourn.node.departure import depart
from sojourn.node.processes import Process

if TYPE_CHECKING:
    from sojourn.node.daemon import Node


class Wishes:
    """Of the processes of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._cloning = Cloning(node)

    def attend(self, process: Process, host: Host) -> None:
        """Hear this process from now on."""
        at_work: list[int] = []  # the number of the wish that is being carried out

        def wished(wish: Wish) -> None:
            if wish.kind != "none":
                at_work[:] = [wish.number]
                self._node.spawn(self._fulfil(process, host, wish))
            elif at_work == [wish.number] and process.call_off is not None:
                process.call_off()

        host.on_wish(wished)

    async def _fulfil(self, process: Process, host: Host, wish: Wish) -> None:
        try:
            done = await (self._hop if wish.kind == "hop" else self._clone)(process, wish)
        except SojournError as why:
            await host.verdict(wish.number, error=why)
        else:
            await host.verdict(wish.number, done)

    async def _hop(self, process: Process, wish: Wish) -> Any:
        process.check_free()  # busy: the program steps back, and lets that come first
        await process.hands_off()
        if wish.node != self._node.name:
            await depart(self._node, process, wish.node or "", None, _nobody, wish=wish.number)

    async def _clone(self, process: Process, wish: Wish) -> Any:
        process.check_free()
        asked = Clone(
            name=process.name,
            nodes=[wish.node] if wish.node else [],
            copy=wish.name,
            keep_random=wish.keep_random,
        )
        facts = await self._cloning.clone(process, asked, lambda _: None, wish=wish.number)
        return facts["copies"][0]["name"]


async def _nobody(item: Any) -> None:
    """The program hears of the outcome alone."""

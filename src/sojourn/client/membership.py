"""The verbs about who belongs to a cluster, for both clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from sojourn.client.calls import Call

if TYPE_CHECKING:
    from sojourn.client import aio, sync

Role = Literal["node", "client"]
HOUR = 3600.0


class JoinToken(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation. `token` is the text that the newcomer needs; whoever has it can join."""

    token: str
    url: str  # of the join door
    role: Role
    uses: int
    expires: float  # Unix time


class Expelled(msgspec.Struct, frozen=True, kw_only=True):
    """Who does not belong to the cluster any more, since when."""

    name: str
    role: Role
    expelled: float  # Unix time


def token(*, expires: float, uses: int, role: Role) -> Call[JoinToken]:
    return Call("token", {"expires": expires, "uses": uses, "role": role}, JoinToken)


def expel(name: str) -> Call[Expelled]:
    return Call("expel", {"name": name}, Expelled, repeatable=True)


class ClusterMembership:
    """Verbs of the blocking `Cluster`."""

    link: sync.Link

    def token(self, *, expires: float = HOUR, uses: int = 1, role: Role = "node") -> JoinToken:
        """Invite a machine, as a node or as a command line from afar. Only where `up` was run.

        Args:
            expires: seconds from now.
            uses: how many may join with it.
        """
        return self.link.ask(token(expires=expires, uses=uses, role=role))

    def expel(self, name: str) -> Expelled:
        """Take the membership of a node, or of a command line, for good. Its processes count as lost. Only where `up`
        was run. Raises NotFound.
        """
        return self.link.ask(expel(name))


class AsyncClusterMembership:
    """The same for asyncio."""

    link: aio.Link

    async def token(self, *, expires: float = HOUR, uses: int = 1, role: Role = "node") -> JoinToken:
        """As in the blocking client."""
        return await self.link.ask(token(expires=expires, uses=uses, role=role))

    async def expel(self, name: str) -> Expelled:
        """As in the blocking client."""
        return await self.link.ask(expel(name))

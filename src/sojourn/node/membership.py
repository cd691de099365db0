"""Who belongs to the cluster, as one node sees it: its own certificate, and what the registry says of the others.

A certificate of the cluster's authority says who somebody was when it was signed. Whether that still holds is in the
registry (`names.registry.Member`), which every node follows; so an expulsion is known to all of them as soon as they
hear of it, and a node that cannot reach the control plane goes by what it heard last.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from sojourn.errors import Unauthorized
from sojourn.names.directory import Directory
from sojourn.names.registry import Member
from sojourn.trust import contexts
from sojourn.trust.credentials import Credentials
from sojourn.trust.identity import CLIENT, NODE, Identity

KNOWN = 3.0  # seconds for the registry to tell of somebody who has just joined


class Membership:
    """One node's view.

    Args:
        me: this node.
        authority: the certificate of the cluster's authority.
        mine: this node's own.
        directory: what the registry says.
    """

    def __init__(self, me: Identity, authority: Path, mine: Credentials, directory: Directory) -> None:
        self.me = me
        self._authority = authority
        self._mine = mine
        self._directory = directory

    def serving(self) -> ssl.SSLContext:
        return contexts.serving(self._authority, self._mine)

    def calling(self) -> ssl.SSLContext:
        return contexts.calling(self._authority, self._mine)

    async def check(self, who: Identity) -> None:
        """Whether that one may speak to us. Raises Unauthorized."""
        if who.cluster != self.me.cluster or who.role not in (NODE, CLIENT):
            raise Unauthorized(f"{who} is no member of this cluster")
        try:
            async with asyncio.timeout(KNOWN):
                await self._directory.until(lambda: self._directory.member(who.role, who.name) is not None)
        except TimeoutError:
            raise Unauthorized(f"the registry knows no {who}") from None
        member = self._directory.member(who.role, who.name)
        assert member is not None
        if member.serial != who.serial:
            raise Unauthorized(f"{who} shows a certificate that is not the one it was given")
        if member.expelled:
            raise Unauthorized(f"{who} was expelled from the cluster", details={"expelled": who.name})

    def expelled(self, role: str, name: str) -> bool:
        member = self._directory.member(role, name)
        return member is not None and bool(member.expelled)


def identity_of(member: Member, cluster: str) -> Identity:
    return Identity(cluster, member.role, member.name, member.serial)

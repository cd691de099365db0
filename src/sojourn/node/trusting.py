"""What the user who ran `up` may ask about membership, over the control socket alone: tokens and expulsion."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn._util import clock
from sojourn.errors import Unavailable, UsageError
from sojourn.node import config, hosting
from sojourn.node.talk import Emit
from sojourn.trust.authority import fingerprint
from sojourn.trust.identity import CLIENT, NODE
from sojourn.trust.tokens import Tokens

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

LOCAL_ONLY = frozenset({"token", "expel", "down"})  # not for a command line from afar


class MakeToken(msgspec.Struct, kw_only=True):
    expires: float = 3600.0
    uses: int = 1
    role: str = NODE


class Expel(msgspec.Struct, kw_only=True):
    name: str


class Trusting:
    """The operations of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.table: dict[str, tuple[type, Callable[[Any, Emit], Awaitable[Any]]]] = {
            "token": (MakeToken, self._token),
            "expel": (Expel, self._expel),
        }

    async def _token(self, asked: MakeToken, emit: Emit) -> Any:
        if asked.role not in (NODE, CLIENT):
            raise UsageError(f"a token lets in a node or a client, not a {asked.role!r}")
        folder = self._authority()
        try:
            url = (folder / "door").read_text()
        except OSError as why:
            raise Unavailable("the join door is not open yet", advice="try again in a moment") from why
        token = Tokens(folder / "tokens").make(
            url=url,
            authority=fingerprint((folder / "ca.pem").read_bytes()),
            role=asked.role,
            expires=asked.expires,
            uses=asked.uses,
        )
        return {
            "token": token.text(),
            "url": url,
            "role": asked.role,
            "uses": asked.uses,
            "expires": clock.wall() + asked.expires,
        }

    async def _expel(self, asked: Expel, emit: Emit) -> Any:
        self._authority()
        member = await hosting.expel(self._node, self._node.home, self._node.cluster, asked.name)
        return {"name": member.name, "role": member.role, "expelled": member.expelled}

    def _authority(self) -> Path:
        """The folder of the cluster's authority. Raises UsageError where it is not."""
        if self._node.cluster.joined:
            raise UsageError(
                "the cluster's authority is not on this machine",
                advice="ask where `sojourn up` was run: while that machine is away nobody joins or is expelled, and all"
                " else goes on",
            )
        return config.authority(self._node.home)

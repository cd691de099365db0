"""A connection to the control plane, as whom a certificate names.

The client reconnects for ever, to whichever of the servers answers: those that it was given, and those that a server
tells it of. What it is answered arrives under a subject of its own, so that the servers can keep others from listening.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (nats-py leaves its containers untyped)
from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import nats
from nats.aio.client import Client

from sojourn.errors import Unauthorized, Unavailable
from sojourn.names.rights import inbox
from sojourn.names.server import Server
from sojourn.trust.identity import Identity

DEADLINE = 2.0  # seconds for one call
PING = 3  # seconds; after two that are not answered another server is tried


async def _nothing() -> None:
    pass


async def dial(
    server: Server,
    me: Identity,
    *,
    tls: ssl.SSLContext | None = None,
    reconnected: Callable[[], Awaitable[None]] = _nothing,
) -> Client:
    """Connect; with `tls` as whom its certificate names. Raises Unavailable, Unauthorized."""
    refusal: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
    refusals = 0
    # One of several may not have heard yet that we belong to the cluster, and a failure may be told twice.
    enough = 3 * len(server.urls) if len(server.urls) > 1 else 1

    async def noted(why: Exception) -> None:
        """Errors reach whoever made the call; only those of the first connection would be swallowed."""
        nonlocal refusals
        refusals += 1
        if not refusal.done() and refusals >= enough:
            refusal.set_result(why)

    opening = asyncio.ensure_future(
        nats.connect(
            server.urls,
            tls=tls,
            tls_hostname=server.expect or None,
            tls_handshake_first=tls is not None,
            inbox_prefix=f"_INBOX.{inbox(me)}",
            name=f"sojourn-{me.name}",
            connect_timeout=int(DEADLINE) or 1,
            reconnect_time_wait=0.2,
            max_reconnect_attempts=-1,
            ping_interval=PING,
            max_outstanding_pings=2,
            allow_reconnect=True,
            reconnected_cb=reconnected,
            error_cb=noted,
        )
    )
    patience = 2 * DEADLINE * len(server.urls)
    await asyncio.wait((opening, refusal), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    if opening.done() and not opening.exception():
        return opening.result()
    opening.cancel()  # it would go on trying for ever, with wrong credentials too
    why = refusal.result() if refusal.done() else (opening.done() and opening.exception()) or "no answer"
    if "authorization" in str(why).lower():
        raise Unauthorized(
            f"the control plane at {server.shown} does not let {me} in: {why}",
            advice="it was expelled, or the control plane is another cluster's",
        )
    raise Unavailable(f"the control plane at {server.shown} does not let us in: {why}")

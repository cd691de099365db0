"""Joining a cluster: the door at which the host lets newcomers in, and the newcomer's side of it.

The newcomer has a token. It fetches the authority's certificate, compares it with the fingerprint in the token, calls
again, now trusting nobody but that authority, and shows the token's secret with a request to have its new key signed.
The key never leaves the newcomer; the secret is only ever shown to the cluster it came from.

Who has no valid token learns the authority's certificate, which is public, and nothing else.
"""

from __future__ import annotations

import asyncio
import functools
import hmac
import logging
import secrets
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sojourn._util import clock
from sojourn.errors import (
    NameTaken,
    ProtocolError,
    SojournError,
    TransferCut,
    Unauthorized,
    Unavailable,
)
from sojourn.names.registry import Member, Registry
from sojourn.node import config
from sojourn.node.config import Cluster
from sojourn.node.door import Door, Welcomed, place
from sojourn.trust import authority as authorities
from sojourn.trust import contexts
from sojourn.trust.authority import Authority
from sojourn.trust.connection import Connection, refusal
from sojourn.trust.credentials import write_private
from sojourn.trust.identity import CLIENT, NODE, Identity, label
from sojourn.trust.tokens import Token, Tokens
from sojourn.wire import framing, joining

if TYPE_CHECKING:
    from sojourn.node.daemon import Node

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds for the newcomer's calls


class JoinDoor:
    """The host's side."""

    def __init__(self, node: Node, home: Path, cluster: Cluster, keeper: Registry) -> None:
        self._node = node
        self._home = home
        self._cluster = cluster
        self._keeper = keeper
        self._tokens = Tokens(config.authority(home) / "tokens")
        mine = config.credentials(home, node.name)
        self._door = Door("join door", contexts.open_door(mine), self._greet, members=False)

    async def open(self) -> None:
        """Listen where the door was before, if there was one. Raises Unavailable."""
        file = config.authority(self._home) / "door"
        port = place(file.read_text())[1] if file.exists() else 0
        url = await self._door.open(self._cluster.listen, port)
        write_private(file, url.encode())

    async def close(self) -> None:
        await self._door.close()

    async def _greet(self, connection: Connection) -> Welcomed:
        header = await connection.read_exactly(framing.HEADER.size)
        size = framing.length(header, cap=joining.QUESTION_CAP)
        asked = joining.question(await connection.read_exactly(size))
        if isinstance(asked, joining.Authority):
            pem = config.trusted(self._home).read_bytes()
            await connection.write(joining.encode(joining.Certificate(pem)))
            connection.close()
            return None
        try:
            if asked.version != joining.VERSION:
                raise ProtocolError(
                    f"the newcomer speaks version {asked.version}, this cluster {joining.VERSION}"
                )
            role = self._tokens.check(asked.id, asked.secret)
        except SojournError as why:
            await connection.write(joining.encode(joining.Denied(why.to_wire())))
            raise
        return functools.partial(self._admit, connection, asked, role)

    async def _admit(self, connection: Connection, asked: joining.Join, role: str) -> None:
        """Somebody with a valid token. What is wrong now, it is told."""
        try:
            try:
                answer = await self._join(asked, role)
            except SojournError as why:
                log.warning("a newcomer was not let in: %s", why)
                answer = joining.Denied(why.to_wire())
            async with asyncio.timeout(PATIENCE):
                await connection.write(joining.encode(answer))
        finally:
            connection.close()

    async def _join(self, asked: joining.Join, role: str) -> joining.Admitted:
        directory = self._node.directory
        name = label(asked.name) if asked.name else self._free(role)
        if directory.member(role, name) is not None:
            raise NameTaken(f"there is or was a {role} {name!r} already", advice="choose another with --name")
        who = Identity(self._cluster.cluster, role, name)
        # Worth nothing yet: members go by what is written down, and that comes after the token is used up.
        certificate, serial = await asyncio.to_thread(_sign, self._home, asked.request, who)
        self._tokens.use(asked.id, asked.secret)
        member = Member(role=role, name=name, serial=serial, since=clock.wall())
        await self._keeper.put_member(member, new=True)
        await directory.until(lambda: directory.member(role, name) is not None)
        log.info("%s was let in", who)
        return joining.Admitted(
            name=name,
            role=role,
            certificate=certificate,
            cluster=self._cluster.cluster,
            nats=msgspec.to_builtins(config.control(self._home, self._cluster)) if role == NODE else {},
            seed=self._cluster.seed,
            lease=self._cluster.options.lease,
            nodes={entry.name: entry.address for entry in directory.nodes()},
        )

    def _free(self, role: str) -> str:
        """A name that nobody has or had."""
        if role == CLIENT:
            return f"client-{secrets.token_hex(4)}"
        number = 1
        while self._node.directory.member(role, f"n{number}") is not None:
            number += 1
        return f"n{number}"


def _sign(home: Path, request: bytes, who: Identity) -> tuple[bytes, str]:
    return Authority(config.authority(home)).answer(request, who)


# -- the newcomer's side -------------------------------------------------------------------------


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `listen` is this machine's address as the cluster sees it."""

    authority: bytes
    key: bytes
    listen: str
    admitted: joining.Admitted


async def join(token: Token, url: str, name: str) -> Joined:
    """Ask to be let in. Raises Unauthorized, Unavailable, NameTaken, ProtocolError."""
    said, _ = await _ask(url, contexts.newcomer(None), joining.Authority())
    if not isinstance(said, joining.Certificate):
        raise ProtocolError(f"what answers at {url} is no join door")
    if not hmac.compare_digest(authorities.fingerprint(said.pem), token.authority):
        raise Unauthorized(
            f"the cluster at {url} is not the one that the token is for",
            advice="somebody may be in between, or the cluster was made anew: `sojourn token` makes a new token",
        )
    key, request = authorities.signing_request()
    asked = joining.Join(id=token.id, secret=token.secret, name=name, request=request)
    answer, listen = await _ask(url, contexts.newcomer(said.pem), asked)
    if isinstance(answer, joining.Denied):
        raise joining.denial(answer)
    if not isinstance(answer, joining.Admitted):
        raise ProtocolError(f"what answers at {url} is no join door")
    return Joined(authority=said.pem, key=key, listen=listen, admitted=answer)


async def _ask(url: str, context: ssl.SSLContext, question: joining.Question) -> tuple[joining.Answer, str]:
    """One question on a connection of its own, and our own address on it."""
    try:
        host, port = place(url)
    except ValueError:
        raise Unavailable(f"{url!r} is no address of a join door", advice="HOST:PORT") from None
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    connection = Connection(sock)
    try:
        async with asyncio.timeout(PATIENCE):
            await connection.connect((host, port))
            mine: str = sock.getsockname()[0]
            verified = context.verify_mode == ssl.CERT_REQUIRED
            await connection.secure(context, server=False, known=verified)
            if verified and (connection.peer is None or connection.peer.role != NODE):
                raise Unauthorized(f"{connection.peer} answered at the join door")
            await connection.write(joining.encode(question))
            header = await connection.read_exactly(framing.HEADER.size)
            body = await connection.read_exactly(framing.length(header, cap=joining.CAP))
            return joining.answer(body), mine
    except (OSError, TimeoutError, TransferCut) as why:
        said = refusal(why) if isinstance(why, ssl.SSLError) else why
        if isinstance(said, Unauthorized | ProtocolError):
            raise said from why
        raise Unavailable(f"no join door answers at {url}: {said or type(said).__name__}") from why
    finally:
        connection.close()

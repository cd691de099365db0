"""The registry on NATS JetStream: one key-value bucket per cluster, keys `process.NAME`, `node.NAME`,
`member.ROLE.NAME` and, once there are several servers, `plane.servers`.

Everything is a publish with the expected last sequence of its subject, which is the compare-and-set; the
stream's sequence is the revision. The key-value layer of nats-py is not used for writes, since four things
there do not hold for leases: an expired key with a marker reads as an entry without a value and makes
`create` fail; `update` takes no time to live and a plain put drops it; the time is whole seconds; and
without markers watchers hear nothing of an expiry. So: markers on, and each write says its expected
sequence and its time to live itself.

The client reconnects for ever (`connection`). What it could not send while the server was away it sends afterwards: a
delayed write, which the compare-and-set makes harmless.

The watch is a push consumer of our own rather than the client library's: after any gap, silence or
reconnection it begins again with a snapshot, so that a node's copy of the registry heals by itself.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (nats-py leaves its containers untyped)
from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api

from sojourn.errors import NameTaken, StaleEpoch, Unavailable
from sojourn.names.connection import DEADLINE, dial
from sojourn.names.directory import PLANE
from sojourn.names.registry import Change, Known, Member, NodeEntry, Plane, Record, Snapshot, Synced
from sojourn.names.server import Server
from sojourn.trust.identity import Identity

HEARTBEAT = 2.0  # seconds between signs of life of a watch
UNDER_WAY = 0.02  # seconds between looks at a write that is under way
PATIENCE = 3  # attempts to watch at one server that came to nothing
MARKER_TTL = 60.0  # seconds that an expiry stays visible to those who begin to watch
TOMBSTONE_TTL = 600  # seconds that a removed name is remembered
LEASE_TRIES = 10  # after an outage renewals that were delayed land one by one
WRONG_SEQUENCE = (10071, 10164)  # JSStreamWrongLastSequence, ...Constant

_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_TTL = "Nats-TTL"
_OPERATION = "KV-Operation"
_MARKER = "Nats-Marker-Reason"

_encoder = msgspec.json.Encoder()
_records = msgspec.json.Decoder(Record)
_nodes = msgspec.json.Decoder(NodeEntry)
_members = msgspec.json.Decoder(Member)
_planes = msgspec.json.Decoder(Plane)


class NatsRegistry:
    """`names.registry.Registry` over one NATS connection."""

    def __init__(self, client: Client, bucket: str, *, deadline: float = DEADLINE) -> None:
        self._client = client
        self._bucket = bucket
        self._stream = f"KV_{bucket}"
        self._deadline = deadline
        self._js = client.jetstream(timeout=deadline)
        self._reconnected = asyncio.Event()
        self._queue: asyncio.Queue[Msg | None] | None = None  # of the running watch; None in it: look around

    @classmethod
    async def connect(
        cls, server: Server, me: Identity, *, tls: ssl.SSLContext | None = None
    ) -> NatsRegistry:
        """Connect and make the bucket if it is missing; with `tls` as whom its certificate names.
        Raises Unavailable, Unauthorized.
        """
        registry: NatsRegistry | None = None

        async def note() -> None:
            if registry is not None:
                registry._reconnected.set()
                if registry._queue is not None:
                    registry._queue.put_nowait(None)

        client = await dial(server, me, tls=tls, reconnected=note)
        registry = cls(client, f"sojourn-{me.cluster}")
        try:
            await registry._make()
        except BaseException:
            await registry.close()
            raise
        return registry

    @property
    def client(self) -> Client:
        """The connection, for what else the cluster keeps at the control plane."""
        return self._client

    async def _make(self) -> None:
        """The bucket, unless it is there. (It may have more replicas by now than it was made with.)"""
        async with _answering("making the bucket"):
            try:
                await self._js.stream_info(self._stream)
            except nats.js.errors.NotFoundError:
                await self._js.create_key_value(
                    bucket=self._bucket, storage=api.StorageType.FILE, limit_marker_ttl=MARKER_TTL
                )

    # -- records ---------------------------------------------------------------------------------

    async def create(self, record: Record) -> int:
        key, value = f"process.{record.name}", _encoder.encode(record)
        revision = await self._write(key, value, 0)
        if revision is None:  # perhaps only the tombstone of a removed name
            last, found = await self._last(key)
            revision = await self._write(key, value, last) if found is None else None
        if revision is None:
            raise NameTaken(
                f"the name {record.name!r} is taken", advice="choose another, or `sojourn rm` the old one"
            )
        return revision

    async def update(self, record: Record, revision: int) -> int:
        written = await self._write(f"process.{record.name}", _encoder.encode(record), revision)
        if written is None:
            raise StaleEpoch(f"the record of {record.name!r} has changed since revision {revision}")
        return written

    async def get(self, name: str) -> Known | None:
        revision, value = await self._last(f"process.{name}")
        return None if value is None else Known(_records.decode(value), revision)

    async def delete(self, name: str, revision: int) -> int:
        written = await self._write(
            f"process.{name}",
            b"",
            revision,
            ttl=TOMBSTONE_TTL,
            more={_OPERATION: "PURGE", "Nats-Rollup": "sub"},
        )
        if written is None:
            raise StaleEpoch(f"the record of {name!r} has changed since revision {revision}")
        return written

    # -- leases ----------------------------------------------------------------------------------

    async def lease(self, entry: NodeEntry, revision: int, ttl: int) -> int:
        key, value = f"node.{entry.name}", _encoder.encode(entry)
        for _ in range(LEASE_TRIES):
            written = await self._write(key, value, revision, ttl=ttl)
            if written is not None:
                return written
            # It ran out, renewals of ours that got no answer have landed (perhaps this moment), or another has it.
            revision, found = await self._last(key)
            if found is not None and _nodes.decode(found).incarnation != entry.incarnation:
                raise StaleEpoch(f"another node has the name {entry.name!r}")
        raise Unavailable(f"the lease of {entry.name!r} changes faster than it can be renewed")

    async def release(self, name: str, revision: int) -> None:
        if not revision:
            revision, found = await self._last(f"node.{name}")
            if found is None:
                return
        await self._write(f"node.{name}", b"", revision, ttl=TOMBSTONE_TTL, more={_OPERATION: "PURGE"})

    # -- members ---------------------------------------------------------------------------------

    async def put_member(self, member: Member, *, new: bool) -> int:
        key, value = f"member.{member.key}", _encoder.encode(member)
        last, _ = (0, None) if new else await self._last(key)
        written = await self._write(key, value, last)
        if written is None:
            raise NameTaken(
                f"there is or was a {member.role} {member.name!r} already", advice="choose another name"
            )
        return written

    async def put_plane(self, plane: Plane) -> int:
        key = f"plane.{PLANE}"
        last, _ = await self._last(key)
        written = await self._write(key, _encoder.encode(plane), last)
        if written is None:
            raise StaleEpoch("another keeper has just written down where the control plane is")
        return written

    # -- the watch -------------------------------------------------------------------------------

    async def watch(self) -> AsyncIterator[Change | Snapshot | Synced]:
        failures = 0
        while True:
            self._reconnected.clear()
            try:
                async for step in self._watch_once():
                    yield step
                    failures = 0
            except Unavailable:
                failures += 1
                if failures % PATIENCE == 0:  # this server may be cut off from the others
                    await self._client.force_reconnect()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await self._reconnected.wait()

    async def _watch_once(self) -> AsyncIterator[Change | Snapshot | Synced]:
        """One consumer's life. Raises Unavailable when it ends."""
        inbox = self._client.new_inbox()
        queue = self._queue = asyncio.Queue[Msg | None]()
        async with _answering("watching"):
            subscription = await self._client.subscribe(inbox, cb=queue.put)
        try:
            async with _answering("watching"):
                consumer = await self._js.add_consumer(
                    self._stream,
                    api.ConsumerConfig(
                        deliver_policy=api.DeliverPolicy.LAST_PER_SUBJECT,
                        ack_policy=api.AckPolicy.NONE,
                        filter_subject=f"$KV.{self._bucket}.>",
                        deliver_subject=inbox,
                        idle_heartbeat=HEARTBEAT,
                        max_deliver=1,
                        mem_storage=True,
                        num_replicas=1,
                        inactive_threshold=30.0,
                    ),
                )
            yield Snapshot()
            if not consumer.num_pending:
                yield Synced()
            told = not consumer.num_pending
            expected = 1
            while True:
                message = await self._next(queue)
                if message.headers and message.headers.get("Status") == "100":
                    continue
                delivered = message.metadata.sequence
                if delivered.consumer != expected:
                    raise Unavailable("the watch has a gap")
                expected += 1
                change = _change(message, delivered.stream, self._bucket)
                if change is not None:
                    yield change
                if not told and not message.metadata.num_pending:
                    told = True
                    yield Synced()
        finally:
            self._queue = None
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _next(self, queue: asyncio.Queue[Msg | None]) -> Msg:
        """The next message. Raises Unavailable after a silence or a reconnection, in which messages may be lost."""
        try:
            message = queue.get_nowait()
        except asyncio.QueueEmpty:
            try:
                # Not wait_for, which in 3.11 may swallow the cancellation of who waits.
                async with asyncio.timeout(3 * HEARTBEAT):
                    message = await queue.get()
            except TimeoutError:
                raise Unavailable("the watch is silent") from None
        if message is None or self._reconnected.is_set():
            raise Unavailable("the connection was lost in between")
        return message

    async def barrier(self) -> int:
        # Not the consumer's own account: it hears of a write only some time after the writer got its answer.
        async with _answering("reading the latest revision"):
            return (await self._js.stream_info(self._stream)).state.last_seq

    async def close(self) -> None:
        with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
            async with asyncio.timeout(1.0):
                try:
                    await self._client.close()
                except asyncio.CancelledError:  # of a connection that was being made again, not of us
                    if (task := asyncio.current_task()) is not None and task.cancelling():
                        raise

    # -- below -----------------------------------------------------------------------------------

    async def _write(
        self,
        key: str,
        value: bytes,
        expected: int,
        *,
        ttl: int | None = None,
        more: dict[str, str] | None = None,
    ) -> int | None:
        """The revision of the write, or None when `expected` is not the key's latest. Raises Unavailable.

        Several servers refuse a write also for another that is still under way, and may yet come to nothing. Who is
        told None may read what has beaten it, so that is waited for; and when nothing comes, the write is made again.
        """
        headers: dict[str, Any] = {_EXPECTED: str(expected), **(more or {})}
        if ttl is not None:
            headers[_TTL] = str(ttl)
        until = time.monotonic() + self._deadline
        async with _answering(f"writing {key}"):
            while True:
                try:
                    return (await self._js.publish(f"$KV.{self._bucket}.{key}", value, headers=headers)).seq
                except nats.js.errors.APIError as why:
                    if why.err_code not in WRONG_SEQUENCE:
                        raise
                    if (await self._last(key))[0] != expected:
                        return None
                    if time.monotonic() > until:
                        raise
                await asyncio.sleep(UNDER_WAY)

    async def _last(self, key: str) -> tuple[int, bytes | None]:
        """The latest revision of a key, and its value unless it is gone. Read from the leader, not from a cache."""
        async with _answering(f"reading {key}"):
            try:
                message = await self._js.get_msg(self._stream, subject=f"$KV.{self._bucket}.{key}")
            except nats.js.errors.NotFoundError:
                return 0, None
        gone = _gone(message.headers)
        return message.seq or 0, None if gone else (message.data or b"")


def _gone(headers: Mapping[str, str] | None) -> bool:
    return headers is not None and (_MARKER in headers or headers.get(_OPERATION) in ("DEL", "PURGE"))


def _change(message: Msg, revision: int, bucket: str) -> Change | None:
    kind, _, name = message.subject.removeprefix(f"$KV.{bucket}.").partition(".")
    decoder = {"process": _records, "node": _nodes, "member": _members, "plane": _planes}.get(kind)
    if decoder is None:
        return None  # written by a later version
    if _gone(message.headers):
        return Change(revision, kind, name, None)
    return Change(revision, kind, name, decoder.decode(message.data))


class _answering(contextlib.AbstractAsyncContextManager[None]):
    """What the client library raises when the control plane does not answer becomes `Unavailable`."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._began = time.monotonic()

    async def __aexit__(self, kind: type[BaseException] | None, why: BaseException | None, _: object) -> None:
        away = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError, EOFError)
        if isinstance(why, away):
            waited = time.monotonic() - self._began
            raise Unavailable(
                f"the control plane did not answer within {waited:.1f} s ({self._doing}): {why or type(why).__name__}",
                advice="what runs goes on; try again when it is back",
            ) from why

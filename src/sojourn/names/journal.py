"""The cluster's journal: what happened, in one order, for as long as the limits say.

A JetStream stream beside the registry's, with limits: a day, 20,000 events, 32 MB, oldest first out. Publishing is
at-least-once with a name for each event, so that what is sent again, or told by several (everybody sees a lease run
out), is kept once. Reading is an ephemeral consumer from a sequence or a time on; after any gap, silence or
reconnection it is made again behind the last event that arrived.

Rejected: plain subjects (nobody could ask what happened before, and a reader that reconnects would miss events without
knowing); reading the registry's own history (it holds records, not reasons, and forgets removed names).
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (nats-py leaves its containers untyped)
from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import AsyncGenerator

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api

from sojourn.errors import ProtocolError, Unavailable
from sojourn.wire import events
from sojourn.wire.events import AnyEvent, Entry

DEADLINE = 2.0  # seconds for one call
HEARTBEAT = 2.0  # seconds between signs of life while nothing happens
MAX_AGE = 24 * 3600.0  # seconds
MAX_EVENTS = 20_000
MAX_BYTES = 32 << 20
SAME = 120.0  # seconds within which an event of the same name is the same event
PACE = 0.2

_AWAY = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError, EOFError)


class Journal:
    """The journal of one cluster, over a connection that somebody else keeps."""

    def __init__(self, client: Client, cluster: str) -> None:
        self._client = client
        self._js = client.jetstream(timeout=DEADLINE)
        self._stream = f"EVENTS_sojourn-{cluster}"
        self._subject = f"sojourn-{cluster}.events"
        self._made = False

    async def _make(self) -> None:
        """The stream, unless it is there. (It may have more replicas by now than it was made with.)"""
        if self._made:
            return
        try:
            await self._js.stream_info(self._stream)
        except nats.js.errors.NotFoundError:
            await self._js.add_stream(
                name=self._stream,
                subjects=[self._subject],
                storage=api.StorageType.FILE,
                discard=api.DiscardPolicy.OLD,
                max_age=MAX_AGE,
                max_msgs=MAX_EVENTS,
                max_bytes=MAX_BYTES,
                max_msg_size=events.CAP + 1024,
                duplicate_window=SAME,
            )
        self._made = True

    async def publish(self, name: str, event: AnyEvent) -> None:
        """Write an event down; one of the same name is written once. Raises Unavailable."""
        try:
            await self._make()
            await self._js.publish(self._subject, events.encode(event), headers={"Nats-Msg-Id": name})
        except _AWAY as why:
            raise Unavailable(f"the journal does not answer: {why or type(why).__name__}") from why

    async def read(
        self, *, after: int | None, since: float | None, follow: bool
    ) -> AsyncGenerator[Entry, None]:
        """Events in order: behind sequence `after`, or from Unix time `since` on, or (both None) from now on; with
        `follow` for ever, else those that there are. Raises Unavailable, when it does not follow.
        """
        if after is None and since is None:
            after = await self._patiently(follow)
        while True:
            try:
                async for entry, left in self._read_once(after, since):
                    if entry is not None:
                        after = entry.seq
                        yield entry
                    if not left and not follow:
                        return
            except Unavailable:
                if not follow:
                    raise
                await asyncio.sleep(PACE)

    async def _patiently(self, follow: bool) -> int:
        while True:
            try:
                await self._make()
                return (await self._js.stream_info(self._stream)).state.last_seq
            except _AWAY as why:
                if not follow:
                    raise Unavailable(f"the journal does not answer: {why or type(why).__name__}") from why
                await asyncio.sleep(PACE)

    async def _read_once(
        self, after: int | None, since: float | None
    ) -> AsyncGenerator[tuple[Entry | None, int], None]:
        """One consumer's life: events, each with how many are left. Raises Unavailable when it ends."""
        inbox = self._client.new_inbox()
        queue = asyncio.Queue[Msg]()
        where = (
            {"deliver_policy": api.DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": after + 1}
            if after is not None
            else {"deliver_policy": api.DeliverPolicy.BY_START_TIME, "opt_start_time": _rfc3339(since or 0.0)}
        )
        try:
            await self._make()
            subscription = await self._client.subscribe(inbox, cb=queue.put)
        except _AWAY as why:
            raise Unavailable(f"the journal does not answer: {why or type(why).__name__}") from why
        try:
            consumer = await self._js.add_consumer(
                self._stream,
                api.ConsumerConfig(
                    ack_policy=api.AckPolicy.NONE,
                    deliver_subject=inbox,
                    idle_heartbeat=HEARTBEAT,
                    max_deliver=1,
                    mem_storage=True,
                    num_replicas=1,
                    inactive_threshold=30.0,
                    **where,  # pyright: ignore[reportArgumentType]
                ),
            )
            if not consumer.num_pending:
                yield None, 0
            expected = 1
            while True:
                async with asyncio.timeout(3 * HEARTBEAT):
                    message = await queue.get()
                if message.headers and message.headers.get("Status") == "100":
                    continue
                place = message.metadata
                if place.sequence.consumer != expected:
                    raise Unavailable("the journal has a gap")
                expected += 1
                try:
                    entry = Entry(place.sequence.stream, events.decode(message.data))
                except (
                    ProtocolError
                ):  # somebody who may write wrote what is none: not worth losing the others for
                    entry = None
                yield entry, place.num_pending or 0
        except _AWAY as why:
            raise Unavailable(f"the journal does not answer: {why or type(why).__name__}") from why
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()


def _rfc3339(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

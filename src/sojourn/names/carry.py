"""Carrying a stream from one server into others: every message with its sequence, so that no revision ever falls.

By the server's own snapshot: what `$JS.API.STREAM.SNAPSHOT` sends, in chunks, is what `$JS.API.STREAM.RESTORE` takes.
Consumers stay behind; ours are made again by whoever reads (`nats_kv`, `journal`). The source must have no writers: the
caller sees to that.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (nats-py leaves its containers untyped)
from __future__ import annotations

import asyncio
import json
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from sojourn.errors import Unavailable

DEADLINE = 10.0  # seconds for one answer
CHUNK = 256 << 10
PACE = 0.2  # seconds between looks at what takes its time
NOT_FOUND = 10059  # JSStreamNotFoundErr
NO_PEERS = (10005, 10008)  # too few servers know each other yet; no leader yet
NAME_IN_USE = 10130  # JSStreamNameExistRestoreFailedErr


async def carry(stream: str, source: Client, target: Client, *, copies: int) -> int | None:
    """Put `stream` of `source` into `target`, in so many copies; its last sequence, None where there is none.
    Raises Unavailable.
    """
    try:
        async with asyncio.timeout(3 * DEADLINE):
            return await _carry(stream, source, target, copies)
    except (nats.errors.Error, OSError, TimeoutError) as why:
        raise Unavailable(f"{stream} could not be carried over: {why or type(why).__name__}") from why


async def _carry(stream: str, source: Client, target: Client, copies: int) -> int | None:
    inbox = source.new_inbox()
    queue = asyncio.Queue[Msg]()
    subscription = await source.subscribe(inbox, cb=queue.put)
    asked = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": CHUNK}
    told = await _ask(source, f"$JS.API.STREAM.SNAPSHOT.{stream}", asked)
    if told.get("error", {}).get("err_code") == NOT_FOUND:
        return None
    _check(stream, told)
    chunks: list[bytes] = []
    while (message := await queue.get()).data:
        chunks.append(message.data)
        if message.reply:  # it waits for a sign before it sends more
            await source.publish(message.reply, b"")
    await subscription.unsubscribe()
    status = (message.headers or {}).get("Status")
    if status is not None and not status.startswith("2"):
        raise Unavailable(f"{stream} cannot be read: {message.headers}")
    place = {"config": {**told["config"], "num_replicas": copies}, "state": told["state"]}
    again = False
    while not await _restored(stream, target, place, chunks, again=again):
        again = True
        await asyncio.sleep(PACE)
    last = int(told["state"]["last_seq"])
    while not _everywhere(info := await _ask(target, f"$JS.API.STREAM.INFO.{stream}", {}), copies):
        await asyncio.sleep(PACE)
    if info["state"]["last_seq"] < last:
        raise Unavailable(f"{stream} arrived up to {info['state']['last_seq']} of {last}")
    return last


async def _restored(
    stream: str, target: Client, place: dict[str, Any], chunks: list[bytes], *, again: bool
) -> bool:
    """False: it has to be begun afresh; what an attempt before (`again`) has left is removed then.
    Raises Unavailable, nats.errors.Error.
    """
    ready = await _ask(target, f"$JS.API.STREAM.RESTORE.{stream}", place)
    code = ready.get("error", {}).get("err_code")
    if code == NAME_IN_USE and again:  # it was taken in after all, or half of it; nobody uses it yet
        await _ask(target, f"$JS.API.STREAM.DELETE.{stream}", {})
        return False
    if code in NO_PEERS:
        return False
    _check(stream, ready)
    try:
        for chunk in chunks:
            if said := (await target.request(ready["deliver_subject"], chunk, timeout=DEADLINE)).data:
                _check(stream, json.loads(said))
        done = json.loads((await target.request(ready["deliver_subject"], b"", timeout=DEADLINE)).data)
    except nats.errors.NoRespondersError:  # the server that took it in leads no more
        return False
    _check(stream, done)
    return True


def _everywhere(info: dict[str, Any], copies: int) -> bool:
    """Whether every server has the whole stream."""
    replicas = info.get("cluster", {}).get("replicas") or []
    there = sum(each.get("current", False) and not each.get("offline") for each in replicas)
    return "error" not in info and bool(info["cluster"].get("leader")) and there == copies - 1


async def ready(client: Client) -> None:
    """Wait until the servers have a leader. Raises Unavailable."""
    try:
        async with asyncio.timeout(3 * DEADLINE):
            while True:
                try:
                    if "error" not in json.loads((await client.request("$JS.API.INFO", b"", timeout=1.0)).data):
                        return
                except nats.errors.Error:  # no leader is there to answer
                    pass
                await asyncio.sleep(PACE)
    except TimeoutError:
        raise Unavailable("the new servers do not find each other") from None


async def _ask(client: Client, subject: str, asked: dict[str, Any]) -> dict[str, Any]:
    answer = await client.request(subject, json.dumps(asked).encode(), timeout=DEADLINE)
    return json.loads(answer.data)


def _check(stream: str, answer: dict[str, Any]) -> None:
    if "error" in answer:
        raise Unavailable(f"{stream} could not be carried over: {answer['error'].get('description')}")

"""What each NATS user may do: publish and subscribe to exactly the subjects that our own code uses.

A node writes records of processes, its own lease, and the journal of events: not the leases of others, not who is a
member, no other stream; and it hears no answers but its own. The keeper writes who is a member and where the servers
are, and may take a lease away: it writes no records.

A user is the name in a certificate (`trust.identity`), which the server finds by itself (`verify_and_map`): there is no
password to be lost. Clients have no user. Subjects are allowed, never denied: what is not named here is refused.

Stated limit: who may create a consumer may have the stream's messages sent to any subject; every node may read the
whole registry anyway.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sojourn.trust.identity import KEEPER, NODE, Identity


def users(members: Iterable[Identity], *, carrying: bool = False) -> str:
    """The `authorization` block of the server's configuration for these members. With `carrying` the keeper may take
    whole streams out of a server, put them into another, and remove them there again; it should be alone there then.
    """
    found = [_user(member, carrying) for member in members if member.role in (NODE, KEEPER)]
    return json.dumps({"timeout": 3, "users": found}, indent=1)


def inbox(member: Identity) -> str:
    """Under which name a member hears answers."""
    return f"{member.role}-{member.name}"


def _user(member: Identity, carrying: bool) -> dict[str, Any]:
    bucket = f"sojourn-{member.cluster}"
    registry, journal = f"KV_{bucket}", f"EVENTS_{bucket}"
    keys = f"$KV.{bucket}"
    if member.role == NODE:
        publish = [f"{keys}.process.>", f"{keys}.node.{member.name}", f"{bucket}.events"]
        publish += _api(registry, "CREATE", "INFO", "MSG.GET") + _api(journal, "CREATE", "INFO")
    else:
        publish = [f"{keys}.member.>", f"{keys}.node.>", f"{keys}.plane.>"]
        publish += _api(registry, "CREATE", "INFO", "MSG.GET", "UPDATE")
        publish += _api(journal, "INFO", "UPDATE")
        for stream in (registry, journal) if carrying else ():
            publish += _api(stream, "SNAPSHOT", "RESTORE", "DELETE")
            publish += [f"$JS.SNAPSHOT.ACK.{stream}.>", f"$JS.SNAPSHOT.RESTORE.{stream}.>"]
    publish.append("$JS.API.INFO")  # how much of its storage the account uses
    return {
        "user": member.host,
        "permissions": {"publish": publish, "subscribe": [f"_INBOX.{inbox(member)}.>"]},
    }


def _api(stream: str, *verbs: str) -> list[str]:
    """Requests about one stream, and consumers to read it with."""
    consumer = f"$JS.API.CONSUMER.CREATE.{stream}"
    return [f"$JS.API.STREAM.{verb}.{stream}" for verb in verbs] + [consumer, f"{consumer}.>"]

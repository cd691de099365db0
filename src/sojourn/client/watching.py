"""What the verb `events` asks and answers: decisions only, as in `calls`."""

from __future__ import annotations

from typing import Any

import msgspec

from sojourn.client.calls import Call
from sojourn.errors import ProtocolError, UsageError
from sojourn.wire import events
from sojourn.wire.events import Entry


class Reading:
    """A stream of events that outlives the node it comes from: `call` asks, `take` gives what is new.

    The arguments are shared with the call and changed as events arrive, so that the same call, sent again to another
    node, goes on behind the last one.
    """

    def __init__(self, *, follow: bool, process: str | None, since: float | None) -> None:
        if since is not None and since < 0:
            raise UsageError(f"{since} is not a time", advice="give Unix time, in seconds")
        if since is None and not follow:
            since = 0.0  # all that the journal has
        self._args: dict[str, Any] = {"follow": follow, "process": process or ""}
        if since is not None:
            self._args["since"] = since
        self.call = Call("events", self._args, object, repeatable=True)

    def take(self, item: Any) -> Entry:
        """One item of the answer. Raises ProtocolError."""
        try:
            entry = Entry(int(item["seq"]), events.decode(msgspec.json.encode(item["event"])))
        except (KeyError, TypeError, ValueError) as why:
            raise ProtocolError(f"the node told an event that is none: {why}") from why
        self._args["after"] = entry.seq
        return entry

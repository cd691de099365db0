"""The one tree of errors.

Every error says whose fault it is (`blame`), has a stable `code` that survives the wire, may carry `advice` (the way
out, in one sentence), the `history` of the thing that failed (what happened before, oldest first), and `details`
(JSON-able facts a script can read). `to_wire` and `from_wire` carry an error between host process, node and client
without pickle.

Guarantee: an error that crosses the wire arrives as the class that was raised; a code this version does not know
arrives as plain `SojournError` with everything else intact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, TypeVar

Blame = Literal["yours", "peer", "ours"]
E = TypeVar("E", bound=BaseException)


class SojournError(Exception):
    """Root of the tree.

    Args:
        message: what went wrong, naming the culprit; no trailing full stop needed.
        advice: what the user can do about it.
        history: what happened to the failed thing before, oldest first.
        details: JSON-able facts (names, numbers, lists) for scripts.
    """

    code: ClassVar[str] = "error"
    blame: ClassVar[Blame] = "ours"

    def __init__(
        self,
        message: str,
        *,
        advice: str | None = None,
        history: Iterable[str] = (),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.history: list[str] = list(history)
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} ({self.advice})" if self.advice else self.message

    def to_wire(self) -> dict[str, Any]:
        """A JSON-able form: code, message, advice, history, details."""
        return {
            "code": self.code,
            "blame": self.blame,
            "message": self.message,
            "advice": self.advice,
            "history": self.history,
            "details": self.details,
        }


class UsageError(SojournError):
    """The request itself is wrong: a bad argument, a program that does not exist."""

    code = "usage"
    blame = "yours"


class NotFound(UsageError):
    """No process, node or file of that name."""

    code = "not-found"


class NameTaken(UsageError):
    """The name belongs to another process, running or ended but not yet removed."""

    code = "name-taken"


class WrongState(UsageError):
    """The process is in a state that does not allow this (for example moving one that has ended)."""

    code = "wrong-state"


class Busy(WrongState):
    """Another operation on the same process is under way (for example a move)."""

    code = "busy"


class NotMobile(UsageError):
    """Asked for from where nothing can move: outside of a cluster, in a forked process, in another thread."""

    code = "not-mobile"


class Refused(SojournError):
    """A move or thaw cannot be done; `reasons` holds all of them at once."""

    code = "refused"
    blame = "yours"

    def __init__(self, message: str, *, reasons: Iterable[str] = (), **more: Any) -> None:
        super().__init__(message, **more)
        self.reasons: list[str] = list(reasons) or list(self.details.get("reasons", ()))
        self.details["reasons"] = self.reasons

    def __str__(self) -> str:
        missing = "; ".join(reason for reason in self.reasons if reason not in self.message)
        text = f"{self.message}: {missing}" if missing else self.message
        return f"{text} ({self.advice})" if self.advice else text


class Pinned(Refused):
    """A C call holds the program at a place where it cannot be frozen; names frame, line and callable."""

    code = "pinned"


class Unmovable(Refused):
    """An object cannot travel; names the object, the path to it and the frame that holds it."""

    code = "unmovable"


class Outdated(Unmovable):
    """The program has changed since it was offered (it imported modules); a fresh offer may do."""

    code = "outdated"


class BadImage(SojournError):
    """Bytes that are not a whole, valid image: wrong magic, version, size or digest."""

    code = "bad-image"
    blame = "peer"


class Untrusted(SojournError):
    """An image is signed with a key that this cluster does not believe; names it."""

    code = "untrusted"
    blame = "peer"


class StorageError(SojournError):
    """A file could not be written or read: the disk is full, a quota or a limit is reached, rights are missing."""

    code = "storage"
    blame = "yours"


class PeerError(SojournError):
    """The other side misbehaved or went away."""

    code = "peer"
    blame = "peer"


class ProtocolError(PeerError):
    """A message that the protocol does not allow; nothing of it was carried out."""

    code = "protocol"


class Unauthorized(PeerError):
    """The peer did not prove that it belongs to this cluster."""

    code = "unauthorized"


class TransferCut(PeerError):
    """The connection ended in the middle of a transfer."""

    code = "transfer-cut"


class NodeLost(PeerError):
    """The node does not answer or its lease has run out."""

    code = "node-lost"


class Unavailable(SojournError):
    """The control plane (or the cluster as a whole) cannot be reached now; trying again later is right."""

    code = "unavailable"
    blame = "peer"


class StaleEpoch(PeerError):
    """A message or write that carries an old epoch: somebody else owns the process now."""

    code = "stale-epoch"


class HostDied(SojournError):
    """A host process ended where it should not have."""

    code = "host-died"


class InternalError(SojournError):
    """Our bug. Please report it with its history."""

    code = "internal"


def bare(error: E) -> E:
    """The error without its traceback and what it came of: kept, it would keep frames, in cycles with them."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


def _classes(root: type[SojournError]) -> dict[str, type[SojournError]]:
    found = {root.code: root}
    for sub in root.__subclasses__():
        found.update(_classes(sub))
    return found


def from_wire(data: Mapping[str, Any]) -> SojournError:
    """The error that `to_wire` described. Unknown codes give `SojournError` with the code in `details`."""
    known = _classes(SojournError).get(str(data.get("code")))
    details = dict(data.get("details") or {})
    if known is None:
        details["code"] = data.get("code")
    return (known or SojournError)(
        str(data.get("message", "unknown error")),
        advice=data.get("advice"),
        history=list(data.get("history") or ()),
        details=details,
    )

"""Leases: when a node must stop trusting itself, and when others may believe that it is gone.

Concepts. A node's lease is a key that the registry forgets `ttl` seconds after its last renewal. The holder
renews it every third of that. `Tenancy` is the holder's view, `Observer` everybody else's. Times are
seconds of one local monotonic clock; no two nodes compare theirs.

Guarantees, with T the ttl:
  * A holder calls itself lapsed 0.8 T after the moment it *sent* its last successful renewal, so always
    before the registry (which counts from the moment it received it) forgets it.
  * An observer calls a node dead only when the registry said that the lease ran out, a margin of 0.2 T has
    passed since, and the observer has been in touch with the control plane for one full term without a gap
    in which healthy leases could have run out. So an outage of the control plane never makes nodes lose
    each other.

Rejected: asking the node itself whether it lives. A node that is cut off from us may well serve others.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Terms:
    """The lengths, all from one number."""

    ttl: float = 15.0

    @property
    def renew_every(self) -> float:
        return self.ttl / 3

    @property
    def lapse_after(self) -> float:
        return self.ttl * 0.8

    @property
    def margin(self) -> float:
        return self.ttl * 0.2

    @property
    def gap(self) -> float:
        """Silence of the control plane that is too short for any healthy lease to run out in it."""
        return self.ttl * 0.5


@dataclass
class Tenancy:
    """The holder's view of its own lease."""

    terms: Terms
    renewed_at: float  # when the last successful renewal was sent

    def renewed(self, sent_at: float) -> None:
        self.renewed_at = max(self.renewed_at, sent_at)

    def lapsed(self, now: float) -> bool:
        """True when others may soon believe that this node is gone."""
        return now - self.renewed_at >= self.terms.lapse_after


@dataclass
class Observer:
    """What one node may believe about the others."""

    terms: Terms
    since: float  # start of the present unbroken contact with the control plane
    last: float  # the latest contact
    gone: dict[str, float] = field(
        default_factory=dict[str, float]
    )  # node -> when its lease was seen to have run out

    @classmethod
    def at(cls, terms: Terms, now: float) -> Observer:
        return cls(terms, now, now)

    def contact(self, now: float) -> None:
        """The control plane answered."""
        if now - self.last > self.terms.gap:
            self.since = now
        self.last = max(self.last, now)

    def alive(self, node: str) -> None:
        """The registry holds a lease of `node`."""
        self.gone.pop(node, None)

    def expired(self, node: str, now: float) -> None:
        """The registry holds no lease of `node` any more."""
        self.gone.setdefault(node, now)

    def dead(self, node: str, now: float) -> bool:
        """True when `node` may be taken for dead."""
        if node not in self.gone or now - self.last > self.terms.gap:
            return False
        return now - self.since >= self.terms.ttl and now - self.gone[node] >= self.terms.margin

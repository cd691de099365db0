"""The servers of the control plane: at which sites they are, and what it costs when a site goes away.

Concepts. A *site* is a home: the nodes that share a folder, and so a machine. The one where `up` ran is the host's
(`HOST`); every machine that has joined is one more. The control plane is one server at the host's until there are
`SERVERS` sites; from then on it is that many, and lives as long as a majority of them does.

Two servers would be worse than one: a majority of two is both, so each of them could take the whole along.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

SERVERS = 3
MAJORITY = SERVERS // 2 + 1
HOST = ""


@dataclass(frozen=True)
class Cost:
    """What the end of a site costs the others. `fatal`: they are left without a control plane."""

    text: str
    fatal: bool = False


def choose(sites: Mapping[str, float]) -> tuple[str, ...] | None:
    """Where the servers shall be, of living sites and the times at which they became members; None as long as there
    are too few. The host's is one of them, then come the oldest.
    """
    others = sorted((since, name) for name, since in sites.items() if name != HOST)
    if HOST not in sites or len(others) < SERVERS - 1:
        return None
    return (HOST, *(name for _, name in others[: SERVERS - 1]))


def costs(leaving: str, servers: Collection[str], living: Mapping[str, Collection[str]]) -> list[Cost]:
    """What it costs when a site ends.

    Args:
        servers: the sites that have a server.
        living: the nodes of each site that lives.
    """
    stranded = sorted(node for site, nodes in living.items() if site != leaving for node in nodes)
    if leaving not in servers or not stranded:
        return []  # nobody is left who would miss it, or nothing goes
    names = ", ".join(stranded)
    if len(servers) == 1:
        return [
            Cost(f"the control plane of {names} is on this machine: it ends with it", fatal=True)
        ]
    left = sum(site in living for site in servers if site != leaving)
    found: list[Cost] = []
    if left < MAJORITY:
        found.append(
            Cost(
                f"the control plane loses its majority with this machine: {names} can start, move and write down"
                f" nothing until {MAJORITY} of its {SERVERS} servers run",
                fatal=True,
            )
        )
    else:
        found.append(
            Cost(f"the control plane loses one of its {left + 1} servers: after that no further one may fail"
                 if left == MAJORITY else "the control plane loses a server")
        )  # fmt: skip
    if leaving == HOST:
        found.append(Cost("the authority is on this machine: nobody can join or be expelled until it is back"))
    return found


def told(servers: Collection[str], living: Collection[str]) -> str:
    """One sentence on how the control plane stands."""
    if len(servers) == 1:
        known = len(set(living))
        more = f"{known} machine{'s' if known != 1 else ''} of the {SERVERS} that it takes to replicate it"
        return f"one server, at the host: {more}"
    up = sum(site in living for site in servers)
    names = ", ".join(shown(site) for site in servers)
    if up >= SERVERS:
        state = "any one of them may fail"
    elif up >= MAJORITY:
        state = f"{up} of {SERVERS} up: no further one may fail"
    else:
        state = f"{up} of {SERVERS} up: too few, nothing can be written"
    return f"{len(servers)} servers ({names}): {state}"


def shown(site: str) -> str:
    return site or "the host"

"""Where a cluster keeps itself: `SOJOURN_HOME`, and the nodes that `cluster.json` lists there."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from sojourn.errors import NotFound, SojournError, Unavailable


class NodeEntry(msgspec.Struct, frozen=True):
    """One node as `sojourn up` wrote it down: its name and its control socket."""

    name: str
    socket: str = ""
    pid: int = 0
    address: str = ""  # of its data plane
    home: Path | None = None  # where our certificate is, when the node is on another machine


class _ClusterFile(msgspec.Struct, frozen=True):
    nodes: list[NodeEntry]


def home_path(home: str | os.PathLike[str] | None = None) -> Path:
    """The cluster's folder: the argument, else `SOJOURN_HOME`, else `~/.sojourn`; always absolute."""
    chosen = home if home is not None else os.environ.get("SOJOURN_HOME") or "~/.sojourn"
    return Path(os.path.abspath(os.path.expanduser(chosen)))


def nodes_of(home: Path) -> list[NodeEntry]:
    """The nodes of the cluster at `home`, in the order of `cluster.json`.

    Raises:
        Unavailable: there is no cluster, or its file cannot be read.
    """
    path = home / "cluster.json"
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=_ClusterFile).nodes
    except FileNotFoundError:
        afar = _afar(home)
        if afar:
            return afar
        raise Unavailable(
            f"no cluster runs at {home}",
            advice="start one with `sojourn up`, or name another with SOJOURN_HOME",
        ) from None
    except (OSError, msgspec.MsgspecError) as why:
        raise Unavailable(
            f"cannot read {path}: {why}", advice="`sojourn down` and `sojourn up` make a new one"
        ) from why
    return entries


def _afar(home: Path) -> list[NodeEntry]:
    """The nodes of a cluster elsewhere that `sojourn login` has written down, if it has."""
    try:
        entries = msgspec.json.decode((home / "afar.json").read_bytes(), type=_ClusterFile).nodes
    except (OSError, msgspec.MsgspecError):
        return []
    return [msgspec.structs.replace(entry, home=home) for entry in entries]


def in_order(home: Path, first: str | None) -> list[NodeEntry]:
    """The nodes to try, the preferred one first.

    Raises:
        NotFound: the preferred node is not one of the cluster's.
        Unavailable: as `nodes_of`.
    """
    entries = nodes_of(home)
    if first is None:
        return entries
    preferred = [entry for entry in entries if entry.name == first]
    if not preferred:
        names = ", ".join(entry.name for entry in entries)
        raise NotFound(f"no node {first!r} in the cluster at {home}", advice=f"its nodes are: {names}")
    return preferred + [entry for entry in entries if entry.name != first]


def nobody_answers(home: Path) -> SojournError:
    """The error when not one of the nodes can be reached."""
    return Unavailable(
        f"no node of the cluster at {home} answers",
        advice="look with `sojourn nodes`; `sojourn down` cleans up what is left, `sojourn up` starts anew",
    )

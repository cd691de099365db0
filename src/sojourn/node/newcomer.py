"""A machine that joins a cluster: its files, and its node.

What a home gets by joining is a membership, and it keeps it: `down` ends the node, `start` starts it again with the
same name and certificate, until the cluster expels it. The nodes of the home where `up` was run are members until
`down`; `start` brings back those that were killed, and after a reboot all of them.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import msgspec

from sojourn.errors import NotFound, UsageError
from sojourn.names.server import Server
from sojourn.node import cluster as clusters
from sojourn.node import config, founding, joining
from sojourn.node.config import Cluster, Options
from sojourn.trust import tokens
from sojourn.trust.authority import Pair
from sojourn.trust.credentials import write_private
from sojourn.trust.identity import CLIENT, NODE, label


def join(home: Path, text: str, *, url: str | None, name: str, listen: str | None) -> Cluster:
    """Join with a token, and start the node.

    Raises:
        UsageError: something lives in that home, or the token is none. Unauthorized: it is not valid (any more).
        NameTaken: the token may be used again, with another name.
    """
    token = tokens.read(text)
    if name:
        label(name)
        config.socket_path(home, name)
    config.make_home(home)
    with clusters.locked(home):
        _check_free(home)
        joined = asyncio.run(joining.join(token, url or token.url, name))
        said = joined.admitted
        if said.role != NODE:
            raise UsageError(
                "that token is for a command line, not for a node",
                advice="`sojourn login` uses it; `sojourn token` makes one for a node",
            )
        config.socket_path(home, said.name)
        folder = config.node_folder(home, said.name)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        Pair(said.certificate, joined.key).save(folder, "node")
        write_private(config.trusted(home), joined.authority)
        made = Cluster(
            cluster=said.cluster,
            nats=msgspec.convert(said.nats, Server),
            seed=said.seed,
            options=Options(lease=said.lease),
            listen=listen or joined.listen,
            joined=said.name,
        )
        config.write(home, made)
        clusters.warm()
        return clusters.start(home, made, [made.joined])


def start(home: Path) -> Cluster:
    """Start the node of a home that has joined before; or, where `up` was run, those of its nodes that have died or,
    when others went on without them, were ended. And NATS. Raises UsageError, NotFound, Unavailable.
    """
    if not home.is_dir():
        raise NotFound(f"there is no folder {home}", advice="`sojourn node --join` makes this machine a node")
    with clusters.locked(home):
        known = config.read(home)
        if known is None:
            raise NotFound(
                f"nothing at {home} belongs to a cluster",
                advice="`sojourn up` makes one; `sojourn node --join URL --token T` joins one",
            )
        names = [known.joined] if known.joined else [place.name for place in known.nodes] or _founders(home)
        alive = clusters.running(known, home)
        dead = [name for name in names if name not in alive]
        if not dead:
            raise UsageError(f"node {', '.join(names)} runs already", advice="`sojourn down` ends it")
        clusters.warm()
        launch = clusters.start_nats(home, known) if not alive else None
        try:
            return clusters.start(home, known, dead)
        except BaseException:
            if launch is not None:
                launch.abandon()
            raise


def _founders(home: Path) -> list[str]:
    """The nodes of the host's home. (One that was expelled ends when it hears of it.)"""
    return [member.name for member in founding.founders(home)]


def login(home: Path, text: str, *, url: str | None, name: str) -> dict[str, Any]:
    """Let the command lines of this home speak to a cluster elsewhere. Raises as `join`."""
    token = tokens.read(text)
    config.make_home(home)
    with clusters.locked(home):
        _check_free(home)
        joined = asyncio.run(joining.join(token, url or token.url, name))
        said = joined.admitted
        if said.role != CLIENT:
            raise UsageError(
                "that token is for a node, not for a command line",
                advice="`sojourn node --join` uses it; `sojourn token --client` makes one for a command line",
            )
        Pair(said.certificate, joined.key).save(home, "client")
        write_private(config.trusted(home), joined.authority)
        afar = {
            "cluster": said.cluster,
            "nodes": [{"name": name, "address": address} for name, address in said.nodes.items()],
        }
        write_private(home / "afar.json", msgspec.json.format(msgspec.json.encode(afar)))
        return {"home": str(home), "name": said.name, **afar}


def _check_free(home: Path) -> None:
    """Raises UsageError when the home belongs to a cluster already."""
    known = config.read(home)
    if known is None:
        return
    if known.joined:
        raise UsageError(
            f"{home} belongs to node {known.joined}, which has joined a cluster",
            advice="`sojourn node` starts it; remove the folder to join anew",
        )
    if clusters.runs(known, home):
        raise UsageError(f"a cluster runs at {home}", advice="choose another SOJOURN_HOME")
    clusters.end_nats(home)
    clusters.forget_nats(home)
    shutil.rmtree(config.authority(home), ignore_errors=True)

"""What `up` makes before anything runs: the authority and the certificates of those who are there from the start.

It runs in a process of its own that ends afterwards: making certificates takes a library that the nodes, which are
forked from `up`, have no use for; and `up` loads what they do need meanwhile.
"""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from pathlib import Path

import msgspec

from sojourn._util import clock
from sojourn.errors import Unavailable
from sojourn.names.registry import Member
from sojourn.node import config
from sojourn.trust.authority import Authority
from sojourn.trust.credentials import write_private
from sojourn.trust.identity import KEEPER, NATS, NODE, Identity

KEEPER_NAME = "host"
NATS_NAME = "main"


def begin(home: Path, cluster: str, names: list[str]) -> int:
    """Begin to make them; the pid for `finish`."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _found(home, cluster, names)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def finish(pid: int) -> None:
    """Wait until they are made. Raises Unavailable."""
    if os.waitpid(pid, 0)[1]:
        raise Unavailable("the cluster's certificates could not be made")


def nats_name(cluster: str) -> str:
    """What the certificate of an embedded server says, wherever it is."""
    return nats(cluster).host


def nats(cluster: str) -> Identity:
    return Identity(cluster, NATS, NATS_NAME)


def keeper(cluster: str) -> Identity:
    return Identity(cluster, KEEPER, KEEPER_NAME)


def founders(home: Path) -> list[Member]:
    """The members that there are from the start."""
    return msgspec.json.decode((config.authority(home) / "members.json").read_bytes(), type=list[Member])


def _found(home: Path, cluster: str, names: list[str]) -> None:
    folder, place_of_nats = config.authority(home), config.first_folder(home)
    shutil.rmtree(
        folder, ignore_errors=True
    )  # of an earlier cluster, whose members and tokens mean nothing here
    authority = Authority.create(folder, cluster)
    write_private(config.trusted(home), authority.pem)
    members: list[Member] = []
    for name in names:
        pair, serial = authority.issue(Identity(cluster, NODE, name))
        place = config.node_folder(home, name)
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        pair.save(place, "node")
        members.append(Member(role=NODE, name=name, serial=serial, since=clock.wall()))
    authority.issue(keeper(cluster))[0].save(folder, "keeper")
    place_of_nats.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority.issue(nats(cluster))[0].save(place_of_nats, "server")
    write_private(folder / "members.json", msgspec.json.encode(members))

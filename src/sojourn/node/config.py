"""The files of an embedded cluster: `HOME/cluster.json` says what runs, so that clients and `down` find it.

HOME/                    0700
  cluster.json           0600  cluster id, NATS server with credentials, nodes, hash seed, options
  secret                 0600  32 random bytes that members prove to each other that they know
  nats/                  the embedded server's configuration, log and store
  nodes/NAME/            control.sock (0600), node.log, logs/, blobs/, state of the machines
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from sojourn.errors import UsageError
from sojourn.names.server import Server

LEASE = 15.0
MAX_SOCKET_PATH = 107  # bytes that a unix socket's address holds


class NodePlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node is."""

    name: str
    pid: int
    socket: str
    address: str


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster may be started with."""

    lease: float = LEASE  # seconds until a silent node counts as dead; tests shorten it
    faults: bool = False  # offer the fault points of `mobility.points`


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """`cluster.json`."""

    cluster: str
    nats: Server
    seed: int  # PYTHONHASHSEED of every program, so that any node can take any process
    secret: str  # path
    options: Options = Options()
    nodes: list[NodePlace] = []


def cluster_file(home: Path) -> Path:
    return home / "cluster.json"


def read(home: Path) -> Cluster | None:
    """The cluster that is written down in this folder. Raises UsageError when the file is not one."""
    try:
        return msgspec.json.decode(cluster_file(home).read_bytes(), type=Cluster)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as why:
        raise UsageError(f"cannot read {cluster_file(home)}: {why}") from why


def write(home: Path, cluster: Cluster) -> None:
    private(cluster_file(home), msgspec.json.format(msgspec.json.encode(cluster)))


def private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    temporary.rename(path)


def node_folder(home: Path, name: str) -> Path:
    return home / "nodes" / name


def socket_path(home: Path, name: str) -> Path:
    """Where the node's control socket is. Raises UsageError when the path is too long for one."""
    path = node_folder(home, name) / "control.sock"
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise UsageError(f"{path} is too long for a unix socket", advice="choose a shorter SOJOURN_HOME")
    return path

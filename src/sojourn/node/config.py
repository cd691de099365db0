"""The files of a cluster on this machine: `HOME/cluster.json` says what runs, so that clients and `down` find it.

HOME/                    0700
  cluster.json           0600  cluster id, how to reach NATS, nodes, hash seed, options
  ca.pem                 0600  the certificate of the cluster's authority
  image.key              0600  signs images; outlives the cluster, so that the next one here believes them
  authority/             0700  where `up` ran: the authority's key, the keeper's certificate, join tokens
  nats/                  0700  the embedded server's certificate, configuration, log and store
  plane.json             0600  once the control plane is replicated: where its servers are
  replica/               0700  as nats/, where one of those is on this machine
  nodes/NAME/            0700  node.pem, node.key, control.sock (all 0600), node.log, logs/, blobs/, ...
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from sojourn.errors import UsageError
from sojourn.names.registry import Site
from sojourn.names.server import Ring, Server
from sojourn.trust.credentials import Credentials, write_private
from sojourn.trust.identity import NODE, Identity

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
    options: Options = Options()
    nodes: list[NodePlace] = []
    listen: str = "127.0.0.1"  # where others can call
    joined: str = ""  # the name of the one node here, when the cluster's authority is on another machine


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """`plane.json`: where the servers of the control plane are. `mine`: the name of the site that this home is."""

    sites: list[Site]
    mine: str

    @property
    def ring(self) -> Ring | None:
        """As the server of this home sees it; None where there is none."""
        own = next((site for site in self.sites if site.name == self.mine), None)
        return Ring(mine=own, sites=self.sites) if own is not None else None


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


def make_home(home: Path) -> None:
    """The folder, for its owner alone."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(0o700)


def write(home: Path, cluster: Cluster) -> None:
    write_private(cluster_file(home), msgspec.json.format(msgspec.json.encode(cluster)))


def image_key(home: Path) -> Path:
    return home / "image.key"


def node_folder(home: Path, name: str) -> Path:
    return home / "nodes" / name


def authority(home: Path) -> Path:
    """The folder of the authority, where it is on this machine."""
    return home / "authority"


def layout_file(home: Path) -> Path:
    return home / "plane.json"


def layout(home: Path) -> Layout | None:
    """Where the servers are, if there are several. Raises UsageError when the file is not one."""
    try:
        return msgspec.json.decode(layout_file(home).read_bytes(), type=Layout)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as why:
        raise UsageError(f"cannot read {layout_file(home)}: {why}") from why


def write_layout(home: Path, layout: Layout) -> None:
    write_private(layout_file(home), msgspec.json.format(msgspec.json.encode(layout)))


def control(home: Path, cluster: Cluster) -> Server:
    """How to reach the control plane now, this machine's own server first."""
    known = layout(home)
    if known is None or not cluster.nats.expect:
        return cluster.nats
    sites = sorted(known.sites, key=lambda site: site.name != known.mine)
    return Server(urls=[site.url for site in sites], expect=cluster.nats.expect)


def servers_known(home: Path) -> list[str] | None:
    """The fingerprints of the servers' certificates; None as long as there is one server, known by its name."""
    known = layout(home)
    return [site.fingerprint for site in known.sites] if known is not None else None


def nats_folder(home: Path) -> Path:
    """Of the server that is, or should be, this machine's part of the control plane."""
    known = layout(home)
    return replica_folder(home) if known is not None and known.ring is not None else first_folder(home)


def first_folder(home: Path) -> Path:
    """Of the server that a cluster begins with."""
    return home / "nats"


def replica_folder(home: Path) -> Path:
    """Of one of several servers."""
    return home / "replica"


def copy_folder(home: Path) -> Path:
    """Of a server that lends out the first one's store while it is carried over."""
    return home / "nats" / "copy"


def trusted(home: Path) -> Path:
    """The certificate that members' certificates are checked against."""
    return home / "ca.pem"


def credentials(home: Path, name: str) -> Credentials:
    """A node's own."""
    folder = node_folder(home, name)
    return Credentials(folder / "node.pem", folder / "node.key")


def keeper_credentials(home: Path) -> Credentials:
    return Credentials(authority(home) / "keeper.pem", authority(home) / "keeper.key")


def member(cluster: Cluster, name: str) -> Identity:
    return Identity(cluster.cluster, NODE, name)


def socket_path(home: Path, name: str) -> Path:
    """Where the node's control socket is. Raises UsageError when the path is too long for one."""
    path = node_folder(home, name) / "control.sock"
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise UsageError(f"{path} is too long for a unix socket", advice="choose a shorter SOJOURN_HOME")
    return path

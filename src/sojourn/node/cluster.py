"""Starting and ending an embedded cluster: NATS and some nodes on this machine.

`up` is one process that imports everything once, begins to start NATS, and forks one daemon per node; so
the price of the imports is paid once, and the nodes share their pages. The daemons detach (a session of
their own, standard streams to `node.log`) and tell through a pipe that they are ready; then `cluster.json`
is written and `up` returns.

Forking is safe here because nothing has started a thread or an event loop yet. `down` asks each node to end
its processes and itself, then ends NATS, then whoever did not listen, by pid. Logs stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import gc
import importlib
import json
import logging
import os
import secrets
import select
import shutil
import signal
import socket
import ssl
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import uvloop

from sojourn.errors import InternalError, SojournError, Unavailable, UsageError, from_wire
from sojourn.machines.base import Machine
from sojourn.machines.python.workspaces import sweep
from sojourn.names import server as servers
from sojourn.names.journal import Journal
from sojourn.names.nats_kv import NatsRegistry
from sojourn.names.server import Server
from sojourn.node import config, founding, logs
from sojourn.node.config import Cluster, NodePlace, Options
from sojourn.node.daemon import Node
from sojourn.node.upkeep import end_leftovers, start_again
from sojourn.trust import contexts

log = logging.getLogger(__name__)

READY = 40.0  # seconds for all nodes to be ready; one that died has to wait for its old lease to run out
PATIENCE = 15.0  # seconds for a majority of several servers to be there
ENDING = 12.0  # seconds for nodes to end when asked; over processes that do not, and late writes, each takes up to 6


def up(
    home: Path,
    names: list[str],
    *,
    options: Options,
    nats: Server | None = None,
    listen: str = "127.0.0.1",
) -> Cluster:
    """Start a cluster in `home` with these nodes, which others can call at the address `listen`; returns when all are
    ready.

    Raises:
        UsageError: one runs there already.
        Unavailable: NATS or a node did not start; nothing is left running.
    """
    config.make_home(home)
    with locked(home):
        old = config.read(home)
        if old is not None and runs(old, home):
            raise UsageError(f"a cluster runs at {home} already", advice="`sojourn down` ends it")
        if old is not None:
            if old.joined:
                raise UsageError(
                    f"{home} is the home of node {old.joined}, which has joined a cluster",
                    advice="`sojourn node` starts it; another SOJOURN_HOME makes room for another cluster",
                )
            _refuse_to_leave(home)
            end_nats(home)  # its nodes died without `down`
        forget_nats(home)  # another cluster, another registry
        for name in names:
            config.socket_path(home, name)
        launch: servers.Launch | None = None
        try:
            cluster = Cluster(
                cluster=secrets.token_hex(6),
                nats=nats or Server(urls=[]),
                seed=secrets.randbelow(2**32 - 1) + 1,
                options=options,
                listen=listen,
            )
            founders = founding.begin(home, cluster.cluster, names)
            warm()
            founding.finish(founders)
            if nats is None:
                launch = _start_nats(home, cluster, names)
                cluster = msgspec.structs.replace(cluster, nats=launch.wait())
            return start(home, cluster, names)
        except BaseException:
            if launch is not None:
                launch.abandon()
            raise


def start(home: Path, cluster: Cluster, names: list[str]) -> Cluster:
    """Start these nodes, whose certificates are there, and write down that they run. Raises as `up`."""
    started: dict[int, int] = {}  # pid -> its end of the pipe
    try:
        for name in names:
            pid, told = _fork(home, name, cluster)
            started[pid] = told
        places = {place.name: place for place in cluster.nodes}  # of those that run already, too
        places |= {place.name: place for place in _ready(started).values()}
        cluster = msgspec.structs.replace(cluster, nodes=list(places.values()))
        config.write(home, cluster)
        return cluster
    except BaseException:
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise


def down(home: Path) -> dict[str, Any]:
    """End the cluster of that folder. Raises UsageError when there is none."""
    with locked(home):
        cluster = config.read(home)
        if cluster is None:
            raise UsageError(f"no cluster runs at {home}")
        pids = [place.pid for place in cluster.nodes if _is_ours(place.pid, home)]
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        killed = _wait_or_kill(pids, ENDING)
        killed += end_nats(home)
        sweep(home / "nodes")  # what nodes that were killed have left
        if cluster.joined or config.layout(home) is not None:  # it still is a member, and can be started again
            config.write(home, msgspec.structs.replace(cluster, nodes=[]))
        else:
            config.cluster_file(home).unlink()
        return {"home": str(home), "nodes": [place.name for place in cluster.nodes], "killed": killed}


# -- one daemon
# --------------------------------------------------------------------------------------------------


def _fork(home: Path, name: str, cluster: Cluster) -> tuple[int, int]:
    """One daemon; its pid and the pipe through which it says that it is ready."""
    folder = config.node_folder(home, name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    hear, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        return pid, hear
    status = 1
    try:
        _detach(folder, keep=tell)
        status = uvloop.run(serve(home, name, cluster, lambda place: _tell(tell, place)))
    except SojournError as why:
        _tell(tell, {"error": why.to_wire()})
    except BaseException as why:
        traceback.print_exc()
        _tell(tell, {"error": InternalError(f"{type(why).__name__}: {why}").to_wire()})
    finally:
        sys.stderr.flush()
        os._exit(status)


def _detach(folder: Path, *, keep: int) -> None:
    """A session of our own, no terminal, standard streams to the node's log file, nothing inherited (a lock
    that a daemon still has open is held for as long as it lives).
    """
    os.setsid()
    os.closerange(3, keep)
    os.closerange(keep + 1, 1 << 16)
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(folder / "node.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(null)
    os.close(output)


async def serve(home: Path, name: str, cluster: Cluster, ready: Callable[[Any], None]) -> int:
    """Be one node until it is asked to end; `ready` is told its place."""
    logs.set_up(name)
    logs.hide(*cluster.nats.passwords)
    folder = config.node_folder(home, name)
    mine, known = config.credentials(home, name), functools.partial(config.servers_known, home)
    tls = contexts.calling(config.trusted(home), mine, names=True, known=known)
    registry = await _connected(home, name, cluster, tls if cluster.nats.expect else None)
    node = Node(
        name,
        home,
        cluster=cluster,
        registry=registry,
        journal=Journal(registry.client, cluster.cluster),
        machines=_machines(folder, cluster.seed),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.ending.set)
    loop.add_signal_handler(signal.SIGUSR2, _say_tasks)
    await node.start()
    ready(NodePlace(name=name, pid=os.getpid(), socket=str(node.socket), address=node.address))
    await node.ending.wait()
    await node.close()
    return 0


async def _connected(home: Path, name: str, cluster: Cluster, tls: ssl.SSLContext | None) -> NatsRegistry:
    """To the control plane; where it is replicated, with patience: its servers may be just finding each other."""
    until = time.monotonic() + (PATIENCE if config.layout(home) is not None else 0.0)
    while True:
        try:
            return await NatsRegistry.connect(config.control(home, cluster), config.member(cluster, name), tls=tls)
        except Unavailable as why:
            if time.monotonic() > until:
                raise
            log.warning("%s", why)


def _say_tasks() -> None:
    """On SIGUSR2: what every task is waiting for, into node.log."""
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)
    sys.stderr.flush()


def _machines(folder: Path, seed: int) -> dict[str, Machine]:
    """The machines of this node, each in a folder of its own."""
    kind: Any = importlib.import_module("sojourn.machines.python.driver").PythonMachine
    return {"python": kind(folder / "python", seed=seed)}


def warm() -> None:
    """Load what the daemons need, once for all of them."""
    importlib.import_module("sojourn.machines.python.driver")
    gc.collect()
    gc.freeze()


# -- the starter's side
# ------------------------------------------------------------------------------------------


def _tell(pipe: int, what: Any) -> None:
    with contextlib.suppress(OSError):  # the starter is gone
        os.write(pipe, msgspec.json.encode(what) + b"\n")
        os.close(pipe)


def _ready(started: dict[int, int]) -> dict[int, NodePlace]:
    """Wait for every daemon's word. Raises what a daemon raised, or Unavailable."""
    until = time.monotonic() + READY
    places: dict[int, NodePlace] = {}
    for pid, pipe in started.items():
        if not select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            raise Unavailable(f"a node was not ready within {READY:.0f} s")
        data = os.read(pipe, 65536)
        os.close(pipe)
        if not data:
            raise Unavailable("a node ended while it was starting; its node.log says why")
        said = json.loads(data)
        if "error" in said:
            raise from_wire(said["error"])
        places[pid] = msgspec.convert(said, NodePlace)
    return places


class locked(contextlib.AbstractContextManager[None]):
    """Only one `up` or `down` works on a folder at a time."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def __enter__(self) -> None:
        if not self._home.is_dir():
            raise UsageError(f"there is no cluster folder {self._home}")
        self._fd = os.open(self._home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def runs(cluster: Cluster, home: Path) -> bool:
    """Whether a node of that folder does."""
    return bool(running(cluster, home))


def running(cluster: Cluster, home: Path) -> set[str]:
    """The nodes of that folder that do."""
    return {place.name for place in cluster.nodes if _is_ours(place.pid, home)}


def _is_ours(pid: int, home: Path) -> bool:
    """Whether that pid still is a node of this folder, and not somebody else by now."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any(
            Path(file.path).is_relative_to(home / "nodes") for file in process.open_files()
        )
    except psutil.Error:
        return False


def _start_nats(home: Path, cluster: Cluster, names: list[str]) -> servers.Launch:
    folder = config.first_folder(home)
    members = [config.member(cluster, name) for name in names]
    servers.admit(folder, [*members, founding.keeper(cluster.cluster)])
    return servers.start(
        folder,
        name=founding.nats_name(cluster.cluster),
        authority=config.trusted(home),
        host=cluster.listen,
    )


def start_nats(home: Path, cluster: Cluster) -> servers.Launch | None:
    """Start this machine's part of the control plane again, where it has one that does not run. Raises Unavailable."""
    known = config.layout(home)
    here = known.ring is not None if known is not None else not cluster.joined
    if not cluster.nats.expect or not here or servers.running(config.nats_folder(home)) is not None:
        return None
    return start_again(home, cluster)


def end_nats(home: Path) -> list[int]:
    """End the embedded servers that are here; those that had to be killed."""
    pids = end_leftovers(home)
    pid = servers.running(config.nats_folder(home))
    if pid is not None:
        os.kill(pid, signal.SIGCONT)  # a stopped one would not hear the other
        os.kill(pid, signal.SIGTERM)
        pids.append(pid)
    return _wait_or_kill(pids, 2.0)


def forget_nats(home: Path) -> None:
    """What a server of an earlier cluster has left."""
    config.layout_file(home).unlink(missing_ok=True)
    shutil.rmtree(config.replica_folder(home), ignore_errors=True)
    shutil.rmtree(config.first_folder(home) / "store", ignore_errors=True)


def _refuse_to_leave(home: Path) -> None:
    """Raises UsageError when the cluster of that home goes on on other machines."""
    known = config.layout(home)
    for site in known.sites if known is not None else ():
        if known is not None and site.name != known.mine and answers(site.url):
            raise UsageError(
                f"the cluster of {home} goes on on other machines",
                advice="`sojourn node` starts this machine's nodes again; another SOJOURN_HOME makes room for another"
                " cluster",
            )


def answers(url: str) -> bool:
    """Whether something listens there."""
    try:
        with socket.create_connection(servers.place(url), 1.0):
            return True
    except OSError:
        return False


def _wait_or_kill(pids: list[int], seconds: float) -> list[int]:
    """Wait for the end of these processes; those that outlast the time are killed, and returned.

    By pidfd: a process that has ended counts as ended even where nobody reaps it.
    """
    waiting: dict[int, int] = {}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            waiting[os.pidfd_open(pid)] = pid
    late: list[int] = []
    for limit in (seconds, 2.0):
        until = time.monotonic() + limit
        while waiting and (left := until - time.monotonic()) > 0:
            for fd in select.select(list(waiting), [], [], left)[0]:
                del waiting[fd]
                os.close(fd)
        for fd in waiting:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        late = late or list(waiting.values())
    for fd in waiting:
        os.close(fd)
    return late

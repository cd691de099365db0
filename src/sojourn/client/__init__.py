"""The Python face of a cluster: the CLI's verbs as methods, blocking and asyncio.

    cluster = sojourn.connect()
    process = cluster.run("simulate.py", "--steps", "1000000", node="n1")
    report = process.move("n2")
    print(report.downtime_ms, process.wait().exit_code)

`home` finds the cluster's folder, `calls` and `watching` say what each verb asks and answers (no I/O), `sync`
and `aio` carry calls over a node's control socket, `embedded` starts and ends a cluster on this machine.

Guarantees. A handle works as long as one node of the cluster does: when the node it talks to goes away, the
next one of `cluster.json` is asked. A call that could do its work twice is never sent twice; it raises
`NodeLost` instead and says so. Log streams go on behind the last byte received. What a node answers as an
error is raised as its class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sojourn.client.calls import Chunk, Ended, MoveReport, NodeInfo, ProcessInfo
from sojourn.client.copies import CloneReport
from sojourn.client.sync import Cluster, Process, connect

if TYPE_CHECKING:
    from sojourn.client.aio import AsyncCluster, AsyncProcess, connect_async

__all__ = [
    "AsyncCluster",
    "AsyncProcess",
    "Chunk",
    "CloneReport",
    "Cluster",
    "Ended",
    "MoveReport",
    "NodeInfo",
    "Process",
    "ProcessInfo",
    "connect",
    "connect_async",
]


def __getattr__(name: str) -> Any:
    if name in {"AsyncCluster", "AsyncProcess", "connect_async"}:
        import sojourn.client.aio  # on first use: asyncio costs 30 ms that the CLI need not spend

        return getattr(sojourn.client.aio, name)
    raise AttributeError(f"module 'sojourn.client' has no attribute {name!r}")

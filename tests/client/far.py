"""A node of a local cluster that has a `/var/tmp` of its own, and lacks folders that the others have, as another
machine would. It runs in a mount namespace.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import uvloop

from sojourn.node import config
from sojourn.node.cluster import serve
from sojourn.testing import LocalCluster


@contextmanager
def far_node(
    local: LocalCluster, *, hidden: tuple[Path, ...] = (), env: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The last node of the cluster, ended and started again as such a one, for as long as the block lasts. Skips the
    test where this machine does not let us.
    """
    made = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    if os.geteuid() or made.returncode:
        pytest.skip("needs a mount namespace: run as root")
    entry = local.entries[-1]
    if psutil.pid_exists(entry.pid):
        os.kill(entry.pid, signal.SIGTERM)
        psutil.Process(entry.pid).wait(30)
    command = ["unshare", "-m", sys.executable, __file__, str(local.home), entry.name, *map(str, hidden)]
    environment = {**os.environ, "SOJOURN_HOME": str(local.home), **(env or {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as node:
        assert node.stdout is not None
        try:
            assert node.stdout.readline() == b"ready\n"
            while "up" not in {row.state for row in local.client.nodes() if row.name == entry.name}:
                pass  # the others have yet to hear of it
            yield entry.name
        finally:
            node.send_signal(signal.SIGTERM)


def main(home: Path, name: str, hidden: list[str]) -> None:
    for folder in ("/var/tmp", *hidden):
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    cluster = config.read(home)
    assert cluster is not None
    sys.exit(uvloop.run(serve(home, name, cluster, lambda place: print("ready", flush=True))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])

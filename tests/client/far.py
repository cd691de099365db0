"""A node of a local cluster that has a `/var/tmp` of its own, as another machine would: `python far.py HOME NAME`.

It runs in a mount namespace that whoever starts it has made (`unshare -m`), and says "ready" when it is.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import uvloop

from sojourn.node import config
from sojourn.node.cluster import serve


def main(home: Path, name: str, hidden: list[str]) -> None:
    for folder in ("/var/tmp", *hidden):
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    cluster = config.read(home)
    assert cluster is not None
    config.node_folder(home, name).mkdir(parents=True, exist_ok=True, mode=0o700)
    sys.exit(uvloop.run(serve(home, name, cluster, lambda place: print("ready", flush=True))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])

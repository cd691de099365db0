"""An embedded cluster from Python: `up` and `down`, which the CLI's commands and the test kit call.

Both run `python -m sojourn.node` as a program: a node daemonizes, and nothing of it may leak into its caller.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from sojourn.errors import SojournError, from_wire


def up(home: Path, *, nodes: int = 1) -> Any:
    """Start NATS and `nodes` nodes in the folder `home`; returns `sojourn.node`'s answer when they are ready.

    Raises:
        SojournError: as the nodes tell; for example when a cluster runs there already.
    """
    return _node("up", home, "--nodes", str(nodes))


def down(home: Path) -> Any:
    """End the cluster of that folder with every process in it; logs stay. Raises SojournError."""
    return _node("down", home)


def doctor(home: Path) -> Any:
    """What is wrong with this machine: a list of findings (`sojourn.node.doctor`). Raises SojournError."""
    return _run(["sojourn.node.doctor", str(home)], home)


def _node(verb: str, home: Path, *options: str) -> Any:
    """Run `python -m sojourn.node VERB`, which answers in JSON; errors in wire form on either stream."""
    return _run(["sojourn.node", verb, "--home", str(home), *options, "--json"], home)


def _run(words: list[str], home: Path) -> Any:
    command = [sys.executable, "-m", *words]
    environment = {**os.environ, "SOJOURN_HOME": str(home)}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False
    )
    answer = _last_json(done.stdout)
    if done.returncode == 0:
        return answer
    for said in (answer, _last_json(done.stderr)):
        if isinstance(said, dict):
            raise from_wire(said.get("error", said))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    said = done.stderr.decode(errors="replace").strip() or f"it ended with status {done.returncode}"
    raise SojournError(f"`python -m {' '.join(words[:2])}` failed: {said}")


def _last_json(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text.splitlines()[-1])
    except (IndexError, msgspec.DecodeError):
        return None

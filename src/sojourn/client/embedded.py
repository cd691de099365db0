"""A cluster's nodes on this machine: `up`, `join`, `start`, `down`, for the CLI's commands and the test kit.

All run `python -m sojourn.node` as a program: a node daemonizes, and nothing of it may leak into its caller.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from sojourn.client.calls import PlaneInfo
from sojourn.client.sync import connect
from sojourn.errors import SojournError, WrongState, from_wire


def up(home: Path, *, nodes: int = 1, listen: str | None = None, nats: str | None = None) -> Any:
    """Start NATS and `nodes` nodes in the folder `home`; returns `sojourn.node`'s answer when they are ready.

    Args:
        listen: this machine's address, for other machines to call; loopback when left out.
        nats: the URL of a NATS server to use instead of one of our own.

    Raises:
        SojournError: as the nodes tell; for example when a cluster runs there already.
    """
    return _node("up", home, "--nodes", str(nodes), *_given(listen=listen, nats=nats))


def join(home: Path, token: str, *, url: str | None = None, name: str = "", listen: str | None = None) -> Any:
    """Make this machine a node of the cluster that the token is of; returns when it is ready. Raises SojournError."""
    return _node("join", home, "--token", token, *_given(url=url, name=name, listen=listen))


def start(home: Path) -> Any:
    """Start the node of a machine that has joined before; where `up` was run, the dead nodes. Raises SojournError."""
    return _node("start", home)


def login(home: Path, token: str, *, url: str | None = None, name: str = "") -> Any:
    """Let clients of this home command the cluster that the token is of. Raises SojournError."""
    return _node("login", home, "--token", token, *_given(url=url, name=name))


def down(home: Path, *, force: bool = False) -> Any:
    """End the cluster of that folder with every process in it; logs stay.

    Raises:
        WrongState: nodes on other machines would lose their control plane; not with `force`. SojournError.
    """
    said = _costs(home)
    if said.fatal and not force:
        raise WrongState(
            said.costs[0],
            advice="end or expel them first, or do it all the same with --force",
            details={"costs": said.costs},
        )
    return {**_node("down", home), "warnings": said.costs}


def doctor(home: Path) -> Any:
    """What is wrong with this machine: a list of findings (`sojourn.node.doctor`). Raises SojournError."""
    return _run(["sojourn.node.doctor", str(home)], home)


def _costs(home: Path) -> PlaneInfo:
    """What it costs the other machines when this one goes away."""
    try:
        with connect(home) as cluster:
            return cluster.plane()
    except SojournError:
        return PlaneInfo(told="nobody is there to ask")


def _given(**options: str | None) -> list[str]:
    return [word for name, value in options.items() if value for word in (f"--{name}", value)]


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

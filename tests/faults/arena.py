"""A cluster to break: fault points, kills, and what must hold afterwards.

The programs are tickers: each writes numbered lines to its standard output, and the same numbers, with its pid and the
time, into a journal, a file that it opens and closes for each line. Two copies that run, or a copy that was lost, show
in the journal as a number that comes twice or never; a log that lost or doubled something differs from what the plain
program writes.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import psutil

from sojourn.client import Cluster, connect
from sojourn.client.calls import Call, ProcessInfo
from sojourn.client.sync import Link
from sojourn.names import server as servers
from sojourn.node import config
from sojourn.testing.leaks import SCRATCH, gone, processes_of

TICKER = """\
import os, sys, time
journal, count, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
ballast = b"x" * (int((sys.argv[4:] or ["0"])[0]) << 20)
for number in range(count):
    fd = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, b"%d %d %.3f\\n" % (number, os.getpid(), time.time()))
    os.close(fd)
    print("line", number, "of", count, flush=True)
    if number % 10 == 0:
        print("tenth", number, file=sys.stderr, flush=True)
    time.sleep(pause)
"""
BOOT_TIME = 2.0  # seconds within which the kernel says when it was started, and so every process
SOON = 30.0  # seconds within which everything that is waited for has to happen


class Arena:
    """A cluster and what tests do to it."""

    def __init__(self, scratch: Path, *, nodes: int, lease: int) -> None:
        self.scratch = scratch
        self._nodes = nodes
        self._lease = lease
        self._pool = ThreadPoolExecutor(16)
        self._killed: set[str] = set()
        self._tickers: dict[str, tuple[Path, int]] = {}
        self._lost: list[Path] = []  # journals of those that were lost and started anew
        self.repeats: dict[str, int] = {}  # how often a ticker may have gone back to where it was frozen
        self._links: dict[str, Link] = {}

    def __enter__(self) -> Arena:
        self.home = Path(tempfile.mkdtemp(prefix="sojourn-", dir=SCRATCH))
        self.program = self.scratch / "ticker.py"
        self.program.write_text(TICKER)
        up = ["--home", str(self.home), "--nodes", str(self._nodes), "--lease", str(self._lease), "--faults"]
        environment = {**os.environ, "SOJOURN_HOME": str(self.home)}
        subprocess.run(
            [sys.executable, "-m", "sojourn.node", "up", *up],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
            timeout=SOON,
        )
        cluster = config.read(self.home)
        assert cluster is not None
        self.cluster = cluster
        self.pids = {place.name: place.pid for place in cluster.nodes}
        return self

    def __exit__(self, *_: object) -> None:
        self.nats(signal.SIGCONT)
        for link in self._links.values():
            link.close()
        down = [sys.executable, "-m", "sojourn.node", "down", "--home", str(self.home), "--json"]
        done = subprocess.run(down, check=True, stdout=subprocess.PIPE, timeout=SOON)
        killed = msgspec.json.decode(done.stdout)["killed"]
        assert not killed, f"{killed} did not end when asked to; the nodes are {self.pids}"
        self._pool.shutdown()
        gone(self.home)
        shutil.rmtree(self.home)

    # -- asking ----------------------------------------------------------------------------------

    def at(self, node: str) -> Link:
        """A connection to that node."""
        if node not in self._links:
            self._links[node] = Link(self.home_of(node), node)
        return self._links[node]

    def home_of(self, node: str) -> Path:
        """Where a node lives: all share one machine here."""
        return self.home

    @property
    def homes(self) -> list[Path]:
        return [self.home]

    @property
    def living(self) -> list[str]:
        return [name for name in self.pids if name not in self._killed]

    @property
    def client(self) -> Cluster:
        return connect(self.home_of(self.living[0]), node=self.living[0])

    def ask(self, node: str, op: str, **args: Any) -> Any:
        return self.at(node).ask(Call(op, args, object))

    def ps(self) -> dict[str, ProcessInfo]:
        with self.client as client:
            return {row.name: row for row in client.ps(all=True)}

    def row(self, name: str) -> ProcessInfo:
        return self.ps()[name]

    def until(self, condition: Callable[[], Any], what: str, seconds: float = SOON) -> None:
        """Wait for something that can only be looked at."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s: {what}; {self.story()}"
            time.sleep(0.02)

    def story(self) -> str:
        rows = [msgspec.to_builtins(row) for row in self.ps().values()]
        logs = [(self.home_of(name) / "nodes" / name / "node.log").read_text()[-3000:] for name in self.pids]
        return "\n".join([str(rows), *logs])

    # -- programs --------------------------------------------------------------------------------

    def ticker(
        self,
        name: str,
        node: str,
        *,
        count: int = 100_000,
        pause: float = 0.01,
        ballast: int = 0,
        memory: str | None = None,
    ) -> Path:
        """Start a ticker that holds `ballast` MB, in a limit of `memory`; its journal."""
        journal = self.scratch / f"{name}.journal"
        with self.client as client:
            args = [str(journal), str(count), str(pause), str(ballast)]
            client.run(str(self.program), *args, name=name, node=node, python=sys.executable, memory=memory)
        self._tickers[name] = (journal, count)
        self.repeats[name] = 0
        self.ticks(journal, 3)
        return journal

    def numbers(self, journal: Path) -> list[int]:
        """What the journal holds. (Its last line may be being written.)"""
        text = journal.read_text() if journal.exists() else ""
        return [int(line.split()[0]) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def ticks(self, journal: Path, more: int = 5) -> None:
        """Wait until the program has gone on."""
        before = len(self.numbers(journal))
        self.until(lambda: len(self.numbers(journal)) >= before + more, f"{journal.name} goes on")

    # -- moving and breaking ---------------------------------------------------------------------

    def move(self, name: str, node: str, *, via: str | None = None, **more: Any) -> Future[Any]:
        """Begin a move; its outcome. `via` is the node that is asked."""

        return self.begin("move", via or self.row(name).node, name=name, node=node, **more)

    def begin(self, op: str, via: str, **args: Any) -> Future[Any]:
        """Begin something that tells its stages; its outcome."""

        def run(stages: list[str]) -> Any:
            link = Link(self.home_of(via), via)
            try:
                stream = link.stream(Call(op, args, object))
                while True:
                    stages.append(next(stream)["stage"])
            except StopIteration as end:
                return end.value
            finally:
                link.close()

        stages: list[str] = []
        future = self._pool.submit(run, stages)
        future.stages = stages  # type: ignore[attr-defined]
        return future

    def hold(self, node: str, point: str) -> None:
        self.ask(node, "testing.hold", point=point)

    def reached(self, node: str, point: str, move: Future[Any]) -> None:
        """Wait until a move is held there."""
        waiting = self._pool.submit(
            Link(self.home_of(node), node).ask, Call("testing.reached", {"point": point}, object)
        )
        self.until(lambda: waiting.done() or move.done(), f"{point} at {node}")
        if not waiting.done():
            raise AssertionError(f"the move ended before {point}: {move.exception() or move.result()}")

    def release(self, node: str, point: str, then: str = "go") -> None:
        self.ask(node, "testing.release", point=point, then=then)

    def kill(self, node: str) -> None:
        """As a power cut would."""
        self._killed.add(node)
        os.kill(self.pids[node], signal.SIGKILL)
        fd = os.pidfd_open(self.pids[node])
        os.close(fd)
        self.until(lambda: not _lives(self.pids[node]), f"{node} is dead")

    def revive(self) -> None:
        """Start the killed nodes again, as a user would."""
        start = [sys.executable, "-m", "sojourn.node", "start", "--home", str(self.home), "--json"]
        environment = {**os.environ, "SOJOURN_HOME": str(self.home)}
        subprocess.run(start, check=True, env=environment, stdout=subprocess.DEVNULL, timeout=2 * SOON)
        cluster = config.read(self.home)
        assert cluster is not None
        self.pids = {place.name: place.pid for place in cluster.nodes}
        for name in self._killed:
            if (link := self._links.pop(name, None)) is not None:
                link.close()
        self._killed.clear()

    def anew(self, name: str, node: str, **how: Any) -> None:
        """A ticker that was lost is removed, and started again with another journal."""
        journal, _ = self._tickers[name]
        assert self.row(name).state == "lost"
        self.in_order(name)
        old = journal.with_suffix(f".{len(self._lost)}")
        journal.rename(old)
        self._lost.append(old)
        with self.client as client:
            client.process(name).rm()
        self.until(lambda: name not in self.ps(), f"{name} is free again")
        self.ticker(name, node, **how)

    def nats(self, number: int) -> None:
        """Send it a signal; a SIGSTOP has stopped all its threads when this returns."""
        pid = self.nats_pid
        os.kill(pid, number)
        if number == signal.SIGSTOP:
            stats = [each / "stat" for each in Path(f"/proc/{pid}/task").iterdir()]
            self.until(lambda: all(b") T " in stat.read_bytes() for stat in stats), "NATS is stopped")

    @property
    def nats_pid(self) -> int:
        pid = servers.running(config.nats_folder(self.home))
        assert pid is not None
        return pid

    # -- what must hold --------------------------------------------------------------------------

    def check(self) -> None:
        """The invariants, then the end of everything, then that nothing is left of it."""
        self.until(
            lambda: all(row.state in ("running", "ended", "lost") for row in self.ps().values()),
            "every move is settled",
        )
        rows = self.ps()
        for name, (journal, count) in self._tickers.items():
            if name not in rows:
                continue
            row = rows[name]
            if row.state == "running":
                assert row.node not in self._killed, f"{name} runs at a dead node"
                self.ticks(journal)
            self.in_order(name)
            with self.client as client:
                process = client.process(name)
                if row.state == "running":
                    process.kill()
                    process.wait()
                if row.state != "lost" and row.node not in self._killed:
                    self._check_log(name, count)
                process.rm()
        self.until(lambda: not self.ps(), "no record is left")
        self.until(lambda: not self._stopped(), "no stopped orphan")
        wrote: dict[int, float] = {}  # when each host did last: who has its pid later is somebody else
        for path in [*(path for path, _ in self._tickers.values()), *self._lost]:
            for line in path.read_text().splitlines():
                _, pid, when = line.split()
                wrote[int(pid)] = max(float(when), wrote.get(int(pid), 0.0))
        self.until(
            lambda: not any(_lives(pid, since=when + BOOT_TIME) for pid, when in wrote.items()), "no host is left"
        )
        for node in self.living:
            folder = self.home_of(node) / "nodes" / node / "logs"
            self.until(
                lambda folder=folder: not folder.exists() or not any(folder.iterdir()), "no log is left"
            )
            left = _open_paths(self.pids[node])
            assert not [
                path for path in left if "memfd:image" in path or (path.endswith(".log") and "/logs/" in path)
            ]

    def in_order(self, name: str) -> None:
        """Each number is in the journal once; but as often as that may be, it goes on from an earlier one."""
        numbers = self.numbers(self._tickers[name][0])
        back = [at for at, (one, other) in enumerate(itertools.pairwise(numbers)) if other <= one]
        gaps = [at for at, (one, other) in enumerate(itertools.pairwise(numbers)) if other > one + 1]
        right = numbers[:1] in ([], [0]) and not gaps and len(back) <= self.repeats[name]
        assert right, f"{name}: two copies ran, or one was lost, at {back} {gaps}: {self.story()}"

    def _check_log(self, name: str, count: int) -> None:
        """The log is a beginning of what the plain program writes, on each stream."""
        out, err = b"", b""
        for item in self.at(self.living[0]).stream(Call("logs", {"name": name}, object)):
            if item["stream"] == "out":
                out += item["data"]
            else:
                err += item["data"]
        whole_out = b"".join(b"line %d of %d\n" % (n, count) for n in range(len(out.splitlines())))
        whole_err = b"".join(b"tenth %d\n" % n for n in range(0, 10 * len(err.splitlines()), 10))
        for got, whole in ((out, whole_out), (err, whole_err)):
            at = next(
                (at for at, pair in enumerate(zip(got, whole, strict=False)) if pair[0] != pair[1]),
                len(whole),
            )
            assert whole.startswith(got), (
                f"the log of {name} is not the program's from byte {at}: {got[at : at + 2000]!r}"
            )

    def _stopped(self) -> list[int]:
        found: list[int] = []
        for process in (each for home in self.homes for each in processes_of(home)):
            try:
                if process.status() == psutil.STATUS_STOPPED:
                    found.append(process.pid)
            except psutil.Error:
                pass
        return found


def _lives(pid: int, *, since: float = float("inf")) -> bool:
    """Whether that process does, and did `since` then."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= since
    except psutil.Error:
        return False


def _open_paths(pid: int) -> list[str]:
    """What the descriptors of a process lead to."""
    found: list[str] = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            continue  # closed meanwhile
    return found

"""One scenario, many operators: a program is run plainly, and under something that happens to it, and
compared.

Concepts. A `Scenario` is a program with its arguments and input. An `Operator` does something to a running
process until it is done or the process has ended: `staying` does nothing, `moved(n)` moves it n times at
random instants, `roaming` moves it on as soon as it has arrived, until it ends, `frozen(n)` freezes it into a file and
thaws it on another node, n times, `cloned(n)` makes n copies of it, which run to their ends beside it. An `Outcome` is
what a user could see of the run. Two outcomes are equal when stdout, stderr, exit code and ending signal are, byte for
byte; moves and refusals do not count.

Every run has a working directory of its own, so that files one run leaves are not found by the next. It is where every
node sees it, on whatever computer.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sojourn.client import MoveReport, Process
from sojourn.errors import HostDied, Refused, SojournError, WrongState
from sojourn.testing.local import LocalCluster

TIMEOUT = 120.0  # seconds; a scenario is tiny, so this means that it hangs


@dataclass(frozen=True)
class Outcome:
    """What a user could see of a run, and (not compared) what happened to it."""

    out: bytes
    err: bytes
    exit_code: int | None
    signal: int | None
    moves: list[MoveReport] = field(default_factory=list[MoveReport], compare=False)
    refused: list[str] = field(default_factory=list[str], compare=False)


Operator = Callable[[Process, list[str]], tuple[list[MoveReport], list[str]]]


def staying(process: Process, nodes: list[str]) -> tuple[list[MoveReport], list[str]]:
    """Leaves the process alone."""
    return [], []


def wandering(choose: random.Random, pauses: Iterable[float]) -> Operator:
    """Moves it to another node, which `choose` chooses, after each of these seconds, until it ends."""

    def operator(process: Process, nodes: list[str]) -> tuple[list[MoveReport], list[str]]:
        moves: list[MoveReport] = []
        refused: list[str] = []
        here = process.info().node
        for pause in pauses:
            if _ended(process, pause):
                break
            there = choose.choice([node for node in nodes if node != here])
            try:
                moves.append(process.move(there))
                here = there
            except WrongState:
                break  # it ended meanwhile
            except Refused as why:
                refused.append(str(why))
        return moves, refused

    return operator


def moved(times: int, *, seed: int, within: float = 1.0) -> Operator:
    """Moves it `times` times between random nodes, at random instants spread over `within` seconds."""

    def operator(process: Process, nodes: list[str]) -> tuple[list[MoveReport], list[str]]:
        choose = random.Random(seed)
        pauses = [choose.uniform(0, 2 * within / times) for _ in range(times)]
        return wandering(choose, pauses)(process, nodes)

    return operator


def roaming(*, seed: int, at_most: int = 1000) -> Operator:
    """Moves it on as soon as it has arrived, until it ends."""
    return lambda process, nodes: wandering(random.Random(seed), [0.0] * at_most)(process, nodes)


class frozen:
    """Freezes it into a file `times` times, at random instants spread over `within` seconds, and thaws it on a random
    node; as a tar file and as a folder by turns. `thaws` counts; there are no moves.
    """

    def __init__(self, local: LocalCluster, times: int, *, seed: int, within: float = 1.0) -> None:
        self.thaws = 0
        self._local = local
        self._choose = random.Random(seed)
        self._pauses = [self._choose.uniform(0, 2 * within / times) for _ in range(times)]

    def __call__(self, process: Process, nodes: list[str]) -> tuple[list[MoveReport], list[str]]:
        refused: list[str] = []
        with _folder(self._local) as folder:
            for number, pause in enumerate(self._pauses):
                if _ended(process, pause):
                    break
                file = f"{folder}/{number}" + "/" * (number % 2)
                try:
                    process.freeze(file)
                except WrongState:
                    break  # it ended meanwhile
                except Refused as why:
                    refused.append(str(why))
                else:
                    self._local.client.thaw(file, node=self._choose.choice(nodes))
                    self.thaws += 1
        return [], refused


@dataclass(frozen=True)
class Copy:
    """What a copy did by itself, and what the original had written before its clone, and when that was done."""

    outcome: Outcome
    before: tuple[bytes, bytes]
    after: tuple[bytes, bytes]

    def whole(self, expected: Outcome) -> Outcome:
        """Its outcome behind what its original had written at the instant of the clone.

        A copy's log begins at that instant, which lies where its output is the end of what is expected; if that is not
        between `before` and `after`, it has lost output, or written some again, and is given as it is.
        """
        own, wanted = (self.outcome.out, self.outcome.err), (expected.out, expected.err)
        cuts = [len(all_of_it) - len(its) for all_of_it, its in zip(wanted, own, strict=True)]
        if all(len(self.before[at]) <= cut <= len(self.after[at]) for at, cut in enumerate(cuts)):
            own = (self.after[0][: cuts[0]] + own[0], self.after[1][: cuts[1]] + own[1])
        return replace(self.outcome, out=own[0], err=own[1])


class cloned:
    """Clones it `times` times, at random instants spread over `within` seconds, each time onto a random node; the
    copies draw its random numbers. `copies` are what became of them.

    Args:
        after: no clone before the original has written this to stdout.
    """

    def __init__(
        self, local: LocalCluster, times: int, *, seed: int, within: float = 1.0, after: bytes = b""
    ) -> None:
        self.copies: list[Copy] = []
        self._local = local
        self._choose = random.Random(seed)
        self._pauses = [self._choose.uniform(0, 2 * within / times) for _ in range(times)]
        self._after = after

    def __call__(self, process: Process, nodes: list[str]) -> tuple[list[MoveReport], list[str]]:
        refused: list[str] = []
        made: list[tuple[Process, tuple[bytes, bytes], tuple[bytes, bytes]]] = []
        try:
            self._await_word(process)
            for pause in self._pauses:
                if _ended(process, pause):
                    break
                before = process.output()
                try:
                    report = process.clone(self._choose.choice(nodes), keep_random=True)
                except Refused as why:
                    refused.append(str(why))
                except (WrongState, HostDied):
                    if not _ended(process, 0):
                        raise
                else:
                    for failed in report.failed:
                        raise failed.why()
                    copy = self._local.client.process(report.copies[0].name)
                    made.append((copy, before, process.output()))
            for copy, before, after in made:
                ended = copy.wait(TIMEOUT)
                outcome = Outcome(*copy.output(), ended.exit_code, ended.signal)
                self.copies.append(Copy(outcome, before, after))
        finally:
            for copy, _, _ in made:
                _forget(copy)
        return [], refused

    def _await_word(self, process: Process) -> None:
        said, log = b"", process.logs(follow=True, err=False)
        while self._after not in said:
            said += next(log).data


def _ended(process: Process, within: float) -> bool:
    try:
        process.wait(within)
    except TimeoutError:
        return False
    return True


class Scenario:
    """A program to be run in several ways.

    Args:
        program: its path; or None, with `module`.
        args: its arguments.
        module: what `python -m` is to run.
        files: what lies in its working directory when it starts, by name.
        stdin: what it is given to read.
        python: the interpreter for all its runs, by default the one that runs the tests.
        env: added to this process's environment.
    """

    def __init__(
        self,
        program: str | os.PathLike[str] | None,
        *args: str,
        module: str | None = None,
        files: Mapping[str, bytes] | None = None,
        stdin: bytes = b"",
        python: str | os.PathLike[str] = sys.executable,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.program = None if program is None else Path(program).resolve()
        self.module = module
        self.files = files or {}
        self.args = args
        self.stdin = stdin
        self.python = os.fspath(python)
        # What the test run's own environment must not change in the program's, on either side.
        base = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHON"))}
        self.env = {**base, **(env or {})}

    def plain(self, local: LocalCluster) -> Outcome:
        """Run it with `python PROGRAM ARGS`, with the cluster's hash seed."""
        what = ["-m", self.module] if self.module else [str(self.program)]
        with self._folder(local) as cwd:
            done = subprocess.run(
                [self.python, *what, *self.args],
                input=self.stdin,
                capture_output=True,
                cwd=cwd,
                env={**self._env(local), "PYTHONHASHSEED": local.seed},
                timeout=TIMEOUT,
                check=False,
            )
        code = done.returncode
        return Outcome(done.stdout, done.stderr, code if code >= 0 else None, -code if code < 0 else None)

    def run(self, local: LocalCluster, operator: Operator = staying, *, node: str | None = None) -> Outcome:
        """Run it in the cluster under `operator`.

        Raises:
            TimeoutError: it hangs; its output so far is in the message.
            SojournError: the run or a move failed; a move that was refused does not raise.
        """
        with self._folder(local) as cwd:
            process = local.client.run(
                self.program, *self.args, module=self.module, python=self.python, cwd=cwd, env=self._env(local),
                node=node,
            )  # fmt: skip
            try:
                process.write_stdin(self.stdin, eof=True)
                moves, refused = operator(process, local.nodes)
                ended = process.wait(TIMEOUT)
                out, err = process.output()
            except TimeoutError:
                out, err = process.output()
                raise TimeoutError(
                    f"{self.name} hangs; so far it wrote {out!r} and {err!r}"
                ) from None
            finally:
                _forget(process)
        return Outcome(out, err, ended.exit_code, ended.signal, moves, refused)

    @property
    def name(self) -> str:
        return self.module or (self.program.name if self.program is not None else "")

    @contextmanager
    def _folder(self, local: LocalCluster) -> Generator[Path, None, None]:
        """A working directory, with its files."""
        with _folder(local) as cwd:
            for name, content in self.files.items():
                (cwd / name).write_bytes(content)
            yield cwd

    def _env(self, local: LocalCluster) -> dict[str, str]:
        """Where each node has a /tmp of its own, temporary files too are to be where every node sees them."""
        return {**self.env, "TMPDIR": str(local.shared)} if local.computers else self.env


def _forget(process: Process) -> None:
    """Kill and remove it, whatever state it is in; the run's own error is the one to be seen."""
    for verb in (process.kill, process.rm):
        try:
            verb()
        except SojournError:
            pass


@contextmanager
def _folder(local: LocalCluster) -> Generator[Path, None, None]:
    folder = Path(tempfile.mkdtemp(prefix="sojourn-run-", dir=local.shared))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

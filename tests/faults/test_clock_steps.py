"""The wall clock steps by hours, at a node or at the control plane, in the middle of leases and moves.

Nobody decides anything by it. It is stepped for single processes, in the code by which they read it
(`sojourn.testing.wallclock`): NATS's, the nodes' and OpenSSL's reading of it are the real ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from sojourn.client import connect, embedded
from sojourn.errors import SojournError, Unauthorized, Unavailable, from_wire
from sojourn.testing import wallclock
from sojourn.wire import events

from .arena import SOON, Arena
from .test_trust import elsewhere, invitation

__all__ = ["elsewhere"]  # a fixture

HOUR = 3600.0
DAY = 24 * HOUR
LEASE = 3.0  # of the arena
STEPPED = """\
import sys
from sojourn.node.__main__ import main
print("here", flush=True)
sys.stdin.readline()
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def only_thorough(thorough: bool) -> None:
    """Asked for before the arena, which is not made then."""
    if not thorough:
        pytest.skip("only with --thorough")


def step(pid: int, seconds: float) -> None:
    """Skips where the kernel does not let us."""
    try:
        wallclock.step(pid, seconds)
    except Unavailable as why:
        pytest.skip(str(why))


def outlast(arena: Arena, terms: float) -> None:
    """Let that many terms of a lease go by."""
    end = time.monotonic() + terms * LEASE
    arena.until(lambda: time.monotonic() > end, "leases are renewed, or run out")


def nobody_was_lost(arena: Arena) -> None:
    with arena.client as client:
        assert {row.name for row in client.nodes() if row.state == "up"} == {"n1", "n2", "n3"}
        assert {row.state for row in client.ps()} == {"running"}
        told = [events.kind(event) for event in client.events()]
    assert "lost" not in told and "node-gone" not in told, told


def test_a_process_sees_the_step_and_its_other_clocks_do_not() -> None:
    code = "import sys, time\nfor _ in sys.stdin:\n    print(time.time(), time.monotonic(), flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for seconds, ahead in ((0, 0), (HOUR, HOUR), (-3 * HOUR, -2 * HOUR), (2 * HOUR, 0)):
            if seconds:
                step(process.pid, seconds)
            process.stdin.write("\n")
            process.stdin.flush()
            wall, monotonic = map(float, process.stdout.readline().split())
            assert abs(wall - time.time() - ahead) < 60
            assert abs(monotonic - time.monotonic()) < 60
        process.stdin.close()


def test_at_nodes_in_the_middle_of_a_move(arena: Arena) -> None:
    journal = arena.ticker("t", "n1")
    arena.hold("n2", "target.ready")
    move = arena.move("t", "n2")
    arena.reached("n2", "target.ready", move)
    step(arena.pids["n1"], 5 * HOUR)
    step(arena.pids["n2"], -7 * HOUR)
    arena.release("n2", "target.ready")
    report = move.result(SOON)
    assert report["to"] == "n2" and 0 < report["downtime_ms"] < 1000 * SOON
    arena.ticks(journal)
    step(arena.pids["n1"], -12 * HOUR)
    step(arena.pids["n2"], 12 * HOUR)
    assert arena.move("t", "n1").result(SOON)["epoch"] == 3
    outlast(arena, 1.5)
    arena.ticks(journal)
    nobody_was_lost(arena)


@pytest.mark.usefixtures("only_thorough")
@pytest.mark.parametrize("hours", [5, -5])
def test_at_the_control_plane_in_the_middle_of_a_move(arena: Arena, hours: int) -> None:
    """It is what lets leases run out, by its wall clock: forwards, all of them at once."""
    journal = arena.ticker("t", "n1")
    arena.hold("n1", "source.before-commit")
    move = arena.move("t", "n2")
    arena.reached("n1", "source.before-commit", move)
    step(arena.nats_pid, hours * HOUR)
    outlast(arena, 1.5)
    arena.release("n1", "source.before-commit")
    assert move.result(SOON)["to"] == "n2"
    arena.ticks(journal)
    nobody_was_lost(arena)
    assert arena.row("t").epoch == 2
    arena.kill("n2")
    arena.until(lambda: arena.row("t").state == "lost", "a node that dies afterwards is missed")


def join_with_another_clock(arena: Arena, home: Path, seconds: float) -> None:
    """A machine whose wall clock is wrong by so much joins. Raises what it is told."""
    words = ["join", "--home", str(home), "--token", invitation(arena), "--name", "far", "--json"]
    environment = {**os.environ, "SOJOURN_HOME": str(home)}
    with subprocess.Popen(
        [sys.executable, "-c", STEPPED, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as newcomer:
        assert newcomer.stdout is not None and newcomer.stdout.readline() == b"here\n"
        step(newcomer.pid, seconds)
        out, err = newcomer.communicate(b"\n", timeout=2 * SOON)
    if newcomer.returncode:
        raise from_wire(msgspec.json.decode((err or out).splitlines()[-1])["error"])


@pytest.mark.usefixtures("only_thorough")
@pytest.mark.parametrize("hours", [-2, 2])
def test_a_machine_with_a_clock_that_is_hours_off_is_a_node_like_others(
    arena: Arena, elsewhere: Path, hours: int
) -> None:
    """Its token, which is good for an hour, is judged by the clock of who made it."""
    join_with_another_clock(arena, elsewhere, hours * HOUR)
    journal = arena.ticker("t", "n1")
    assert arena.move("t", "far").result(SOON)["to"] == "far"
    arena.ticks(journal)
    outlast(arena, 1.5)
    with connect(elsewhere) as there:
        assert {row.name for row in there.nodes() if row.state == "up"} == {"far", "n1", "n2", "n3"}
    assert arena.move("t", "n2", via="n1").result(SOON)["to"] == "n2"
    embedded.down(elsewhere)


@pytest.mark.parametrize(("days", "said"), [(-3, "not valid yet"), (4000, "has expired")])
def test_a_machine_with_a_clock_that_is_days_off_is_told_so(
    arena: Arena, elsewhere: Path, days: int, said: str
) -> None:
    with pytest.raises(Unauthorized, match=said) as refused:
        join_with_another_clock(arena, elsewhere, days * DAY)
    assert "clock" in str(refused.value) and "clocks of both machines" in refused.value.advice
    with pytest.raises(SojournError):
        connect(elsewhere).nodes()

"""Who watches a program: real coverage, profilers, debuggers, trace functions and tools of `sys.monitoring`.

A move is refused while they watch, with the name and the way out; the program goes on, with the results of its plain
run; and it moves when they have left.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sojourn.client import Process
from sojourn.errors import NotFound, Unmovable
from sojourn.testing import LocalCluster

from ..versions import ALL, OWN, python_of

WORK = """
import sys
def work(limit):
    total = 0
    for number in range(limit):
        total += number % 7
        if number == 100:
            print("on", flush=True)
            sys.stdin.readline()
    return total
"""
RUN = "print('total', work(2000))\n"
COVERED = """
import json, sys
from coverage import Coverage
measured = Coverage(data_file=None, branch=False)
measured.start()
import work
print("total", work.work(2000))
measured.stop()
file, lines, _, missing, _ = measured.analysis2(work)
print(len(lines), missing)
"""
COUNTED = """
import sys
seen = {}
def count(frame, event, arg):
    seen[frame.f_code.co_name, event] = seen.get((frame.f_code.co_name, event), 0) + 1
    return count
"""
TRACED = WORK + COUNTED + "sys.settrace(count)\n" + RUN + "sys.settrace(None)\nprint(sorted(seen.items()))\n"
PROFILED = WORK + COUNTED + "sys.setprofile(count)\n" + RUN + "sys.setprofile(None)\nprint(sorted(seen.items()))\n"
C_PROFILED = WORK + "import cProfile\nwith cProfile.Profile() as profile:\n    print('total', work(2000))\n"
P_PROFILED = WORK + "import profile\n" + "profile.Profile().runcall(print, 'total', work(2000))\n"
MONITORED = WORK + """
tools = sys.monitoring
tools.use_tool_id(3, "mine")
started = []
tools.register_callback(3, tools.events.PY_START, lambda code, offset: started.append(code.co_name))
tools.set_events(3, tools.events.PY_START)
print("total", work(2000))
tools.free_tool_id(3)
print(started.count("work"))
"""
TRACE_MODULE = WORK + """
import trace
tracer = trace.Trace(count=1, trace=0)
print("total", tracer.runfunc(work, 2000))
print(sorted(count for (file, line), count in tracer.results().counts.items() if file == __file__))
"""
DEBUGGED = "breakpoint()\n" + WORK + RUN + "breakpoint()\nprint('end')\n"

MEASURE = "Coverage.stop() and start()"
PROFILER = "disable() the profiler"
DEBUGGER = "leave the debugger first"


@pytest.fixture(params=ALL)
def python(request: pytest.FixtureRequest, thorough: bool) -> str:
    """Every version with --thorough, else the one that runs the tests."""
    if request.param != OWN and not thorough:
        pytest.skip("only with --thorough")
    return python_of(request.param)


def minor(python: str) -> int:
    told = subprocess.run([python, "-c", "import sys; print(sys.version_info[1])"], capture_output=True, check=True)
    return int(told.stdout)


class Reader:
    """Reads what a process writes, up to a text."""

    def __init__(self, process: Process) -> None:
        self._log = process.logs(follow=True)
        self._rest = b""

    def until(self, text: bytes) -> None:
        while text not in self._rest:
            self._rest += next(self._log).data
        self._rest = self._rest.partition(text)[2]


@pytest.fixture
def started(local_cluster: LocalCluster, tmp_path: Path) -> Iterator[list[Process]]:
    processes: list[Process] = []
    yield processes
    for process in processes:
        with suppress(NotFound):
            process.kill()
            process.rm()


@pytest.mark.parametrize(
    ("text", "since", "env", "name", "advice"),
    [
        pytest.param(COVERED, 11, {"COVERAGE_CORE": "ctrace"}, "coverage.CTracer", MEASURE, id="coverage in C"),
        pytest.param(COVERED, 11, {"COVERAGE_CORE": "pytrace"}, "coverage.pytracer", MEASURE, id="coverage in Python"),
        pytest.param(COVERED, 12, {"COVERAGE_CORE": "sysmon"}, "'coverage.py'", MEASURE, id="coverage by monitoring"),
        pytest.param(C_PROFILED, 11, {}, "cProfile", PROFILER, id="cProfile"),
        pytest.param(TRACED, 11, {}, "__main__.count()", "sys.settrace(None)", id="settrace"),
        pytest.param(PROFILED, 11, {}, "__main__.count()", "sys.setprofile(None)", id="setprofile"),
        pytest.param(TRACE_MODULE, 11, {}, "trace.Trace.", "sys.settrace(None)", id="trace"),
        pytest.param(MONITORED, 12, {}, "'mine'", "sys.monitoring.free_tool_id(3)", id="monitoring"),
    ],
)
def test_refused_by_name_while_it_watches(
    text: str, since: int, env: dict[str, str], name: str, advice: str,
    local_cluster: LocalCluster, tmp_path: Path, python: str, started: list[Process],
) -> None:  # fmt: skip
    if minor(python) < since:
        pytest.skip("there is no sys.monitoring")
    if text is COVERED and subprocess.run([python, "-c", "import coverage"], check=False).returncode:
        pytest.skip("coverage is not installed for it")
    (tmp_path / "work.py").write_text(WORK)
    program = tmp_path / "program.py"
    program.write_text(text)
    plain = subprocess.run(
        [python, program], input=b"\n", capture_output=True, cwd=tmp_path, env={**os.environ, **env}, check=True
    )
    process = local_cluster.client.run(
        program, python=python, node="n1", cwd=tmp_path, env={**os.environ, **env}
    )
    started.append(process)
    Reader(process).until(b"on\n")
    with pytest.raises(Unmovable) as refused:
        process.move("n2")
    assert name in str(refused.value) and advice in str(refused.value), refused.value
    process.write_stdin(b"\n", eof=True)
    ended, (out, err) = process.wait(60), process.output()
    assert (ended.exit_code, err) == (0, b""), err.decode()
    if text is TRACED or text is PROFILED:  # what it was told of us is the call of one function, each time
        told = dict(eval(out.decode().splitlines()[-1]))
        ours = {key for key in told if key[0] not in ("work", "<module>")}
        plainly = dict(eval(plain.stdout.decode().splitlines()[-1]))
        assert {name for name, _ in ours - plainly.keys()} <= {"_signalled"}, ours
        assert {key: told[key] for key in plainly if key[1] == "line"} == {
            key: count for key, count in plainly.items() if key[1] == "line"
        }
    else:
        assert out == plain.stdout


def test_a_debugger_is_refused_until_it_is_left(
    local_cluster: LocalCluster, tmp_path: Path, python: str, started: list[Process]
) -> None:
    """At its prompt, and while it steps; after `continue` without breakpoints the program moves, and calls it again."""
    program = tmp_path / "program.py"
    program.write_text(DEBUGGED)
    env = {**os.environ, "PYTHON_BASIC_REPL": "1", "NO_COLOR": "1", "TERM": "dumb"}
    process = local_cluster.client.run(program, python=python, node="n1", cwd=tmp_path, env=env, terminal=True)
    started.append(process)
    reader = Reader(process)

    def refused() -> None:
        with pytest.raises(Unmovable, match=DEBUGGER):
            process.move("n2")

    def say(words: str, then: bytes = b"(Pdb) ") -> None:
        process.write_stdin(words.encode() + b"\n")
        reader.until(then)

    reader.until(b"(Pdb) ")
    refused()
    say("next")
    say(f"break {len(DEBUGGED.splitlines()) - 2}")
    say("continue")
    refused()
    say("step")
    refused()
    say("clear 1")
    say("continue", b"on\r\n")
    process.move("n2")
    process.move("n3")
    say("", b"total 5995\r\n")
    reader.until(b"(Pdb) ")  # of the second breakpoint(), which stops it there
    say("continue", b"end\r\n")
    assert process.wait(60).exit_code == 0, process.output()

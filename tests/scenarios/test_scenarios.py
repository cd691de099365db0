"""Every program of `programs/`, one behaviour each, run in the cluster and compared with its plain run.

Operators: it stays where it starts; it is moved five times at random instants; in a sample, it is frozen into a file
and thawed, or cloned; and, with --thorough, it is moved on as soon as it has arrived, until it ends. On the interpreter
that runs the tests all of them; on every other supported version that is here, and between nodes on computers of their
own, a sample, which --thorough makes whole. The instants come from --seed.
"""

from __future__ import annotations

import functools
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import sojourn
from sojourn.testing import LocalCluster, Operator, Outcome, Scenario, cloned, frozen, moved, roaming, staying

from ..versions import OTHERS, python_of

PROGRAMS = Path(__file__).parent / "programs"
VARIANTS = {  # a program that is run with arguments
    "user_threads_on_lwps": ("user_threads", "activations"),
    "user_threads_on_fixed_lwps": ("user_threads", "hybrid"),
    "user_threads_with_an_lwp_each": ("user_threads", "kernel", "16", "8"),  # which move slowly
}
NAMES = sorted([*(path.stem for path in PROGRAMS.glob("*.py")), *VARIANTS])
NEEDS = {
    "numpy_arrays": "numpy", "numpy_large": "numpy", "numpy_random": "numpy", "pandas_tables": "pandas",
    "sympy_dummies": "sympy", "user_threads": "sojourn",
}
STDIN = {"standard_input": "".join(f"{number} some words\n" for number in range(400)).encode()}
ATTEMPTS = 6  # to move a program before it ends: the first time, each node has its imports to learn
SAMPLE = 4  # programs on each of the other interpreters, without --thorough
SAMPLE_CLONED = 4

# A copy works in its original's folder. What it shares there, it shares by the binding table (docs/clone-and-hop.md).
UNSHAREABLE = dict.fromkeys(("databases_on_disk", "file_writing", "temporary_files"), "open for writing")
APPENDING = ("logging_to_file",)  # the log has the lines of all of them
MADE = dict.fromkeys(("environment", "file_iteration", "file_reading"), b"made")  # files that they make first


@functools.cache
def has(python: str, package: str) -> bool:
    return (
        subprocess.run([python, "-c", f"import {package}"], capture_output=True, check=False).returncode == 0
    )


@functools.cache
def plain(scenario: Scenario, local: LocalCluster) -> Outcome:
    return scenario.plain(local)


@functools.cache
def scenario_of(name: str, python: str) -> Scenario:
    program, *args = VARIANTS.get(name, (name,))
    env: dict[str, str] = {}
    if program in NEEDS and not has(python, NEEDS[program]):
        if NEEDS[program] != "sojourn":
            pytest.skip(f"{NEEDS[program]} is not installed for {python}")
        env["PYTHONPATH"] = str(Path(sojourn.__path__[0]).parent)  # what it needs of it is standard library only
    return Scenario(PROGRAMS / f"{program}.py", *args, stdin=STDIN.get(name, b""), env=env, python=python)


def check(name: str, python: str, local: LocalCluster, operator: Operator) -> Outcome:
    """Run it; what a user sees must be what the plain run shows, and no move may be refused."""
    scenario = scenario_of(name, python)
    expected, outcome = plain(scenario, local), scenario.run(local, operator)
    assert outcome.refused == []
    assert (outcome.out, outcome.err) == (expected.out, expected.err)
    assert outcome == expected
    return outcome


def check_moved(name: str, python: str, local: LocalCluster, seed: int) -> None:
    """As `check`, moved five times. The first move of a program to a node takes as long as its imports do; a
    program that has ended by then is run again, on nodes that know it now.
    """
    for attempt in range(ATTEMPTS):
        operator = moved(5, seed=seed_of(seed, name) + attempt, within=0.5)
        if check(name, python, local, operator).moves:
            return
    pytest.fail("it ended each time before it could be moved")


def check_frozen(name: str, local: LocalCluster, seed: int) -> None:
    """As `check`, frozen and thawed three times; run again as in `check_moved`."""
    for attempt in range(ATTEMPTS):
        operator = frozen(local, 3, seed=seed_of(seed, name) + attempt, within=0.4)
        check(name, sys.executable, local, operator)
        if operator.thaws:
            return
    pytest.fail("it ended each time before it could be frozen")


def seed_of(seed: int, name: str) -> int:
    """One seed for each program, so that a failure is seen again with this program alone."""
    return seed ^ zlib.crc32(name.encode())


@pytest.mark.parametrize("name", NAMES)
def test_staying(name: str, local_cluster: LocalCluster, seed: int, thorough: bool) -> None:
    if not thorough and name not in random.Random(f"{seed} staying").sample(NAMES, SAMPLE):
        pytest.skip("not in this seed's sample")
    check(name, sys.executable, local_cluster, staying)


@pytest.mark.parametrize("name", NAMES)
def test_moved(name: str, local_cluster: LocalCluster, seed: int) -> None:
    check_moved(name, sys.executable, local_cluster, seed)


@pytest.mark.parametrize("name", NAMES)
def test_roaming(name: str, local_cluster: LocalCluster, seed: int, thorough: bool) -> None:
    if not thorough:
        pytest.skip("only with --thorough")
    check(name, sys.executable, local_cluster, roaming(seed=seed_of(seed, name)))


@pytest.mark.parametrize("name", NAMES)
def test_frozen_and_thawed(name: str, local_cluster: LocalCluster, seed: int, thorough: bool) -> None:
    if not thorough and name not in random.Random(f"{seed} frozen").sample(NAMES, SAMPLE):
        pytest.skip("not in this seed's sample")
    check_frozen(name, local_cluster, seed)


@pytest.mark.parametrize("name", NAMES)
def test_moved_between_computers(name: str, request: pytest.FixtureRequest, seed: int, thorough: bool) -> None:
    """Each node in mount, pid, uts, time and net namespaces of its own."""
    if not thorough and name not in random.Random(f"{seed} apart").sample(NAMES, SAMPLE):
        pytest.skip("not in this seed's sample")
    check_moved(name, sys.executable, request.getfixturevalue("apart_cluster"), seed)


@pytest.mark.parametrize("name", NAMES)
def test_frozen_and_thawed_between_computers(
    name: str, request: pytest.FixtureRequest, seed: int, thorough: bool
) -> None:
    if not thorough:
        pytest.skip("only with --thorough")
    check_frozen(name, request.getfixturevalue("apart_cluster"), seed)


@pytest.mark.parametrize("name", NAMES)
def test_cloned(name: str, local_cluster: LocalCluster, seed: int, thorough: bool) -> None:
    """The original's outcome is that of its plain run, and so is each copy's, behind what the original had written."""
    if not thorough and name not in random.Random(f"{seed} cloned").sample(NAMES, SAMPLE_CLONED):
        pytest.skip("not in this seed's sample")
    scenario = scenario_of(name, sys.executable)
    expected = plain(scenario, local_cluster)
    for attempt in range(ATTEMPTS):
        operator = cloned(
            local_cluster, 2, seed=seed_of(seed, name) + attempt, within=0.4, after=MADE.get(name, b"")
        )
        outcome = scenario.run(local_cluster, operator)
        if name in UNSHAREABLE:
            assert outcome == expected and not operator.copies
            if outcome.refused:
                assert all(UNSHAREABLE[name] in why for why in outcome.refused), outcome.refused
                return
            continue
        assert outcome.refused == []
        if operator.copies:
            break
    else:
        pytest.fail("it ended each time before it could be cloned")
    if name in APPENDING:
        lines = int(expected.out.split()[0])
        assert all(int(each.out.split()[0]) > lines for each in (outcome, operator.copies[0].outcome))
        return
    assert outcome == expected
    for copy in operator.copies:
        assert copy.whole(expected) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", OTHERS)
def test_moved_on_another_version(
    version: str, name: str, local_cluster: LocalCluster, seed: int, thorough: bool
) -> None:
    if not thorough and name not in random.Random(f"{seed} {version}").sample(NAMES, SAMPLE):
        pytest.skip("not in this seed's sample")
    check_moved(name, python_of(version), local_cluster, seed)

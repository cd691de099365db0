"""Every program of the table is moved at random instants and ends as its plain run; refusals are those that it names.

Only under --thorough: it takes packages from the index, and long. A sample that needs no packages is always run.
"""

from __future__ import annotations

import sys

import pytest

from sojourn.testing import LocalCluster

from . import environment
from .catalog import BY_NAME, PROGRAMS, Program
from .travel import Trip, travel

SAMPLE = ("difflib_pages", "csv_totals")  # of the standard library, and quick to import
MOVES = 3  # of each; `python -m tests.programs` moves it 20 times


def check(trip: Trip) -> None:
    assert trip.wrong == []
    assert trip.unexplained == []
    assert trip.moves + sum(trip.refused.values()) > 0
    assert trip.moves > 0 or trip.program.stays or trip.program.yet


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_moved_at_random_instants(
    program: Program, local_cluster: LocalCluster, seed: int, thorough: bool
) -> None:
    if not thorough:
        pytest.skip("only with --thorough")
    try:
        python = environment.python()
    except environment.Missing as why:
        pytest.skip(str(why))
    trip = travel(program, local_cluster, moves=MOVES, seed=seed, python=python)
    check(trip)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_is_moved(name: str, local_cluster: LocalCluster, seed: int) -> None:
    trip = travel(BY_NAME[name], local_cluster, moves=2, seed=seed, python=sys.executable)
    assert trip.wrong == []
    assert trip.refused == {}
    assert trip.moves > 0

"""The exhaustive test under pytest: every image on 3.11, a sample on 3.13, and chains of freezes.

The seed of the samples is printed and may be given as SOJOURN_SEED; SOJOURN_EXHAUSTIVE=all takes every image.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from run import PROGRAMS, chain, exhaust, find_interpreter

SEED = int(os.environ.get("SOJOURN_SEED") or random.randrange(10**6))
EVERYTHING = os.environ.get("SOJOURN_EXHAUSTIVE") == "all"
SAMPLES: dict[str, int | None] = {"3.11": None, "3.13": None if EVERYTHING else 4}
LARGE = {"boundaries"}  # programs of which a sample is enough, when there is no time for everything
CHAINS = 6 if EVERYTHING else 2
HOPS = 10
ids = [program.stem for program in PROGRAMS]


@pytest.fixture(params=sorted(SAMPLES))
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def python(version: str) -> str:
    found = find_interpreter(version)
    if found is None:
        pytest.skip(f"no CPython {version} on this machine (looked at this interpreter, pyenv's and PATH)")
    return found


@pytest.mark.parametrize("program", PROGRAMS, ids=ids)
def test_every_image_goes_on_as_the_original(python: str, version: str, program: Path) -> None:
    print("seed", SEED)
    sample = 10 if program.stem in LARGE and not EVERYTHING else SAMPLES[version]
    report = exhaust(python, program, sample=sample, seed=SEED)
    print(report)
    assert report.images > (500 if sample is None else 50)
    assert report.good, report


@pytest.mark.parametrize("program", PROGRAMS, ids=ids)
def test_a_run_can_be_frozen_again_and_again(python: str, program: Path) -> None:
    for seed in range(SEED, SEED + CHAINS):
        print("seed", seed)
        report = chain(python, program, hops=HOPS, seed=seed)
        assert report.images >= HOPS // 3
        assert report.good, report

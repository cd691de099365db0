"""The exhaustive test under pytest: every image on 3.11, samples on the other versions, and chains of freezes.

The samples come from --seed; --thorough takes every image on every version.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.versions import ALL, python_of

sys.path.insert(0, str(Path(__file__).parent))

from fuzz import Maker
from run import PROGRAMS, WITH_WORLD, chain, exhaust

WHOLE = "3.11"  # the version that `make test` takes every image of
SAMPLE = 10  # of the others it takes one image of so many
SAMPLE_OF_WORLDS = 60  # an image with the whole world takes ten times as long
CHAINED = 2  # and freezes so many of the programs again and again
LARGE = {"boundaries", "generators"}  # programs of which a sample is enough, when there is no time for everything
HOPS = 10
ids = [program.stem for program in PROGRAMS]


@pytest.mark.parametrize("program", PROGRAMS, ids=ids)
@pytest.mark.parametrize("version", ALL)
def test_every_image_goes_on_as_the_original(version: str, program: Path, seed: int, thorough: bool) -> None:
    whole = thorough or (version == WHOLE and program.stem not in LARGE)
    report = exhaust(python_of(version), program, sample=None if whole else SAMPLE, seed=seed)
    print(report)
    assert report.images > (500 if whole else 20)
    assert report.good, report


@pytest.mark.parametrize("program", WITH_WORLD, ids=lambda program: program.stem)
@pytest.mark.parametrize("version", ALL)
def test_every_image_with_its_world_goes_on(version: str, program: Path, seed: int, thorough: bool) -> None:
    """In the program, and in asyncio or `threading` themselves."""
    report = exhaust(
        python_of(version), program, visits=1, sample=None if thorough else SAMPLE_OF_WORLDS, seed=seed
    )
    print(report)
    assert report.images > (1500 if thorough else 10)
    assert report.good, report


@pytest.mark.parametrize("program", PROGRAMS, ids=ids)
@pytest.mark.parametrize("version", ALL)
def test_a_run_can_be_frozen_again_and_again(version: str, program: Path, seed: int, thorough: bool) -> None:
    chained = random.Random(f"{seed} {version}").sample(PROGRAMS, CHAINED)
    if not thorough and version != WHOLE and program not in chained:
        pytest.skip("not in this seed's sample")
    for each in range(seed, seed + (6 if thorough else 2)):
        report = chain(python_of(version), program, hops=HOPS, seed=each)
        print(report)
        assert report.images >= HOPS // 3
        assert report.good, report


@pytest.mark.parametrize("version", ALL)
def test_random_programs_go_on_as_they_would_have(version: str, seed: int, thorough: bool, tmp_path: Path) -> None:
    python = python_of(version)
    for each in range(seed, seed + (10 if thorough else 1)):
        print("seed", each)
        program = tmp_path / f"fuzz{each}.py"
        program.write_text(Maker(each).program())
        for report in (exhaust(python, program, sample=60, seed=each), chain(python, program, hops=4, seed=each)):
            print(report)
            assert report.good, report

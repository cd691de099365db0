"""Random programs that hypothesis makes, and shrinks where one goes wrong, frozen at random opcodes on every version.

The same few hundred each time, so that a red test is about what was changed; --thorough takes thousands, by its seed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.versions import ALL, OWN, python_of

sys.path.insert(0, str(Path(__file__).parent))

from nested import Nest
from pair import Pair

IMAGES = 3  # of each program
PROGRAMS, ELSEWHERE, THOROUGH = (
    100,
    25,
    3000,
)  # on the version that runs the tests, on the others, on each with --thorough


@pytest.mark.parametrize("version", ALL)
def test_nested_programs_go_on_as_they_would_have(
    version: str, thorough: bool, request: pytest.FixtureRequest
) -> None:
    with Pair(python_of(version)) as pair:
        taken = 0

        @given(choices=st.randoms(use_true_random=False), at=st.integers(0, 1 << 32))
        @settings(
            max_examples=THOROUGH if thorough else PROGRAMS if version == OWN else ELSEWHERE, derandomize=not thorough,
            deadline=None, database=None, suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def goes_on(choices: Random, at: int) -> None:
            nonlocal taken
            program = Nest(choices).program()
            count, wrong = pair.check(program, images=IMAGES, seed=at)
            taken += count
            assert not wrong, f"{wrong[0]}\nof\n{program}"

        if thorough:
            goes_on = seed(request.getfixturevalue("seed"))(goes_on)
        goes_on()
        assert taken > PROGRAMS // 5

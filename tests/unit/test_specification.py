"""Every promise of SPECIFICATION.md names what holds it, which is there, or says that it is pending.

Figures (B…) are held by `make bench`.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    line
    for line in (ROOT / "SPECIFICATION.md").read_text().splitlines()
    if re.match(r"\| [AC-Z]+\d+ \|", line)
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_promise_is_held(row: str) -> None:
    number, _, held = (part.strip() for part in row.strip("|").split("|", 2))
    if "**pending**" in held:
        return
    named = re.findall(r"`([^`]+)`", held)
    assert named, f"{number} names nothing that holds it"
    for name in named:
        path, _, test = name.partition("::")
        if path.startswith(("tests/", "bench", ".")):
            assert (ROOT / path).exists(), f"{number}: {path} is not there"
            assert not test or f"def {test}(" in (ROOT / path).read_text(), f"{number}: {name} is not there"


def test_numbers_are_used_once() -> None:
    numbers = [row.split("|")[1].strip() for row in ROWS]
    assert sorted(numbers) == sorted(set(numbers))

"""Which interpreters are fit: every cell of the table, and the switch of the JIT."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sojourn.frames.support import SUPPORTED, Build, objection, supported

FIT = Build("cpython", "3.13.0")


@pytest.mark.parametrize("minor", SUPPORTED)
def test_every_supported_version_is_fit(minor: tuple[int, int]) -> None:
    assert objection(Build("cpython", "{}.{}.4".format(*minor))) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "3.10.14"}, "another version"),
        ({"version": "3.16.0"}, "another version"),
        ({"version": "4.11.0"}, "another version"),
        ({"implementation": "pypy"}, "another implementation"),
        ({"implementation": "graalpy"}, "another implementation"),
        ({"platform": "darwin"}, "for another platform"),
        ({"arch": "aarch64"}, "for another platform"),
        ({"bits": 32}, "for another platform"),
        ({"abiflags": "t"}, "a free-threaded build"),
        ({"abiflags": "d"}, "a debug build"),
        ({"abiflags": "td"}, "a free-threaded build"),
    ],
)
def test_what_is_not_fit_is_told_as_what_it_is(change: dict[str, str], said: str) -> None:
    assert objection(replace(FIT, **change)) == said


@pytest.mark.parametrize(
    ("jit", "switch", "at_work"),
    [
        ("none", None, False), ("none", "", False), ("none", "0", False), ("none", "1", False),
        ("off", None, False), ("off", "", False), ("off", "0", False), ("off", "1", True),
        ("on", None, True), ("on", "", True), ("on", "0", False), ("on", "1", True),
    ],
)  # fmt: skip
def test_a_jit_is_refused_where_it_would_be_at_work(jit: str, switch: str | None, at_work: bool) -> None:
    found = objection(replace(FIT, jit=jit), switch)
    assert (found is not None) is at_work
    assert found is None or "JIT" in found


def test_the_other_side_names_every_version() -> None:
    for major, minor in SUPPORTED:
        assert f"{major}.{minor}" in supported()

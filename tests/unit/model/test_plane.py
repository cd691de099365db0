"""Where the control plane's servers are, and what the end of a site costs: every case of the table."""

from __future__ import annotations

import pytest

from sojourn.model.plane import HOST, choose, costs, told

THREE = (HOST, "b", "c")
LIVING = {HOST: ["n1", "n2"], "b": ["b"], "c": ["c"]}


@pytest.mark.parametrize(
    ("sites", "chosen"),
    [
        ({HOST: 0.0}, None),
        ({HOST: 0.0, "b": 1.0}, None),  # no quorum of two
        ({HOST: 0.0, "b": 1.0, "c": 2.0}, THREE),
        ({HOST: 0.0, "d": 3.0, "c": 2.0, "b": 1.0}, THREE),  # the oldest, and no more than it takes
        ({"b": 1.0, "c": 2.0, "d": 3.0}, None),  # the authority signs: without it nobody can begin
    ],
)
def test_three_sites_carry_it_as_soon_as_there_are_three(
    sites: dict[str, float], chosen: tuple[str, ...] | None
) -> None:
    assert choose(sites) == chosen


def without(*gone: str) -> dict[str, list[str]]:
    return {site: nodes for site, nodes in LIVING.items() if site not in gone}


@pytest.mark.parametrize(
    ("leaving", "servers", "living", "said", "fatal"),
    [
        (HOST, (HOST,), {HOST: ["n1", "n2"]}, [], False),  # nobody else is there
        (HOST, (HOST,), {HOST: ["n1"], "b": ["b"]}, ["the control plane of b is on this machine"], True),
        ("b", (HOST,), {HOST: ["n1"], "b": ["b"]}, [], False),
        ("b", THREE, LIVING, ["no further one may fail"], False),
        (HOST, THREE, LIVING, ["no further one may fail", "the authority"], False),
        ("b", THREE, without("c"), ["n1, n2 can start, move and write down nothing"], True),
        (HOST, THREE, without("c"), ["loses its majority", "the authority"], True),
        ("b", THREE, without("c", HOST), [], False),
        ("d", THREE, {**LIVING, "d": ["d"]}, [], False),  # it carries nothing
        ("b", (HOST, "b"), without("c"), ["loses its majority"], True),  # c was expelled
    ],
)
def test_what_the_end_of_a_site_costs(
    leaving: str, servers: tuple[str, ...], living: dict[str, list[str]], said: list[str], fatal: bool
) -> None:
    found = costs(leaving, servers, living)
    assert len(found) == len(said)
    assert all(part in cost.text for part, cost in zip(said, found, strict=True))
    assert any(cost.fatal for cost in found) == fatal


@pytest.mark.parametrize(
    ("servers", "living", "said"),
    [
        ((HOST,), {HOST}, "one server, at the host: 1 machine of the 3"),
        ((HOST,), {HOST, "b"}, "one server, at the host: 2 machines of the 3"),
        (THREE, {HOST, "b", "c", "d"}, "3 servers (the host, b, c): any one of them may fail"),
        (THREE, {"b", "c"}, "2 of 3 up: no further one may fail"),
        (THREE, {"b"}, "1 of 3 up: too few"),
        ((HOST, "b"), {HOST, "b"}, "2 of 3 up: no further one may fail"),
    ],
)
def test_how_it_stands(servers: tuple[str, ...], living: set[str], said: str) -> None:
    assert said in told(servers, living)

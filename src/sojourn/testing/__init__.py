"""The test kit: what Sojourn's own tests use, for the tests of whoever builds on it.

    from sojourn.testing import LocalCluster, Scenario, moved

    with LocalCluster(nodes=3) as local:
        scenario = Scenario("simulate.py")
        assert scenario.run(local, moved(5, seed=1)) == scenario.plain(local)

`local` is a cluster of your own in a temporary folder, with `namespaces=True` over computers of their own
(`computers`); `scenario` runs one program plainly and under
operators and compares what a user could see; `leaks` finds what is left behind; `plugin` offers them as
pytest fixtures.

Guarantee: a `LocalCluster` that was left has no process and no file any more, or says which.
"""

from sojourn.testing.computers import Computer
from sojourn.testing.leaks import Leaks, processes_of
from sojourn.testing.local import LocalCluster
from sojourn.testing.scenario import (
    Copy,
    Operator,
    Outcome,
    Scenario,
    cloned,
    frozen,
    moved,
    roaming,
    staying,
    wandering,
)

__all__ = [
    "Computer",
    "Copy",
    "Leaks",
    "LocalCluster",
    "Operator",
    "Outcome",
    "Scenario",
    "cloned",
    "frozen",
    "moved",
    "processes_of",
    "roaming",
    "staying",
    "wandering",
]

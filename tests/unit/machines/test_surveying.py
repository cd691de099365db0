"""What is looked at before a program is offered to another node."""

import os
from collections.abc import Callable

import pytest

from sojourn.machines.python.surveying import objections


def test_a_thread_that_ends_while_all_are_looked_at_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: Callable[[str], list[str]] = os.listdir
    before = objections()
    monkeypatch.setattr(os, "listdir", lambda path: ["1", *listed(path)])  # (no thread of ours is called so)
    assert objections() == before

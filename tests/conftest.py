"""Options and fixtures of the test kit for every test here, and which interpreters the tests across versions have."""

import pytest

from .versions import present

pytest_plugins = ["sojourn.testing.plugin"]


def pytest_configure(config: pytest.Config) -> None:
    from sojourn.testing.plugin import FACTS  # not before pytest itself has imported the plugin

    config.stash[FACTS] = {"interpreters": present()}


def pytest_report_header(config: pytest.Config) -> str:
    return f"interpreters: {', '.join(present().values())}"

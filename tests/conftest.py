"""Options and fixtures of the test kit for every test here."""

pytest_plugins = ["sojourn.testing.plugin"]

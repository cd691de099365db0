"""Names of processes: those that users give, and those that are made from the program."""

from __future__ import annotations

import re
import secrets
from collections.abc import Container
from pathlib import PurePath

from sojourn.errors import UsageError

_VALID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9_-])){0,62}")
_SUFFIX = "abcdefghjkmnpqrstvwxyz23456789"


def checked(name: str) -> str:
    """The name, if it can be one. Raises UsageError."""
    if not _VALID.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a name",
            advice="1 to 63 letters, digits, '-', '_' and single inner dots, beginning with a letter or digit",
        )
    return name


def made_for(program: str) -> str:
    """A name for a program or module: its stem and three random characters."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", PurePath(program).stem).strip("-_") or "process"
    return f"{stem[:40]}-{''.join(secrets.choice(_SUFFIX) for _ in range(3))}"


def made_from(name: str, taken: Container[str]) -> str:
    """A name for a copy: the original's with the first number from 2 that is free (`sim-2`, of `sim-2` too)."""
    stem = re.sub(r"-[0-9]+$", "", name)[:50]
    number = 2
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"

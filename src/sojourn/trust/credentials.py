"""A member's certificate and key, as files that only their owner may read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Credentials:
    """Where they are."""

    certificate: Path
    key: Path


def write_private(path: Path, data: bytes) -> None:
    """A file that only its owner may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    temporary.rename(path)

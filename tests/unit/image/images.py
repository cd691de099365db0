"""Small images, made with the real writer, for tests of whoever reads them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from sojourn.image import manifest
from sojourn.image.draft import Draft
from sojourn.image.manifest import Frozen, Interpreter, Maker, Manifest
from sojourn.image.signing import KeyFile
from sojourn.image.writing import finish


def key(folder: Path) -> KeyFile:
    return KeyFile(folder / "key")


def write(
    path: str,
    signer: KeyFile,
    *,
    memory: bytes = b"memory",
    log: bytes = b"",
    inspect: bytes = b"{}",
    **changed: object,
) -> Manifest:
    """An image of a process that never was."""
    draft = Draft(path)
    pieces = [
        *segment(draft, "inspect", inspect),
        *segment(draft, "log", log, epoch=1),
        *segment(draft, "memory", memory),
    ]
    said = Manifest(
        image="image",
        frozen_at=1.0,
        by=Maker(cluster="here", node="n1"),
        process=Frozen(
            id="0" * 20, name="sim", epoch=1, moves=0, started=1.0, program="sim.py", machine="python"
        ),
        interpreter=Interpreter(
            path="/usr/bin/python3", version="3.11.7", implementation="cpython", arch="x86_64", digest="d"
        ),
        packages={},
        seed=1,
        resources=[],
        blobs=[],
        detail={},
        pieces=pieces,
    )
    said = msgspec.structs.replace(said, **changed)
    finish(draft, said, signer)
    draft.keep()
    return said


def segment(draft: Draft, kind: manifest.Kind, data: bytes, *, epoch: int = 0) -> list[manifest.Piece]:
    fd = os.memfd_create("segment")
    try:
        os.write(fd, data)
        return draft.segment(kind, fd, len(data), epoch=epoch)
    finally:
        os.close(fd)

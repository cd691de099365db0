"""sojourn-inside.zip: everything of ours that runs in a host process, compiled for one interpreter.

The zip holds sources and, beside them, code compiled by the very interpreter that will read it (unchecked,
since both are written together): a template that had to compile them would take ten times as long to start.
It is named by the digest of the sources and the interpreter's cache tag, so that a new version never meets an
old zip.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import sojourn
from sojourn.errors import InternalError

ROOT = Path(sojourn.__file__).parent

# What is inside, relative to the package. A folder stands for all modules in and below it.
INSIDE = (
    "__init__.py",
    "errors.py",
    "inside.py",
    "reducers.py",
    "_util",
    "model/__init__.py",
    "model/binding.py",
    "frames",
    "threads",
    "resources/__init__.py",
    "resources/files.py",
    "resources/pipes.py",
    "resources/unlinked.py",
    "resources/buffers.py",
    "resources/fileobjects.py",
    "resources/standard.py",
    "machines/__init__.py",
    "machines/python/__init__.py",
    "machines/python/boot.py",
    "machines/python/template.py",
    "machines/python/launch.py",
    "machines/python/privacy.py",
    "machines/python/messages.py",
    "machines/python/host.py",
    "machines/python/commands.py",
    "machines/python/surveying.py",
    "machines/python/held.py",
    "machines/python/fresh.py",
    "machines/python/face.py",
    "machines/python/wishes.py",
)
BOOT = "machines/python/boot.py"

_COMPILE = """
import importlib._bootstrap_external as external, json, sys, zipfile
target, *_ = sys.argv[1:]
with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as file:
    for name, path in json.load(sys.stdin):
        with open(path, "rb") as source:
            text = source.read()
        code = compile(text, "sojourn-inside.zip/" + name, "exec", dont_inherit=True)
        file.writestr(name, text)
        file.writestr(name + "c", bytes(external._code_to_hash_pyc(code, bytes(8), False)))
"""


def _modules() -> Iterator[tuple[str, Path]]:
    for entry in INSIDE:
        path = ROOT / entry
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = f"sojourn/{file.relative_to(ROOT)}"
            yield ("sitecustomize.py" if entry == BOOT else name), file


def build(folder: Path, python: str, cache_tag: str) -> Path:
    """The zip for this interpreter in `folder`; made if it is not there yet."""
    modules = list(_modules())
    digest = hashlib.blake2b(digest_size=8)
    for name, path in modules:
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    target = folder / f"{digest.hexdigest()}-{cache_tag}" / "sojourn-inside.zip"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = target.with_name(f".{os.getpid()}.zip")
    done = subprocess.run(
        [python, "-I", "-S", "-c", _COMPILE, str(draft)],
        input=json.dumps([(name, str(path)) for name, path in modules]),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        draft.unlink(missing_ok=True)
        raise InternalError(f"{python} could not compile the inside", history=done.stderr.splitlines())
    draft.replace(target)
    return target

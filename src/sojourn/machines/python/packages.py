"""Which distributions a program uses, and whether another environment has them.

A module belongs to the distribution whose RECORD lists it. What is read of an environment is kept for as long as its
site-packages folders have not changed.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import ClassVar


def translated(source: list[str], target: list[str]) -> dict[str, str]:
    """What an interpreter's own entries of sys.path become under another that is built the same.

    Site folders become site folders, the library's become the library's, each in their order; what has no counterpart
    stays as it is.
    """
    found: dict[str, str] = {}
    for kind in (True, False):
        here = [path for path in source if _is_site(path) is kind]
        there = [path for path in target if _is_site(path) is kind]
        found |= {old: new for old, new in zip(here, there, strict=False) if old != new}
    return found


def _is_site(path: str) -> bool:
    return path.rstrip("/").endswith(("site-packages", "dist-packages"))


class Environment:
    """The distributions that are found on a list of folders."""

    _known: ClassVar[dict[tuple[tuple[str, int], ...], Environment]] = {}

    def __init__(self, folders: Iterable[str]) -> None:
        self.versions: dict[str, str] = {}
        self.owners: dict[str, str] = {}  # the first part of a module's file below its folder -> distribution
        for found in metadata.distributions(path=list(folders)):
            name, version = _named(found)
            if name and name not in self.versions:  # the first folder wins, as for imports
                self.versions[name] = version
                for part in _first_parts(found):
                    self.owners.setdefault(part, name)

    @classmethod
    def of(cls, paths: Iterable[str]) -> Environment:
        """The environment of these entries of sys.path (site-packages and their like among them)."""
        folders = [path for path in paths if _is_site(path)]
        mark = tuple((folder, os.stat(folder).st_mtime_ns) for folder in folders if os.path.isdir(folder))
        if mark not in cls._known:
            cls._known[mark] = cls(folder for folder, _ in mark)
        return cls._known[mark]

    def used(self, files: Iterable[str | None], paths: Iterable[str]) -> dict[str, str]:
        """The distributions, with versions, that these modules' files belong to."""
        found: dict[str, str] = {}
        folders = [path.rstrip("/") + "/" for path in paths if path]
        for file in files:
            for folder in folders:
                if file is not None and file.startswith(folder):
                    owner = self.owners.get(file[len(folder) :].partition("/")[0])
                    if owner is not None:
                        found[owner] = self.versions[owner]
        return found

    def lacks(self, wanted: Mapping[str, str], where: str) -> list[str]:
        """Every wanted distribution that is missing or of another version here."""
        reasons: list[str] = []
        for name, version in sorted(wanted.items()):
            here = self.versions.get(name)
            if here != version:
                what = f"{where} has {here}" if here else f"{where} does not have it"
                reasons.append(f"the program uses {name} {version}; {what}")
        return reasons


def _named(found: metadata.Distribution) -> tuple[str, str]:
    """Name and version, from the head of its metadata: the rest, often a whole manual, is not parsed."""
    text = found.read_text("METADATA")
    if text is None:  # an egg, or something rarer
        return found.metadata["Name"], found.version
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line:
            break
        field, _, value = line.partition(":")
        fields.setdefault(field.lower(), value.strip())
    return fields.get("name", ""), fields.get("version", "")


def _first_parts(found: metadata.Distribution) -> Iterable[str]:
    """The first part of each of its files' paths. `files` of the library makes a path object of every one of them."""
    text = found.read_text("RECORD")
    if text is None:
        return {file.parts[0] for file in found.files or ()}
    return {row[0].partition("/")[0] for row in csv.reader(text.splitlines()) if row}

"""Reads a program without running or importing anything of it: `python -I outline.py PROGRAM` prints JSON.

It is run by the interpreter that the program would have, so that the program's syntax, its library and its packages are
that one's; it needs nothing but the standard library, and nothing of ours. Modules that lie with the program are read
too. Imports are looked for by the interpreter's own finders, which find and do not load.
"""

from __future__ import annotations

import ast
import importlib.machinery
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

MOST_FILES = 500


class Outline:
    """What is found in a program and the modules beside it."""

    def __init__(self, program: str) -> None:
        self._folder = os.path.dirname(program)
        self._queue = [(program, "")]
        self._seen = {os.path.realpath(program)}
        self.imports: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []

    def read(self) -> None:
        for path, package in self._queue:  # grows on the way
            try:
                with open(path, "rb") as file:
                    tree = ast.parse(file.read(), path)
            except (SyntaxError, ValueError, OSError) as why:
                line = getattr(why, "lineno", None) or 1
                self.errors.append({"file": path, "line": line, "what": getattr(why, "msg", None) or str(why)})
                continue
            self._file(path, package, tree)

    def _file(self, path: str, package: str, tree: ast.AST) -> None:
        names: dict[str, str] = {}  # in this file -> full names of what was imported
        guarded = set(_guarded(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    names[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
                    self._import(path, node, alias.name, id(node) in guarded)
            elif isinstance(node, ast.ImportFrom):
                module = _absolute(node, package)
                if module is None:
                    continue
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{module}.{alias.name}"
                    self._follow(f"{module}.{alias.name}")  # it may be a module
                self._import(path, node, module, id(node) in guarded)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (called := _dotted(node.func)) is not None:
                first, _, rest = called.partition(".")
                if first in names:
                    full = f"{names[first]}.{rest}" if rest else names[first]
                    self.calls.append({"file": path, "line": node.lineno, "name": full})

    def _import(self, path: str, node: ast.stmt, module: str, guarded: bool) -> None:
        origin = self._follow(module)
        self.imports.append(
            {"file": path, "line": node.lineno, "module": module, "origin": origin, "guarded": guarded}
        )

    def _follow(self, module: str) -> str | None:
        """Where a module is ("" for one without a file); one that lies with the program is read too."""
        spec = _found(module)
        if spec is None:
            return None
        origin = spec.origin if spec.has_location else None
        if origin and origin.endswith(".py") and _beside(origin, self._folder):
            real = os.path.realpath(origin)
            if real not in self._seen and len(self._seen) < MOST_FILES:
                self._seen.add(real)
                package = module if spec.submodule_search_locations is not None else module.rpartition(".")[0]
                self._queue.append((origin, package))
        return origin or ""


def _found(module: str) -> importlib.machinery.ModuleSpec | None:
    """The spec of a module, found step by step so that no package is imported for its parts."""
    spec: importlib.machinery.ModuleSpec | None = None
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        where = None
        if spec is not None:
            if spec.submodule_search_locations is None:
                return spec if spec.origin in ("built-in", "frozen") or not spec.has_location else None
            where = list(spec.submodule_search_locations)
        spec = _look(".".join(parts[:end]), where)
        if spec is None:
            return None
    return spec


def _look(name: str, where: list[str] | None) -> importlib.machinery.ModuleSpec | None:
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, where)
        except Exception:  # somebody's finder, which may do anything
            continue
        if spec is not None:
            return spec
    return None


def _absolute(node: ast.ImportFrom, package: str) -> str | None:
    """The full name of the module of a `from` import; None where it is relative to nothing."""
    if not node.level:
        return node.module
    parts = package.split(".") if package else []
    if len(parts) < node.level:
        return None
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _guarded(tree: ast.AST) -> Iterator[int]:
    """Imports that the program may do without: inside a `try`, or under a condition on types alone."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Try | ast.If):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node.test):
            continue
        for statement in node.body:
            for each in ast.walk(statement):
                if isinstance(each, ast.Import | ast.ImportFrom):
                    yield id(each)


def _dotted(node: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def _beside(origin: str, folder: str) -> bool:
    installed = ("/site-packages/", "/dist-packages/")
    return os.path.abspath(origin).startswith(folder + "/") and not any(each in origin for each in installed)


def main(program: str) -> None:
    sys.path.insert(0, os.path.dirname(program))
    outline = Outline(program)
    outline.read()
    print(json.dumps({"imports": outline.imports, "calls": outline.calls, "errors": outline.errors}))


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))

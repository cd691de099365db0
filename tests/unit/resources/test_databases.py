"""The files that SQLite has open: told from the program's own, checked like them, and opened by the heap alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from sojourn.resources import files

PROGRAM = """
import json, sqlite3, sys
from sojourn.resources import files
base = sqlite3.connect("one.db")
base.execute("PRAGMA journal_mode = WAL")
base.execute("CREATE TABLE IF NOT EXISTS t (a)")
base.execute("SELECT * FROM t").fetchall()
own = open("one.db", "rb")
entries, reasons = files.capture(files.Streams(), lambda fd: "")
found = [entry for entry in entries if entry["name"].startswith(sys.argv[1])]
print(json.dumps([found, reasons, files.unshareable(entries)]))
"""


def captured(folder: Path) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
        check=True,
    )  # fmt: skip
    return json.loads(said.stdout)


def test_they_are_told_from_the_files_of_the_program(tmp_path: Path) -> None:
    entries, reasons, unshareable = captured(tmp_path)
    kinds = {(Path(entry["name"]).name, entry["kind"]) for entry in entries}
    assert kinds == {("one.db", "database"), ("one.db", "file"), ("one.db-wal", "made"), ("one.db-shm", "made")}
    assert reasons == []  # though SQLite locks what it has open
    assert len(unshareable) == 1 and "one.db) is open for writing" in unshareable[0] and "mode=ro" in unshareable[0]


def test_another_database_of_the_same_name_is_refused(tmp_path: Path) -> None:
    entries, *_ = captured(tmp_path)
    assert files.missing(entries) == []
    (tmp_path / "one.db").rename(tmp_path / "other.db")
    assert all("cannot be reached here" in why for why in files.missing(entries))
    (tmp_path / "one.db").write_bytes(b"")
    assert len(files.missing(entries)) == 2 and "is another file here" in files.missing(entries)[0]

"""Carries what a piece of program makes into a separately started process and has it checked there.

The program is run as `__main__` of one process and calls nothing of ours: it defines `make()`, whose result is dumped,
and `check(made)`, which travels with it (by value, as all of `__main__` does) and runs in the other process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[4] / "src"

WRITE = """
import sys, types
sys.path.insert(0, {source!r})
import sojourn.frames.heap as heap, sojourn.resources.fileobjects
main = types.ModuleType("__main__"); main.__builtins__ = __builtins__
sys.modules["__main__"] = main
exec(compile(open({program!r}).read(), {program!r}, "exec"), main.__dict__)
buffers, nest = [], []
for _ in range({deep}):
    nest = [nest]
data = heap.dump([main.__dict__["make"](), main.__dict__["check"], main, nest], buffers=buffers, code=[main])
with open({image!r}, "wb") as file:
    file.write(len(data).to_bytes(8, "little") + data)
    for each in buffers:
        raw = each.raw()
        file.write(raw.nbytes.to_bytes(8, "little")); file.write(raw)
"""

READ = """
import sys
sys.path.insert(0, {source!r})
import sojourn.frames.heap as heap, sojourn.resources.fileobjects
whole = open({image!r}, "rb").read()
parts, at = [], 0
while at < len(whole):
    size = int.from_bytes(whole[at:at + 8], "little"); parts.append(whole[at + 8:at + 8 + size]); at += 8 + size
made, check, main, nest = heap.load(parts[0], [bytearray(p) for p in parts[1:]])
assert main is sys.modules["__main__"]
check(made)
"""


def carry(
    program: str,
    folder: Path,
    *,
    python: str = sys.executable,
    extra: dict[str, str] | None = None,
    deep: int = 0,
) -> str:
    """Run `make` in one process and `check` in another; returns what the second one printed.

    Beside it there are so many lists in each other; from a thousand on it is another dump that is used (`deep`).

    Raises AssertionError with the output of the process that failed.
    """
    for name, text in (extra or {}).items():
        (folder / name).write_text(textwrap.dedent(text))
    path, image = folder / "program.py", folder / "image"
    path.write_text(textwrap.dedent(program))
    env = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(folder)}
    output = ""
    for script in (WRITE, READ):
        text = script.format(source=str(SOURCE), program=str(path), image=str(image), deep=deep)
        if script is READ:
            env.pop("PYTHONPATH")
        done = subprocess.run(
            [python, "-c", text], env=env, capture_output=True, text=True, timeout=120, cwd="/"
        )
        output = done.stdout
        assert done.returncode == 0, (
            f"{'reading' if script is READ else 'writing'} failed\n{done.stdout}{done.stderr}"
        )
    return output

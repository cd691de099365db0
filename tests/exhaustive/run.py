"""The exhaustive test: an image at every opcode boundary of a program, each resumed in a process started separately.

`run.py [--python X] [--sample N] [--seed S] [--visits V] [--chain N] [PROGRAM ...]`

Every image (the first two visits of each position) is loaded by a process that has other addresses, another working
directory and another pid, and that has imported only the engine; the hash seed is the same. The rest of the program's
output, and the traceback it may end with, must be equal to the undisturbed run's. `--sample N` takes every Nth image on
average, at random with the seed. `--chain N` freezes one run N times in a row, each time going on in a fresh process.

The programs in `programs/worlds` are asyncio's and those with threads: their images have the library's state in them,
and are taken inside of asyncio and `threading`, too. It is the main thread that stands at every boundary; the others
are brought to rest where they happen to be. They are not chained.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stage import difference

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src"
PROGRAMS = sorted((HERE / "programs").glob("*.py"))
WITH_WORLD = sorted((HERE / "programs" / "worlds").glob("*.py"))  # whose library has state that must travel, too


@dataclass
class Report:
    """What one program gave under one interpreter."""

    program: str
    python: str
    images: int
    failures: list[dict[str, Any]]
    pins: dict[str, int]
    refusals: dict[str, int]
    errors: dict[str, int]
    seconds: float

    @property
    def good(self) -> bool:
        return not self.failures and not self.errors

    def __str__(self) -> str:
        lines = [
            f"{Path(self.program).stem:12} {self.python:8} images {self.images:5}  wrong {len(self.failures):3}  "
            f"pinned {sum(self.pins.values()):4}  refused {sum(self.refusals.values()):3}  {self.seconds:6.1f} s"
        ]
        lines += [f"    refused {count} x {what}" for what, count in list(self.refusals.items())[:4]]
        lines += [f"    error {count} x {what}" for what, count in list(self.errors.items())[:4]]
        places = [f"{f['where']}:{f['offset']}" for f in self.failures]
        lines += [f"    wrong at {' '.join(places[:40])}"] if places else []
        lines += [f"    {f['where']} at {f['offset']}:\n{f['wrong']}" for f in self.failures[:2]]
        return "\n".join(lines)


def interpreters(version: str) -> Iterator[str]:
    """Interpreters of a version ("3.13"): the running one, pyenv's, the one on PATH, that of `make interpreters`."""
    if "{}.{}".format(*sys.version_info) == version:
        yield sys.executable
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from (str(path) for path in sorted(root.glob(f"versions/{version}.*/bin/python")))
    if found := shutil.which(f"python{version}"):
        yield found
    if (made := HERE.parent.parent / ".interpreters" / "usr" / "bin" / f"python{version}").exists():
        yield str(made)


def find_interpreter(version: str) -> str | None:
    """The first interpreter of a version that runs."""
    for path in interpreters(version):
        check = "import sys; print('%d.%d' % sys.version_info[:2])"
        asked = subprocess.run([path, "-c", check], capture_output=True, text=True)
        if asked.stdout.strip() == version:
            return path
    return None


def environment(hash_seed: int = 7) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join((str(SOURCE), str(HERE))), "PYTHONHASHSEED": str(hash_seed),
            "PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip


def _run(python: str, *arguments: str, cwd: str) -> str:
    command = [python, "-W", "ignore", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def version_of(python: str) -> str:
    return _run(python, "-c", "import platform; print(platform.python_version())", cwd="/").strip()


def exhaust(python: str, program: str | Path, *, visits: int = 2, sample: int | None = None, seed: int = 0) -> Report:
    """Every image of a program, each resumed on its own."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/images"
        options = {"program": str(Path(program).resolve()), "visits": visits, "sample": sample, "seed": seed,
                   "file": file, "world": Path(program).parent.name == "worlds"}  # fmt: skip
        _run(python, str(HERE / "recorder.py"), json.dumps(options), cwd=str(HERE))
        failures = json.loads(_run(python, str(HERE / "resumer.py"), file, cwd=folder))
        summary = json.loads(_run(python, "-c", _SUMMARY, file, cwd=folder))
    return Report(str(program), version_of(python), summary["images"], failures, summary["pins"],
                  summary["refusals"], summary["errors"],                  time.monotonic() - start)  # fmt: skip


_SUMMARY = """
import json, pickle, sys
record = pickle.load(open(sys.argv[1], "rb"))
print(json.dumps({"images": len(record["images"]), "pins": record["pins"],
                  "refusals": record["refusals"], "errors": record["errors"]}))
"""


def chain(python: str, program: str | Path, *, hops: int, seed: int) -> Report:
    """One run, frozen `hops` times; each part runs in a fresh process until its own freeze."""
    start = time.monotonic()
    numbers = random.Random(seed)
    program = str(Path(program).resolve())
    with tempfile.TemporaryDirectory() as folder:
        whole = json.loads(_run(python, str(HERE / "hop.py"), json.dumps({"program": program}), cwd=folder))
        output, done, pins, image, opcodes = "", 0, {}, None, whole["opcodes"]
        for hop in range(hops + 1):
            after = numbers.randrange(max(1, 2 * opcodes // (hops + 1))) if hop < hops else None
            options = {"program": program, "image": image, "after": after, "file": f"{folder}/{hop}"}
            part = json.loads(_run(python, str(HERE / "hop.py"), json.dumps(options), cwd=folder))
            output += part["output"]
            if not part["frozen"]:
                break
            image, done = f"{folder}/{hop}", done + 1
    wrong = [] if output == whole["output"] else [
        {"where": f"after {done} hops, seed {seed}", "offset": 0,
         "wrong": difference(whole["output"], output)}
    ]  # fmt: skip
    return Report(program, version_of(python), done, wrong, pins, {}, {}, time.monotonic() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="an interpreter, or a version to look for")
    parser.add_argument("--sample", type=int, help="take one image of N, at random")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--visits", type=int, default=2, help="visits of each position to take")
    parser.add_argument("--chain", type=int, metavar="N", help="freeze one run N times in a row")
    parser.add_argument("programs", nargs="*", default=PROGRAMS)
    options = parser.parse_args()
    python = options.python if os.path.sep in options.python else find_interpreter(options.python)
    if python is None:
        parser.error(f"no interpreter {options.python} was found")
    print("seed", options.seed)
    good = True
    for program in options.programs:
        if options.chain:
            report = chain(python, program, hops=options.chain, seed=options.seed)
        else:
            report = exhaust(python, program, visits=options.visits, sample=options.sample, seed=options.seed)
        print(report, flush=True)
        good = good and report.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.programs [--python VERSION] [--moves N] [--seed S] [--keep FILE] [NAME...]`: moves the programs and
tells what came of it. FILE gets it as JSON lines, from which `python -m tests.programs.table FILE...` writes that in
docs/programs.md.
"""

from __future__ import annotations

import argparse
import json
import random
import time
import traceback
from pathlib import Path

from sojourn.testing import LocalCluster
from tests.versions import OWN, present

from . import environment
from .catalog import BY_NAME, PROGRAMS
from .travel import Trip, travel


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.programs", description=__doc__)
    parser.add_argument("--python", choices=present(), default=OWN, help="the interpreter that runs the programs")
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    python = environment.python(options.python)
    print("seed", options.seed)
    with LocalCluster(nodes=3) as local:
        for program in [BY_NAME[name] for name in options.names] or PROGRAMS:
            began = time.monotonic()
            try:
                trip = travel(program, local, moves=options.moves, seed=options.seed, python=python)
            except Exception as failure:
                print(program.name, "FAILED", traceback.format_exc(limit=-3), flush=True)
                trip = Trip(program, failed=str(failure)[:200])
            row = {
                "name": program.name, "kind": program.kind, "moves": trip.moves, "runs": trip.runs,
                "refused": dict(trip.refused), "wrong": trip.wrong, "failed": trip.failed, "python": options.python,
            }  # fmt: skip
            print(f"{program.name:32} moves {trip.moves:3} refused {sum(trip.refused.values()):3} runs {trip.runs:2}"
                  f" {'WRONG' if trip.wrong else ''} {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
            for why, count in trip.refused.most_common(3):
                print(f"    {count} x {why[:300]}")
            if trip.failed:
                print("    failed:", trip.failed[:300])
            for wrong in trip.wrong:
                print("   ", wrong, flush=True)
            if options.keep is not None:
                with options.keep.open("a") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()

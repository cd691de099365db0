"""`again.py MODULE [ARGUMENT…]`: runs a tool as `python -m MODULE ARGUMENT…` does, ROUNDS times in one process."""

import os
import runpy
import sys

_, module, *arguments = sys.argv
ended = None
sys.path.insert(0, "")
for _ in range(int(os.environ["ROUNDS"])):
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as exit:
        ended = exit.code
sys.exit(ended)

"""`again.py MODULE [ARGUMENT…]`: runs a tool as `python -m MODULE ARGUMENT…` does, again and again in one process."""

import runpy
import sys

from rounds import rounds

_, module, *arguments = sys.argv
ended = None
sys.path.insert(0, "")
for _ in rounds():
    if sys.stdout.closed:  # some tools close it
        sys.stdout = open(1, "w", closefd=False)
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as exit:
        ended = exit.code
sys.exit(ended)

"""What the program sees of itself is what `python PROGRAM.py ARGS` shows, before and after."""

import os
import sys

before = (
    sys.argv[1:],
    os.path.basename(sys.argv[0]),
    __name__,
    os.path.basename(__file__),
    sys.flags,
    sys.path[1:],
)
loaded = sorted(set(sys.modules) - {"copyreg"})  # the one module of ours that shows (docs/host-processes.md)
for step in range(250):
    for _ in range(280_000):
        pass
after = (
    sys.argv[1:],
    os.path.basename(sys.argv[0]),
    __name__,
    os.path.basename(__file__),
    sys.flags,
    sys.path[1:],
)
print(before == after, before, sys.path[0] == os.path.dirname(os.path.abspath(__file__)))
print(
    sys.modules["__main__"].step,
    loaded == sorted(set(sys.modules) - {"copyreg"}),
    __doc__[:8],
    __spec__,
    type(__loader__).__name__,
)
print(loaded)
print(sorted(set(os.environ) - {"PYTHONHASHSEED"}))  # the plain run is given the seed in the open
print(sys.executable, sys.prefix, sys.version_info[:3], sys.getrecursionlimit(), sys.stdout.encoding)

"""Several megabytes of output, each line known."""

import hashlib
import sys

digest = hashlib.sha256()
for step in range(6000):
    line = f"{step:08d} " + "abcdefghij" * (step % 120) + "\n"
    digest.update(line.encode())
    sys.stdout.write(line)
    for _ in range(5_000):
        pass
sys.stderr.write(digest.hexdigest() + "\n")

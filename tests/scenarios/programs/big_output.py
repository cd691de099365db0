"""Several megabytes of output, each line known."""

import sys
import zlib

digest = 0
for step in range(6000):
    line = f"{step:08d} " + "abcdefghij" * (step % 120) + "\n"
    digest = zlib.crc32(line.encode(), digest)
    sys.stdout.write(line)
    for _ in range(10_000):
        pass
sys.stderr.write(f"{digest:08x}\n")

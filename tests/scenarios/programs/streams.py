"""stdout and stderr are two streams, each with its own buffering, written to in every way."""

import os
import sys

for step in range(300):
    print("out", step)
    print("err", step, file=sys.stderr)
    sys.stdout.write("no newline ")
    if step % 20 == 0:
        sys.stdout.flush()
        os.write(1, b"raw out\n")
        os.write(2, b"raw err\n")
    sys.stderr.buffer.write(b"\xff\x00 bytes\n")
    for _ in range(240_000):
        pass
print("end", end="")

"""KeyboardInterrupt out of a loop, caught, then one more that is not."""

import os
import signal

caught = 0
for step in range(200):
    try:
        if step % 50 == 49:
            os.kill(os.getpid(), signal.SIGINT)
        for _ in range(320_000):
            pass
    except KeyboardInterrupt:
        caught += 1
print(caught, flush=True)
os.kill(os.getpid(), signal.SIGINT)
for _ in range(100_000_000):
    pass

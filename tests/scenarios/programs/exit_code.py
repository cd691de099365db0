"""sys.exit out of nested blocks, with output not yet flushed."""

import sys


def leave(step):
    try:
        if step == 250:
            sys.exit(41)
    finally:
        trail.append(step)


trail = []
try:
    for step in range(300):
        leave(step)
        for _ in range(240_000):
            pass
finally:
    print(len(trail), end="")

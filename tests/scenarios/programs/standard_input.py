"""Input that is read by lines, by characters and to its end, with the rest of a buffer pending in between."""

import sys

total, words = 0, 0
header = sys.stdin.readline()
for number in range(120):
    line = input()
    total += len(line) * number
    for _ in range(240_000):
        pass
some = sys.stdin.read(10)
for line in sys.stdin:
    words += len(line.split())
    for _ in range(80_000):
        pass
print(header.strip(), total, repr(some), words, repr(sys.stdin.read()))

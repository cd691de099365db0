"""Loops over lists of the library that the program has added to, forwards and backwards: each element once."""

import logging

for number in range(6):
    handler = logging.NullHandler()
    handler.name = str(number)
    logging.root.handlers.append(handler)
for turn in range(12):
    for handler in logging.root.handlers:
        print(turn, handler.name)
        for _ in range(500_000):
            pass
    for handler in reversed(logging.root.handlers):
        print(turn, "back", handler.name)
        for _ in range(500_000):
            pass

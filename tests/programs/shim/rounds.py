"""How often a program's work is repeated: until the file ENOUGH is there, to which the number is then added, so that a
run that is left alone can be as long as one that was moved; or as often as ROUNDS says. Each loop has its number."""

import os

_given = iter(os.environ.get("ROUNDS", "").split())


def rounds():
    path = os.environ.get("ENOUGH")
    if path is None:
        yield from range(int(next(_given, "1")))
        return
    done = 0
    while not done or not os.path.exists(path):
        yield done
        done += 1
    with open(path, "a") as file:
        file.write(f"{done}\n")

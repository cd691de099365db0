"""Every loop and branch there is: match, walrus, while-else, comprehensions, unpacking, del."""


def classify(value):
    match value:
        case {"kind": str(kind), **rest} if rest:
            return kind, len(rest)
        case [first, *_, last]:
            return first, last
        case int() | float() as number:
            return "number", number
        case str("a" | "b"):
            return "letter"
        case _:
            return None


def pause():
    for _ in range(36_000):
        pass
    return True


log = []
step = 0
while (step := step + 1) < 270:
    rows = [[a * b for b in range(4) if pause()] for a in range(3)]
    flat = {cell: index for index, row in enumerate(rows) for cell in row}
    for item in ({"kind": "k", "x": step}, [1, 2, step], step, "a", None):
        log.append(classify(item))
        if item is None:
            continue
    for attempt in range(5):
        if attempt * step % 7 == 3:
            break
    else:
        log.append("no break")
    low, (middle, *others), high = 0, rows[1], rows[-1][-1]
    log.append(low <= middle < high <= max(flat))
    del rows[0], flat
    assert pause(), "never"
else:
    log.append("done")
print(len(log), log[-8:], hash(tuple(map(str, log))) != 0)

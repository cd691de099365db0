"""Iterators in the middle: of dicts, sets, ranges, zips, reversed lists, itertools."""

import itertools

table = {number: number * number for number in range(400)}
parts = {
    "dict": iter(table.items()),
    "values": iter(table.values()),
    "set": iter(set(range(1000, 1400))),
    "range": iter(range(10**12, 10**12 + 1000, 2)),
    "zip": zip(range(400), itertools.count(3), "ab" * 300),
    "reversed": reversed(list(range(400))),
    "enumerate": enumerate(itertools.cycle("xyz"), 5),
    "chain": itertools.chain(range(100), "abc" * 200),
    "map": map(lambda a, b: a * b, range(400), itertools.repeat(3)),
    "filter": filter(lambda number: number % 3, range(2000)),
    "slice": itertools.islice(itertools.count(), 5, 2000, 3),
    "product": itertools.product("abc", range(200)),
    "permutations": itertools.permutations(range(7), 3),
    "accumulate": itertools.accumulate(range(400)),
    "string": iter("é" * 400),
    "callable": iter(itertools.count(7).__next__, 10**9),
}
total = []
for step in range(150):
    for part in parts.values():
        item = next(part)
        total.append(item)
    for _ in range(400_000):
        pass
print(hash(tuple(map(str, total))), [str(item)[:12] for item in total[-len(parts) :]])
